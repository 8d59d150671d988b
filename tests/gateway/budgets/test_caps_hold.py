"""No call gets past a cap: not two hundred at once, not the owner's, not the end of a stream."""

import asyncio

import pytest

from gateway.budgets.conftest import Door, House
from lineside.gateway import budgets
from lineside.trust import Scope


async def test_two_hundred_calls_at_once_overrun_a_cap_by_nothing(
    scope: Scope, door: Door, house: House
) -> None:
    house.seconds = 0.05
    budgets.set_cap(scope, "key", "owner", measure="usd", amount=0.05, every="ever")
    asked = [door.answer(tokens_out_max=10) for _ in range(200)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    refused = [one for one in outcomes if isinstance(one, budgets.BudgetExceeded)]
    answered = [one for one in outcomes if not isinstance(one, BaseException)]
    assert len(refused) + len(answered) == 200
    assert 0 < len(answered) == len(house.asked) < 200
    (use,) = budgets.cap_uses(scope)
    assert use.spent == pytest.approx(len(answered) * 25e-6)
    assert use.reserved == 0

    # One after the other, calls go on until the cap itself is reached, and never beyond it.
    small = budgets.set_cap(
        scope, "key", "owner", measure="usd", amount=use.spent + 2e-3, every="ever"
    )
    house.seconds = 0
    for _ in range(200):
        try:
            await door.answer(tokens_out_max=10)
        except budgets.BudgetExceeded:
            break
    (use,) = budgets.cap_uses(scope)
    assert small.amount - 2e-3 < use.spent <= small.amount
