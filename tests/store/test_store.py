import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from lineside.core import Conflict, Settings, Unavailable
from lineside.store import LakeTable, Store, current, digest_of, flusher, lake, newest, open_store
from lineside.store.queries import Envelope
from lineside.store.wal import write_ahead

BOUNDS_KEPT = """
SELECT DISTINCT column_name FROM __ducklake_metadata_lake.ducklake_file_column_stats AS bounds
JOIN __ducklake_metadata_lake.ducklake_column AS kept
  ON kept.table_id = bounds.table_id AND kept.column_id = bounds.column_id
JOIN __ducklake_metadata_lake.ducklake_table AS named ON named.table_id = bounds.table_id
WHERE table_name = 'kept'
"""
NOTES = LakeTable("notes", {"workspace": "VARCHAR", "id": "VARCHAR", "size": "BIGINT"})


def note(number: int) -> dict[str, object]:
    return {"workspace": "w", "id": f"n{number}", "size": number}


def waiting(number: int) -> Envelope:
    return Envelope("w", "notes", 1, orjson.dumps([note(number)]))


def ids_seen(store: Store) -> list[str]:
    with store.reading("notes", workspace="w") as (reading, _):
        rows = reading.rows("SELECT id FROM {notes} ORDER BY id")
    return [row["id"] for row in rows]


def test_a_fresh_folder_has_the_newest_shape_and_opens_again(unmade: Settings) -> None:
    open_store(unmade).close()
    again = open_store(unmade)

    assert current(again.records) == newest()
    again.close()


def test_rows_are_seen_before_and_after_they_reach_the_lake(store: Store) -> None:
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", [note(1), note(2)])
    assert ids_seen(store) == ["n1", "n2"]

    assert store.flusher.flush() == 2
    store.inbox.put("w", "notes", [note(3)])

    assert ids_seen(store) == ["n1", "n2", "n3"]
    assert store.inbox.count() == 1


def test_a_caller_that_leaves_early_keeps_nobody_else_waiting(store: Store) -> None:
    store.add_lake_table(NOTES)
    with store.records.write():  # nothing is committed meanwhile where there is one writer
        left = store.inbox.put_soon(waiting(1))
        left.cancel()
        stays = store.inbox.put_soon(waiting(2))
    stays.result(30)
    store.inbox.put_soon(waiting(3)).result(30)

    assert ids_seen(store) == ["n1", "n2", "n3"]


def test_what_is_put_while_the_inbox_closes_is_kept_too(store: Store) -> None:
    store.add_lake_table(NOTES)
    with ThreadPoolExecutor(4) as threads:
        put = [threads.submit(store.inbox.put_soon, waiting(number)) for number in range(100)]
        for _ in range(20):
            store.inbox.close()
        for one in put:
            one.result(30).result(30)

    assert len(ids_seen(store)) == 100


def test_a_flusher_that_died_before_it_cleared_the_inbox_adds_nothing_twice(store: Store) -> None:
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", [note(1)])
    (envelope,) = store.inbox.oldest("notes", rows_max=10, bytes_max=1_000)
    assert envelope.id is not None
    store.lake.append({NOTES: [envelope.payload]}, envelope_ids=[envelope.id])
    assert ids_seen(store) == ["n1"]

    assert store.flusher.flush() == 0

    rows = store.lake.read(NOTES, "SELECT count(*) AS n FROM {notes}")
    assert (rows, store.inbox.count()) == ([{"n": 1}], 0)


def test_what_is_known_is_told_apart_in_every_batch_of_a_turn(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "BATCH_ROWS", 1)
    store.add_lake_table(NOTES)
    for number in (1, 2, 3):
        store.inbox.put("w", "notes", [note(number)])
    _, second, third = store.inbox.oldest("notes", rows_max=10, bytes_max=1_000)
    for one in (second, third):
        assert one.id is not None
        store.lake.append({NOTES: [one.payload]}, envelope_ids=[one.id])

    assert store.flusher.flush() == 1

    rows = store.lake.read(NOTES, "SELECT id FROM {notes} ORDER BY id")
    assert ([row["id"] for row in rows], store.inbox.count()) == (["n1", "n2", "n3"], 0)


def test_a_process_that_only_writes_takes_one_core(store: Store) -> None:
    store.lake.take_one_core()

    ((cores,),) = store.lake.run([], "SELECT current_setting('threads')")

    assert cores == 1


