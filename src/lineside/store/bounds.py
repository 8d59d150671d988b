"""Least and greatest values in the catalogue, kept so wide that they hide no row.

DuckLake notes both for each column of each file, and again for each column of a whole table. By the
first it leaves files unread. By the second it decides, before it reads anything, that no row can
match; so they must never be narrower than what the table holds. Each commit adds what it brings,
which is safe. When files are written anew, DuckLake works them out again from what is noted of
files, and passes over a file of which nothing is noted (`LakeTable.found_by`); where one has only
NULL in a column, it notes nothing for the table, and takes the next rows' for those of all.

So every such gap is filled with the widest values before files are written anew, in the state that
DuckLake then works from, and taken out after. In no state that a reader sees is a row hidden, also
when the process is killed in between.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lineside.store.intake import LakeTable

if TYPE_CHECKING:
    import duckdb

Statement = tuple[str, Sequence[Any]]

WIDEST = {
    "boolean": ("0", "1"),
    "int16": ("-32768", "32767"),
    "int32": ("-2147483648", "2147483647"),
    "int64": ("-9223372036854775808", "9223372036854775807"),
    "float64": ("-inf", "inf"),
    "timestamp": ("-infinity", "infinity"),
    "varchar": ("", chr(0x10FFFF)),
}
"""A value before and one after any other, by DuckLake's name for each type that a table uses."""

_META = "__ducklake_metadata_lake"
_MARK = ("lineside_bounds", "1")
_VALUES = ", ".join(f"('{kind}', '{least}', '{most}')" for kind, (least, most) in WIDEST.items())
_COLUMNS = f"""
SELECT known.table_id, known.column_id, named.table_name, widest.least, widest.most
FROM {_META}.ducklake_column AS known
JOIN {_META}.ducklake_table AS named ON named.table_id = known.table_id
JOIN (VALUES {_VALUES}) AS widest (kind, least, most) ON widest.kind = known.column_type
WHERE known.end_snapshot IS NULL AND named.end_snapshot IS NULL
"""  # noqa: S608 # of names in this file

_FILL = f"""
UPDATE {_META}.ducklake_file_column_stats AS noted
SET min_value = coalesce(noted.min_value, wide.least),
    max_value = coalesce(noted.max_value, wide.most)
FROM ({_COLUMNS}) AS wide
WHERE noted.table_id = wide.table_id AND noted.column_id = wide.column_id
  AND wide.table_name = ? AND (noted.min_value IS NULL OR noted.max_value IS NULL)
"""  # noqa: S608 # of names in this file
_ADD = f"""
INSERT INTO {_META}.ducklake_file_column_stats
    (data_file_id, table_id, column_id, min_value, max_value)
SELECT kept.data_file_id, wide.table_id, wide.column_id, wide.least, wide.most
FROM {_META}.ducklake_data_file AS kept JOIN ({_COLUMNS}) AS wide ON wide.table_id = kept.table_id
WHERE wide.table_name = ? AND kept.end_snapshot IS NULL AND NOT EXISTS (
    SELECT 1 FROM {_META}.ducklake_file_column_stats AS noted
    WHERE noted.data_file_id = kept.data_file_id AND noted.column_id = wide.column_id
)
"""  # noqa: S608 # of names in this file
# Of a truth value the widest is also the usual, and says as little.
_IS_WIDEST = " OR ".join(
    f"(min_value = '{least}' AND max_value = '{most}')"
    for kind, (least, most) in WIDEST.items()
    if kind != "boolean"
)
_EMPTY = f"""
UPDATE {_META}.ducklake_file_column_stats SET min_value = NULL, max_value = NULL
WHERE {_IS_WIDEST}
"""  # noqa: S608 # of names in this file
_DROP = f"""
DELETE FROM {_META}.ducklake_file_column_stats WHERE (table_id, column_id) IN (
    SELECT (kept.table_id, kept.column_id) FROM {_META}.ducklake_column AS kept
    JOIN {_META}.ducklake_table AS named ON named.table_id = kept.table_id
    WHERE named.table_name = ? AND kept.column_name NOT IN (SELECT unnest(?::VARCHAR[]))
)
"""  # noqa: S608 # of names in this file
_WIDEN = f"""
UPDATE {_META}.ducklake_table_column_stats AS noted
SET contains_null = NULL, contains_nan = NULL, min_value = wide.least, max_value = wide.most
FROM ({_COLUMNS}) AS wide
WHERE noted.table_id = wide.table_id AND noted.column_id = wide.column_id
"""  # noqa: S608 # of names in this file
# DuckLake keeps in mind what it read of tables until this number changes, and would write it back.
_NOTICED = f"""
UPDATE {_META}.ducklake_snapshot SET next_file_id = next_file_id + 1
WHERE snapshot_id = (SELECT max(snapshot_id) FROM {_META}.ducklake_snapshot)
"""  # noqa: S608 # of names in this file
_IS_MARKED = f"SELECT count(*) FROM {_META}.ducklake_metadata WHERE key = ? AND value = ?"  # noqa: S608 # of names in this file
_SET_MARK = f"INSERT INTO {_META}.ducklake_metadata (key, value) VALUES (?, ?)"  # noqa: S608 # of names in this file


def fill_gaps(table: LakeTable) -> list[Statement]:
    """Give every file of the table bounds of every column, before any is written anew."""
    return [(_FILL, [table.name]), (_ADD, [table.name])]


def leave_gaps(table: LakeTable) -> list[Statement]:
    """Drop what no file is left unread for: the widest bounds, and columns outside `found_by`."""
    statements: list[Statement] = [(_EMPTY, [])]
    if table.found_by:
        statements.append((_DROP, [table.name, table.found_by]))
    return statements


def widen_tables() -> list[Statement]:
    """Have the bounds of whole tables say nothing, and so hold no value of what was erased."""
    return [(_WIDEN, []), (_NOTICED, [])]


def mend(database: "duckdb.DuckDBPyConnection") -> None:
    """Widen the bounds of tables once, as older versions may have left them too narrow.

    Takes no lock: whoever adds rows meanwhile meets a conflict, and adds them again.
    """
    if (database.execute(_IS_MARKED, _MARK).fetchone() or (0,))[0]:
        return
    database.execute("BEGIN TRANSACTION")
    for sql, parameters in [*widen_tables(), (_SET_MARK, _MARK)]:
        database.execute(sql, parameters)
    database.execute("COMMIT")
