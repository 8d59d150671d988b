"""Changes that come together land together, and one that fails undoes nothing but itself."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from lineside.core import Settings, now
from lineside.store import Store, changes, intake, metadata
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


async def test_what_is_made_anew_beside_a_failure_is_kept_once_and_tells_what_was_kept(
    store: Store,
) -> None:
    inbox = metadata.tables["inbox"]

    def counting(connection: Any) -> int:
        putting("counted")(connection)
        return len(connection.execute(sa.select(inbox.c.id)).all())

    def fails(_connection: Any) -> None:
        raise ValueError("mine")

    asked = [store.changes.make(one) for one in (counting, fails, counting)]
    told = await asyncio.gather(*asked, return_exceptions=True)

    assert sorted(one for one in told if isinstance(one, int)) == [1, 2]
    assert names(store) == ["counted", "counted"]


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


async def test_what_is_asked_for_while_something_waits_does_not_overtake_it(store: Store) -> None:
    may_end, has_begun = threading.Event(), threading.Event()

    def write_long() -> None:
        with store.records.write():
            has_begun.set()
            may_end.wait(10)

    writing = asyncio.ensure_future(asyncio.to_thread(write_long))
    await asyncio.to_thread(has_begun.wait, 10)
    keeping = []
    for at in range(20):
        keeping.append(store.inbox.keep(envelope(f"t{at:02}")))
        await asyncio.sleep(0)  # each at the end of a turn of its own
        if at == ROWS:
            may_end.set()
    await asyncio.wait_for(asyncio.gather(*keeping), 10)
    await writing

    found = names(store)
    assert sorted(found) == [f"t{at:02}" for at in range(20)]
    assert found == sorted(found) or not store.changes.is_in_order


def test_loops_in_several_threads_and_another_writer_lose_nothing(store: Store) -> None:
    async def keep(who: str) -> None:
        for at in range(100):
            await store.inbox.keep(envelope(f"{who}{at}"))

    def write() -> None:
        for at in range(100):
            store.inbox.put("default", f"c{at}", [{}])

    work = [lambda: asyncio.run(keep("a")), lambda: asyncio.run(keep("b")), write]
    threads = [threading.Thread(target=one) for one in work]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)

    assert sorted(names(store)) == sorted(f"{who}{at}" for who in "abc" for at in range(100))


def test_a_loop_that_ends_in_the_turn_of_a_change_loses_it_not(store: Store) -> None:
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: store.inbox.keep(envelope("last")))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    store.changes.close()

    assert names(store) == ["last"]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_what_comes_after_the_end_is_made_where_it_was_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = store.inbox.keep(envelope("late"))
    store.changes.close()
    after = store.inbox.keep(envelope("later"))
    monkeypatch.setattr(store.records, "make_now", lambda _changes: None)  # another writes
    await asyncio.wait_for(asyncio.gather(keeping, after), 10)

    assert names(store) == ["late", "later"]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_the_log_is_written_anew_however_long_a_load_lasts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_CHECKPOINT_EVERY", 50)
    log = store.home / "records.sqlite-wal"
    is_over = False

    async def keep_on() -> None:
        while not is_over:
            await store.inbox.keep(intake.Envelope("default", "spans", 1, b"x" * 20_000))

    keeping = [asyncio.ensure_future(keep_on()) for _ in range(4)]
    while (store.inbox.count() or 0) < 4_000:  # noqa: ASYNC110 # of a database
        await asyncio.sleep(0.01)
    is_over = True
    await asyncio.gather(*keeping)

    assert log.stat().st_size < 4_000 * 20_000 / 2


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_list_of_values_is_asked_without_sqlalchemy_in_between(store: Store) -> None:
    inbox = metadata.tables["inbox"]
    since, before = now(), now() - timedelta(days=1)
    for name in "abc":
        assert store.records.make_now([putting(name)])
    query = sa.select(inbox.c.lake_table, inbox.c.received_at).where(
        inbox.c.lake_table.in_(["a", "c"]),
        inbox.c.received_at.not_in([before]),
        inbox.c.received_at >= since,
    )

    made = store.records.make_now([lambda connection: connection.execute(query).all()])
    assert made is not None
    assert [row.lake_table for row in made[0].value] == ["a", "c"]
    assert made[0].value[0].received_at >= since


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_what_cannot_be_read_at_once_is_read_the_long_way(store: Store) -> None:
    store.records.make_now([putting("kept")])
    asked = []

    def ask(connection: Any) -> int:
        asked.append(connection)
        if len(asked) == 1:
            raise sqlite3.OperationalError("database is locked")
        return len(connection.execute(sa.text("SELECT id FROM inbox")).all())

    assert store.records.recall("ids", ask) == 1
    assert isinstance(asked[1], sa.Connection)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_what_is_recalled_is_asked_anew_whoever_has_written(
    store: Store, settings: Settings
) -> None:
    inbox = metadata.tables["inbox"]
    asked = []

    def count(connection: Any) -> int:
        asked.append(connection)
        return len(connection.execute(sa.select(inbox.c.id)).all())

    def recalled() -> tuple[int, int]:
        return store.records.recall("ids", count), len(asked)

    assert [recalled(), recalled()] == [(0, 1), (0, 1)]
    store.records.make_now([putting("on the same connection")])
    assert [recalled(), recalled()] == [(1, 2), (1, 2)]
    store.inbox.put("default", "on another connection", [{}])
    assert [recalled(), recalled()] == [(2, 3), (2, 3)]
    with sqlite3.connect(settings.home / "records.sqlite") as elsewhere:
        elsewhere.execute("DELETE FROM inbox")
    elsewhere.close()
    assert [recalled(), recalled()] == [(0, 4), (0, 4)]
