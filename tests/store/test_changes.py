"""Changes that come together land together, and one that fails undoes nothing but itself."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from lineside.store import Store, intake
from lineside.store.queries import insert_envelopes

ROWS = 3


def envelope(name: str) -> intake.Envelope:
    return intake.Envelope("default", name, 1, b"[{}]")


def putting(name: str) -> Callable[[Any], None]:
    return lambda connection: insert_envelopes(connection, [envelope(name)])


def names(store: Store) -> list[str]:
    with store.records.read() as connection:
        found = connection.execute(sa.text("SELECT lake_table FROM inbox ORDER BY id"))
        return [row[0] for row in found]


async def test_what_is_asked_for_together_is_durable_together(store: Store) -> None:
    await asyncio.gather(*(store.inbox.keep(envelope(f"t{at}")) for at in range(ROWS)))

    assert sorted(names(store)) == ["t0", "t1", "t2"]


async def test_a_change_that_fails_undoes_itself_and_no_other(store: Store) -> None:
    def fails(connection: Any) -> None:
        putting("undone")(connection)
        raise ValueError("mine")

    failing = store.changes.make(fails)
    await asyncio.gather(store.inbox.keep(envelope("a")), store.inbox.keep(envelope("b")))
    with pytest.raises(ValueError, match="mine"):
        await failing
    with pytest.raises(ValueError, match="mine"):
        await store.changes.make(fails)

    assert sorted(names(store)) == ["a", "b"]


async def test_while_another_writes_the_loop_goes_on_and_the_change_is_made_after(
    store: Store,
) -> None:
    may_end, has_begun = threading.Event(), threading.Event()

    def write_long() -> None:
        with store.records.write() as connection:
            connection.execute(sa.text("DELETE FROM inbox"))
            has_begun.set()
            may_end.wait(10)

    writing = asyncio.ensure_future(asyncio.to_thread(write_long))
    await asyncio.to_thread(has_begun.wait, 10)
    keeping = store.inbox.keep(envelope("later"))
    await asyncio.sleep(0.05)
    may_end.set()
    await asyncio.wait_for(keeping, 10)
    await writing

    assert names(store) == ["later"]


async def test_what_its_caller_gave_up_on_is_made_only_where_it_is_certain(store: Store) -> None:
    given_up = store.changes.make(putting("given up"))
    certain = store.changes.make(putting("certain"), is_certain=True)
    given_up.cancel()
    certain.cancel()
    await store.inbox.keep(envelope("last"))
    await asyncio.to_thread(store.changes.close)

    found = names(store)
    assert "certain" in found
    # A database of many writers may have begun it.
    assert "given up" not in found or not store.records.is_sqlite


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_what_comes_too_late_for_its_caller_is_handed_on(store: Store) -> None:
    came: list[str] = []
    may_end, has_begun = threading.Event(), threading.Event()

    def slow(connection: Any) -> str:
        has_begun.set()
        may_end.wait(10)
        return "made"

    def write_long() -> None:
        with store.records.write():
            writing.set()
            released.wait(10)

    writing, released = threading.Event(), threading.Event()
    holding = asyncio.ensure_future(asyncio.to_thread(write_long))
    await asyncio.to_thread(writing.wait, 10)
    asked = store.changes.make(slow, unwanted=came.append)
    await asyncio.sleep(0)
    released.set()
    await holding
    await asyncio.to_thread(has_begun.wait, 10)
    asked.cancel()
    may_end.set()
    await asyncio.to_thread(store.changes.close)
    await asyncio.sleep(0)

    assert came == ["made"]