def test_what_comes_while_it_flushes_is_left_for_the_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_lake_table(NOTES)
    remove = store.inbox.remove

    def and_receive(ids: list[int]) -> None:
        remove(ids)
        store.inbox.put("w", "notes", [note(2)])

    store.inbox.put("w", "notes", [note(1)])
    with monkeypatch.context() as patch:
        patch.setattr(store.inbox, "remove", and_receive)
        assert store.flusher.flush() == 1
    assert store.inbox.count() == 1

    assert store.flusher.flush() == 1
    assert ids_seen(store) == ["n1", "n2"]


def test_a_full_inbox_refuses_and_says_how_much_waits(settings: Settings) -> None:
    small = Settings(home=settings.home, database_url=settings.database_url, inbox_rows_max=1)
    store = open_store(small)
    store.inbox.put("w", "notes", [note(1), note(2)])

    with pytest.raises(Unavailable, match="2 rows wait for the lake, the limit is 1"):
        store.inbox.put("w", "notes", [note(3)])
    store.close()


def test_blobs_are_kept_once_and_checked_when_read(store: Store) -> None:
    digest = store.blobs.put(b"hello")
    assert (digest, store.blobs.get(digest)) == (digest_of(b"hello"), b"hello")

    (path,) = [path for path in (store.home / "blobs").rglob("*") if path.is_file()]
    path.write_bytes(b"hullo")

    with pytest.raises(Conflict, match="has changed on disk"):
        store.blobs.get(digest)


def test_a_second_server_on_the_folder_is_told_where_the_first_listens(store: Store) -> None:
    lock = store.claim_server("http://127.0.0.1:7710")

    with pytest.raises(Conflict, match=r"http://127\.0\.0\.1:7710"):
        store.claim_server("http://127.0.0.1:7711")
    lock.release()


def test_a_job_runs_once_however_often_it_is_asked_for(store: Store) -> None:
    calls: list[int] = []

    def double(payload: dict[str, int]) -> int:
        calls.append(payload["n"])
        return payload["n"] * 2

    store.jobs.register("double", double)
    store.jobs.ensure("double", "job_1", {"n": 21})
    assert store.jobs.result("job_1") == 42
    store.jobs.ensure("double", "job_1", {"n": 21})

    assert (store.jobs.result("job_1"), calls) == (42, [21])


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_only_a_process_that_left_work_undone_leaves_a_trace(store: Store) -> None:
    store.jobs.register("double", lambda payload: payload["n"] * 2)
    store.jobs.ensure("double", "job_1", {"n": 1})
    store.jobs.result("job_1")

    assert len(list(store.home.glob("locks/executor-*"))) == 1
    store.jobs.close()

    assert list(store.home.glob("locks/executor-*")) == []


def test_upkeep_lets_go_of_what_nobody_reads_any_more(store: Store) -> None:
    rows = LakeTable("kept", {"workspace": "VARCHAR", "number": "BIGINT"}, sorted_by=("number",))
    store.add_lake_table(rows)
    for number in range(60):
        row = {"workspace": "default", "number": number}
        store.inbox.put("default", "kept", [row] * 20)  # fewer are not worth a file
        store.flusher.flush()

    done = store.upkeep.run(rewrites=True)

    assert done.removed > 0
    (found,) = store.lake.read(rows, "SELECT count(*) AS rows, sum(number) AS sum FROM {kept}")
    assert (found["rows"], found["sum"]) == (1_200, 20 * sum(range(60)))


def test_a_part_of_upkeep_that_fails_keeps_no_other_from_its_turn(store: Store) -> None:
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", [note(1)])
    store.flusher.flush()
    done = []

    def fail() -> None:
        raise Unavailable("away", "The records do not answer")

    store.upkeep.add(fail)
    store.upkeep.add(lambda: done.append("the other"))

    with pytest.raises(Unavailable, match="do not answer"):
        store.upkeep.run()
    assert done == ["the other"]


