"""What the catalogue notes of least and greatest values never hides a row."""

from collections.abc import Iterator
from typing import Any

import pytest

from lineside.store import LakeTable, Store, bounds, open_store, queries, upkeep
from lineside.store.lake import Lake
from lineside.traces import open_traces

COLUMNS = {
    "number": "BIGINT",
    "share": "DOUBLE",
    "is_even": "BOOLEAN",
    "moment": "TIMESTAMP",
    "said": "VARCHAR",
    "tags": "VARCHAR[]",
    "named": "VARCHAR",
    "later": "BIGINT",
}
ROWS = LakeTable("kept", COLUMNS, sorted_by=("number",), found_by=("said", "named"))
EACH = 20  # fewer are not worth a file
NARROW = """
UPDATE __ducklake_metadata_lake.ducklake_table_column_stats
SET min_value = '4', max_value = '4', contains_null = false, contains_nan = false
WHERE column_id IN (
    SELECT column_id FROM __ducklake_metadata_lake.ducklake_column
    WHERE column_name IN ('number', 'share', 'later')
)
"""
UNMARK = "DELETE FROM __ducklake_metadata_lake.ducklake_metadata WHERE key = 'lineside_bounds'"
OF_TABLES = "SELECT min_value, max_value FROM __ducklake_metadata_lake.ducklake_table_column_stats"
OF_FILES = """
SELECT DISTINCT column_name FROM __ducklake_metadata_lake.ducklake_file_column_stats AS noted
JOIN __ducklake_metadata_lake.ducklake_column AS known
  ON known.table_id = noted.table_id AND known.column_id = noted.column_id
"""
TYPES = "SELECT DISTINCT column_type FROM __ducklake_metadata_lake.ducklake_column"


class Killed(Exception):
    pass


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """The same installation, as another process has it open."""
    opened = open_store(store.settings)
    opened.add_lake_table(ROWS)
    yield opened
    opened.close()


def keep(store: Store, number: int, **values: Any) -> None:
    row = {
        "number": number,
        "share": number / 2,
        "is_even": number % 2 == 0,
        "moment": f"2026-03-{number + 1:02}T12:00:00",
        "said": f"said {number}",
        "tags": [f"tag {number}"],
        "named": f"name {number}" if number > 1 else None,
        "later": number or None,
    }
    rows = [row | {"tags": [f"tag {number}", str(place)]} for place in range(EACH)]
    store.inbox.put("default", "kept", [row | values for row in rows])
    store.flusher.flush()


def count(store: Store, condition: str) -> int:
    (row,) = store.lake.read(ROWS, f"SELECT count(*) AS n FROM {{kept}} WHERE {condition}")  # noqa: S608 # of this file
    return int(row["n"])


def hidden(store: Store, numbers: dict[int, int]) -> list[str]:
    """Conditions that do not find what they should, of rows as `keep` makes them."""
    expected = {"number IS NULL": 0, "later IS NULL": numbers.get(0, 0), "isnan(share)": 0}
    expected["named IS NULL"] = sum(rows for number, rows in numbers.items() if number < 2)
    expected["is_even"] = sum(rows for number, rows in numbers.items() if number % 2 == 0)
    expected["NOT is_even"] = sum(rows for number, rows in numbers.items() if number % 2)
    for number, rows in numbers.items():
        below = sum(rows for other, rows in numbers.items() if other < number)
        day = f"2026-03-{number + 1:02}"
        expected |= {
            f"number = {number}": rows,
            f"number < {number}": below,
            f"number + 1 <= {number}": below,
            f"share = {number / 2}": rows,
            f"moment = '{day} 12:00:00'": rows,
            f"date_trunc('day', moment) = '{day}'": rows,
            f"epoch_us(moment) < epoch_us(TIMESTAMP '{day} 12:00:00')": below,
            f"said = 'said {number}'": rows,
            f"list_contains(tags, 'tag {number}')": rows,
        }
        if number > 1:
            expected[f"named = 'name {number}'"] = rows
        if number:
            expected[f"later = {number}"] = rows
    wrong = [condition for condition, rows in expected.items() if count(store, condition) != rows]
    days = store.lake.read(
        ROWS,
        "SELECT date_trunc('day', moment) AS day, sum(number)::BIGINT AS sum FROM {kept} "
        "GROUP BY day ORDER BY day",
    )
    assert [row["sum"] for row in days] == [n * rows for n, rows in sorted(numbers.items()) if rows]
    (ends,) = store.lake.read(
        ROWS, "SELECT min(number) AS least, max(number) AS most, max(said) AS last FROM {kept}"
    )
    assert ends == {"least": min(numbers), "most": max(numbers), "last": f"said {max(numbers)}"}
    return wrong


