from decimal import Decimal

import pytest
from pydantic import ValidationError

from lineside.core import Invalid, Money


def test_money_adds_exactly() -> None:
    cents = Money(amount=Decimal("0.1")) + Money(amount=Decimal("0.2"))

    assert cents.amount == Decimal("0.3")


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(Invalid, match="Cannot add EUR to USD"):
        Money(amount=Decimal(1)) + Money(amount=Decimal(1), currency="EUR")


def test_a_small_amount_keeps_its_digits_on_the_page() -> None:
    assert str(Money(amount=Decimal("0.000125"))) == "0.000125 USD"
    assert str(Money(amount=Decimal("1234.5"))) == "1,234.50 USD"


def test_a_currency_is_three_capitals() -> None:
    with pytest.raises(ValidationError, match="three capital letters"):
        Money(amount=Decimal(1), currency="euro")
