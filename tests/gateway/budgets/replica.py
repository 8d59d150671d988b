"""A process of its own that calls a model, as a second replica would; says what came of it."""

import asyncio
import os
import sys
from pathlib import Path

from gateway.budgets.conftest import Door, House
from lineside.core import Settings
from lineside.gateway import budgets
from lineside.gateway.budgets import reserving
from lineside.store import Store
from lineside.trust import local_scope


def tell(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def call(store: Store, calls: int) -> None:
    door = Door(store, House(seconds=0.05))
    asked = [door.answer(tokens_out_max=10) for _ in range(calls)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    wrong = [
        one
        for one in outcomes
        if isinstance(one, BaseException) and not isinstance(one, budgets.BudgetExceeded)
    ]
    assert not wrong, wrong
    await door.meter.close()
    tell(str(sum(not isinstance(one, BaseException) for one in outcomes)))


async def hold(store: Store) -> None:
    """Begin to call, and never come to an end."""
    reserving.LEASE_S = 2.0
    door = Door(store, House(seconds=600))
    asked = asyncio.ensure_future(door.answer(tokens_out_max=10))
    while not budgets.cap_uses(local_scope(store))[0].reserved:  # noqa: ASYNC110 # of a database
        await asyncio.sleep(0.01)
    tell("holding")
    await asked


if __name__ == "__main__":
    home, database_url, what = sys.argv[1:]
    opened = Store(Settings(home=Path(home), database_url=database_url))
    asyncio.run(hold(opened) if what == "hold" else call(opened, int(what)))
    opened.close()
    os._exit(0)