def test_rows_are_found_by_columns_whose_bounds_are_not_kept(store: Store) -> None:
    columns = {"workspace": "VARCHAR", "number": "BIGINT", "said": "VARCHAR"}
    rows = LakeTable("kept", columns, sorted_by=("number",), found_by=("workspace", "number"))
    store.add_lake_table(rows)

    def keep(number: int) -> None:
        row = {"workspace": "default", "number": number, "said": f"said {number}"}
        store.inbox.put("default", "kept", [row] * 20)
        store.flusher.flush()

    def found(condition: str) -> int:
        (row,) = store.lake.read(rows, "SELECT count(*) AS rows FROM {kept} WHERE " + condition)  # noqa: S608 # of this test
        return int(row["rows"])

    for number in range(30):
        keep(number)
    store.upkeep.run(rewrites=True)
    store.upkeep.run()
    keep(30)
    store.lake.change([rows], [("DELETE FROM lake.kept WHERE said = 'said 7'", [])])
    store.upkeep.run(rewrites=True)

    assert [found(f"said = 'said {number}'") for number in (0, 7, 29, 30)] == [20, 0, 20, 20]
    assert (found("said > 'said 3'"), found("said IS NULL")) == (20 * 6, 0)
    assert (found("number >= 29"), found("number > 30")) == (40, 0)
    (row,) = store.lake.read(rows, "SELECT min(said) AS least, max(said) AS most FROM {kept}")
    assert (row["least"], row["most"]) == ("said 0", "said 9")
    bounds = store.lake.read(rows, BOUNDS_KEPT)
    assert {row["column_name"] for row in bounds} <= {"workspace", "number"}


def test_upkeep_needs_no_more_memory_than_a_process_gives_the_lake(tmp_path: Path) -> None:
    texts = LakeTable("texts", {"place": "BIGINT", "text": "VARCHAR"}, sorted_by=("place",))
    store = open_store(Settings(home=tmp_path / "home", lake_memory_mb=96))
    store.add_lake_table(texts)
    for start in range(0, 15_000, 1_000):
        rows = [
            {"place": -n, "text": secrets.token_hex(3_000)} for n in range(start, start + 1_000)
        ]
        store.inbox.put("default", "texts", rows)
        store.flusher.flush()

    merged = [store.upkeep.run().merged for _ in range(3)]

    (found,) = store.lake.read(texts, "SELECT count(*) AS rows, min(place) AS least FROM {texts}")
    store.close()
    assert (found["rows"], found["least"]) == (15_000, -14_999)
    assert sum(merged) > 10


def test_what_unpacks_to_far_more_than_it_takes_is_merged_in_smaller_parts(tmp_path: Path) -> None:
    lists = LakeTable("lists", {"place": "BIGINT", "of": "INTEGER[]"}, sorted_by=("place",))
    store = open_store(Settings(home=tmp_path / "home", lake_memory_mb=96))
    store.add_lake_table(lists)
    row = "-i AS place, list_transform(range(200), x -> (hash(x + i * 999) % 16)::INTEGER) AS of"
    for start in range(0, 140_000, 10_000):
        rows = f"SELECT {row} FROM range({start}, {start + 10_000}) t(i)"  # noqa: S608 # of this test
        store.lake.change([lists], [(f"INSERT INTO lake.lists BY NAME {rows}", [])])

    merged = store.upkeep.run().merged

    (found,) = store.lake.read(lists, "SELECT count(*) AS rows, min(place) AS least FROM {lists}")
    store.close()
    assert (found["rows"], found["least"]) == (140_000, -139_999)
    assert merged > 8


def test_a_reader_that_meets_the_lake_while_another_process_makes_it_asks_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, met = lake._ensure, []

    def meets_another(*arguments: Any) -> None:
        if not met:
            met.append("it")
            # As DuckLake says it, in some tenths of the moments in which two make their tables.
            raise duckdb.TransactionException(
                "Failed to commit DuckLake transaction. Failed to load DuckLake - "
                'Table entry "notes" does not have any columns'
            )
        made(*arguments)

    monkeypatch.setattr(lake, "_ensure", meets_another)
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", [note(1)])

    assert ids_seen(store) == ["n1"]
    assert met == ["it"]


def test_a_file_that_another_process_is_just_making_is_opened_when_it_is_made(
    tmp_path: Path,
) -> None:
    with sqlite3.connect(tmp_path / "new.sqlite", isolation_level=None) as maker:
        maker.execute("BEGIN IMMEDIATE")
        maker.execute("CREATE TABLE made (a)")
        other = sqlite3.connect(tmp_path / "new.sqlite", timeout=0)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(_write_ahead_there, tmp_path / "new.sqlite")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("PRAGMA journal_mode=WAL")
            maker.execute("COMMIT")
            assert asked.result(timeout=10) == "wal"


def _write_ahead_there(path: Path) -> str:
    connection = sqlite3.connect(path, timeout=0)
    write_ahead(connection)
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