def noted_of_files(store: Store) -> set[str]:
    return {row["column_name"] for row in store.lake.read(ROWS, OF_FILES)}


def delete_some(store: Store, number: int, left: int) -> None:
    with store.changing_lake():
        gone = [str(place) for place in range(EACH - left)]
        sql = "DELETE FROM lake.kept WHERE number = ? AND list_has_any(tags, ?::VARCHAR[])"
        store.lake.change([ROWS], [(sql, [number, gone])])


@pytest.fixture
def numbers(store: Store) -> dict[int, int]:
    """Rows of five flushes by their number; the last lost some, and nothing is written anew yet."""
    store.add_lake_table(ROWS)
    for number in range(5):
        keep(store, number)
    store.upkeep.run()
    assert noted_of_files(store) == {"said", "named"}
    delete_some(store, 4, left=5)
    return {0: EACH, 1: EACH, 2: EACH, 3: EACH, 4: 5}


def test_rows_are_found_after_files_were_written_anew(
    store: Store, numbers: dict[int, int]
) -> None:
    assert hidden(store, numbers) == []

    store.upkeep.run(rewrites=True)
    assert hidden(store, numbers) == []

    keep(store, 9)
    assert hidden(store, numbers | {9: EACH}) == []


def test_what_is_merged_hides_nothing(
    store: Store, numbers: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SMALL_FILES_MAX", 1)
    assert store.upkeep.run(rewrites=True).merged
    assert hidden(store, numbers) == []

    keep(store, 9)
    assert store.upkeep.run().merged
    keep(store, 8)
    assert hidden(store, numbers | {8: EACH, 9: EACH}) == []


@pytest.mark.parametrize("is_before", [True, False])
def test_upkeep_that_is_killed_hides_nothing_from_others(
    store: Store,
    other: Store,
    numbers: dict[int, int],
    monkeypatch: pytest.MonkeyPatch,
    is_before: bool,
) -> None:
    run = Lake.run

    def killed(lake: Lake, tables: Any, sql: str, parameters: Any = ()) -> Any:
        is_last = sql == queries.LAKE_REWRITE and parameters == [ROWS.name]
        if is_last and is_before:
            raise Killed
        done = run(lake, tables, sql, parameters)
        if is_last:
            raise Killed
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "run", killed)
        with pytest.raises(Killed):
            store.upkeep.run(rewrites=True)

    assert hidden(other, numbers) == []
    keep(other, 9)
    assert hidden(store, numbers | {9: EACH}) == []
    other.upkeep.run()
    assert hidden(store, numbers | {9: EACH}) == []
    assert noted_of_files(store) <= {"said", "named"}


def test_no_process_writes_back_what_it_noted_before(
    store: Store, other: Store, numbers: dict[int, int]
) -> None:
    assert hidden(other, numbers) == []
    store.upkeep.run(rewrites=True)
    keep(other, 9)

    bounds_kept = store.lake.read(ROWS, OF_TABLES)
    assert {(row["min_value"], row["max_value"]) for row in bounds_kept} == {
        bounds.WIDEST[kind] for kind in ("boolean", "float64", "int64", "timestamp", "varchar")
    }


def test_a_lake_that_an_older_version_narrowed_is_mended_when_it_is_opened(
    store: Store, numbers: dict[int, int]
) -> None:
    store.lake.change([ROWS], [(NARROW, []), (UNMARK, [])])
    store.close()
    opened = open_store(store.settings)
    opened.add_lake_table(ROWS)

    assert hidden(opened, numbers) == []
    keep(opened, 9)
    assert hidden(opened, numbers | {9: EACH}) == []
    opened.close()


def test_every_type_that_a_table_uses_has_widest_values(store: Store) -> None:
    open_traces(store)
    with store.lake.reading(store.flusher.tables()) as reading:
        used = {row["column_type"] for row in reading.rows(TYPES)}

    assert used - {"list"} <= set(bounds.WIDEST)
