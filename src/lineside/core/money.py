"""Money: an exact amount in one currency."""

from decimal import Decimal
from typing import Self

from pydantic import field_validator

from lineside.core.errors import Invalid
from lineside.core.record import Record


class Money(Record):
    """An amount in one currency, exact to the last digit.

    Attributes:
        amount: In units of the currency (not cents); any number of decimals, since one model call
            may cost a hundred-thousandth of a dollar.
        currency: ISO 4217 code, such as `USD`.
    """

    amount: Decimal
    currency: str = "USD"

    @field_validator("currency")
    @classmethod
    def _three_capitals(cls, currency: str) -> str:
        if len(currency) == 3 and currency.isascii() and currency.isupper():
            return currency
        raise ValueError(f"currency is three capital letters, such as USD, not {currency!r}")

    def __add__(self, other: Self) -> "Money":
        if self.currency != other.currency:
            raise Invalid(
                "mixed_currencies",
                f"Cannot add {other.currency} to {self.currency}",
                hint="Convert one of them first; lineside never guesses an exchange rate.",
            )
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __str__(self) -> str:
        digits = 2 if abs(self.amount) >= 1 or self.amount == 0 else 6
        return f"{self.amount:,.{digits}f} {self.currency}"
