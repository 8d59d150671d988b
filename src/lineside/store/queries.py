"""The inbox in SQL: accepted telemetry that has not reached the lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lineside.core import now
from lineside.store.schema import Counter, Document, Moment, metadata

ROWS = "rows"
"""Form of an envelope that holds the rows of its lake table: a JSON array of objects."""

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", Counter, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("lake_table", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("form", sa.Text, nullable=False, server_default=ROWS),
    sa.Column("about", Document),
    sqlite_autoincrement=True,
)
sa.Index(None, inbox.c.lake_table, inbox.c.id)


@dataclass(frozen=True)
class Envelope:
    """What was accepted together for one lake table.

    Attributes:
        lake_table: Name of the intake that makes rows of it; mostly the table they go to.
        rows: How many rows it holds, as far as could be told when it was accepted.
        form: `rows`, or a name that the intake knows.
        about: What the intake needs to read the payload, beside it.
    """

    workspace: str
    lake_table: str
    rows: int
    payload: bytes
    id: int | None = None
    form: str = ROWS
    about: Any = None


_INSERT_ENVELOPES = inbox.insert()


def insert_envelopes(connection: sa.Connection, envelopes: list[Envelope]) -> None:
    moment = now()
    connection.execute(
        _INSERT_ENVELOPES,
        [
            {
                "workspace": envelope.workspace,
                "lake_table": envelope.lake_table,
                "rows": envelope.rows,
                "payload": envelope.payload,
                "received_at": moment,
                "form": envelope.form,
                "about": envelope.about,
            }
            for envelope in envelopes
        ],
    )


def waiting_envelopes(
    connection: sa.Connection,
    lake_table: str,
    *,
    rows_max: int,
    bytes_max: int,
    workspace: str | None = None,
    newest: bool = False,
    after: int = 0,
    until: int | None = None,
) -> list[Envelope]:
    """Envelopes in the order they came, until about so many rows or bytes are together.

    Args:
        newest: Begin with the last one instead of the first.
    """
    order = inbox.c.id.desc() if newest else inbox.c.id
    query = (
        sa.select(
            inbox.c.id,
            inbox.c.workspace,
            inbox.c.rows,
            inbox.c.payload,
            inbox.c.form,
            inbox.c.about,
        )
        .where(inbox.c.lake_table == lake_table, inbox.c.id > after)
        .order_by(order)
        .limit(rows_max)
    )
    if workspace is not None:
        query = query.where(inbox.c.workspace == workspace)
    if until is not None:
        query = query.where(inbox.c.id <= until)
    found: list[Envelope] = []
    rows = size = 0
    # Few at a time: an envelope may be as large as what a sender may send at once.
    for row in connection.execute(query.execution_options(yield_per=8)):
        payload = bytes(row.payload)
        found.append(
            Envelope(row.workspace, lake_table, row.rows, payload, row.id, row.form, row.about)
        )
        rows += row.rows
        size += len(payload)
        if rows >= rows_max or size >= bytes_max:
            break
    return sorted(found, key=lambda envelope: envelope.id or 0)


def has_waiting(
    connection: sa.Connection, lake_table: str, *, workspace: str | None = None
) -> bool:
    query = sa.select(inbox.c.id).where(inbox.c.lake_table == lake_table).limit(1)
    if workspace is not None:
        query = query.where(inbox.c.workspace == workspace)
    return connection.execute(query).first() is not None


def last_waiting(connection: sa.Connection, lake_table: str) -> int | None:
    """Id of the envelope that came last."""
    query = sa.select(inbox.c.id).where(inbox.c.lake_table == lake_table)
    found: int | None = connection.execute(query.order_by(inbox.c.id.desc()).limit(1)).scalar()
    return found


def delete_envelopes(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Gives how many of them were there."""
    parts = [ids[start : start + 500] for start in range(0, len(ids), 500)]
    return sum(
        connection.execute(inbox.delete().where(inbox.c.id.in_(part))).rowcount for part in parts
    )


def count_waiting(connection: sa.Connection) -> int:
    """Rows, over all envelopes, that wait for the lake."""
    return int(
        connection.execute(sa.select(sa.func.coalesce(sa.func.sum(inbox.c.rows), 0))).scalar_one()
    )


LAKE_MARKS = "flushed"
"""Lake table of the inbox ids it holds, written in the same transaction as their rows."""

MARK_COLUMNS = {"flushed_at": "TIMESTAMP", "envelope_ids": "BIGINT[]"}


def lake_create(name: str, columns: dict[str, str]) -> str:
    """Make a lake table; columns are name to DuckDB type."""
    body = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    return f"CREATE TABLE IF NOT EXISTS lake.{name} ({body})"


def lake_sort(name: str, columns: Sequence[str]) -> str:
    """Have compaction sort the rows by these columns."""
    return f"ALTER TABLE lake.{name} SET SORTED BY ({', '.join(columns)})"


def lake_empty(name: str) -> str:
    return f"DELETE FROM lake.{name}"


def lake_add_column(name: str, column: str, kind: str) -> str:
    return f"ALTER TABLE lake.{name} ADD COLUMN {column} {kind}"


LAKE_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_catalog = 'lake'"
)

LAKE_FILLED = """
SELECT table_name FROM __ducklake_metadata_lake.ducklake_table AS known
WHERE EXISTS (
    SELECT 1 FROM __ducklake_metadata_lake.ducklake_table_stats AS counted
    WHERE counted.table_id = known.table_id
)
"""
"""Names of lake tables that ever held a row."""


def lake_inline(name: str, rows_max: int) -> str:
    """Keep rows of small commits in the catalogue itself and not in files of their own."""
    return f"CALL lake.set_option('data_inlining_row_limit', {rows_max}, table_name => '{name}')"


LAKE_OPTION = "CALL lake.set_option(?, ?)"


def lake_rows_of(columns: dict[str, str]) -> str:
    """Rows of JSON arrays of objects as a relation; its parameter is a list of the arrays."""
    structure = ",".join(f'"{column}":"{kind}"' for column, kind in columns.items())
    # One array of everything would be copied once more for every 2,048 of its rows.
    return (
        f"SELECT unnest(from_json(payload, '[{{{structure}}}]'), max_depth := 2) "
        "FROM (SELECT unnest(?::VARCHAR[]) AS payload)"
    )


def lake_insert(name: str, columns: dict[str, str]) -> str:
    return f"INSERT INTO lake.{name} BY NAME {lake_rows_of(columns)}"


def lake_waiting(name: str, columns: dict[str, str]) -> str:
    """Rows that are not in the lake yet, for the queries of one reader."""
    return f"CREATE OR REPLACE TEMP TABLE waiting_{name} AS {lake_rows_of(columns)}"


def lake_and_waiting(name: str, columns: dict[str, str]) -> str:
    listed = ", ".join(columns)
    return (
        f"(SELECT {listed} FROM lake.{name} UNION ALL BY NAME SELECT {listed} FROM waiting_{name})"
    )


def lake_nothing(columns: dict[str, str]) -> str:
    """No row with these columns."""
    listed = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
    return f"(SELECT {listed} WHERE false)"


LAKE_MARKED = f"SELECT unnest(envelope_ids) AS id FROM lake.{LAKE_MARKS}"

LAKE_MARK = f"INSERT INTO lake.{LAKE_MARKS} VALUES (?, ?)"

# A reader that looked into the inbox before a flush must still find the marks of that flush.
LAKE_UNMARK = f"DELETE FROM lake.{LAKE_MARKS} WHERE flushed_at < ?"

LAKE_MERGE = "CALL ducklake_merge_adjacent_files('lake', ?, max_compacted_files => ?)"
# Rows of small commits are in the catalogue, those that were deleted among them.
LAKE_OUT_OF_CATALOGUE = "CALL ducklake_flush_inlined_data('lake', table_name => ?)"
LAKE_REWRITE = "CALL ducklake_rewrite_data_files('lake', ?, delete_threshold => 0.0)"
# Only the count, because to give a moment with its zone to Python, DuckDB needs another package.
LAKE_EXPIRE = """
SELECT count(*) FROM ducklake_expire_snapshots('lake', older_than => ?::TIMESTAMPTZ)
"""
LAKE_CLEAN = "CALL ducklake_cleanup_old_files('lake', older_than => ?::TIMESTAMPTZ)"
LAKE_CLEAN_ALL = "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)"
LAKE_ORPHANS = "CALL ducklake_delete_orphaned_files('lake', older_than => ?::TIMESTAMPTZ)"
# Where the catalogue takes its files to be, and one of them as it lies below that.
LAKE_ANY_FILE = """
SELECT place.value, part.path || known.path || kept.path
FROM __ducklake_metadata_lake.ducklake_data_file AS kept
JOIN __ducklake_metadata_lake.ducklake_table AS known ON known.table_id = kept.table_id
JOIN __ducklake_metadata_lake.ducklake_schema AS part ON part.schema_id = known.schema_id
JOIN __ducklake_metadata_lake.ducklake_metadata AS place ON place.key = 'data_path'
WHERE kept.end_snapshot IS NULL AND kept.path_is_relative AND known.path_is_relative
  AND part.path_is_relative LIMIT 1
"""
LAKE_MOVED = """
UPDATE __ducklake_metadata_lake.ducklake_metadata SET value = ? WHERE key = 'data_path'
"""
LAKE_FILES = """
SELECT count(*) AS files, coalesce(sum(data_file_size_bytes), 0) AS bytes,
       count(*) FILTER (data_file_size_bytes < ?) AS small
FROM ducklake_list_files('lake', ?)
"""

# The index of words. FTS5 keeps no text (`content=''`), and of a word only where it stands.
TEXT_TABLES = (
    (
        "CREATE TABLE IF NOT EXISTS places (place INTEGER PRIMARY KEY, workspace TEXT NOT NULL, "
        "key TEXT NOT NULL, segment INTEGER NOT NULL DEFAULT 0)"
    ),
    "CREATE INDEX IF NOT EXISTS places_by_key ON places (workspace, key)",
    (
        "CREATE TABLE IF NOT EXISTS segments (number INTEGER PRIMARY KEY, "
        "first INTEGER NOT NULL, last INTEGER NOT NULL, size INTEGER NOT NULL)"
    ),
)
TEXT_COLUMNS = "SELECT name FROM pragma_table_info('places')"
# Before there were segments, all was one.
TEXT_DIVIDE = (
    "ALTER TABLE places ADD COLUMN segment INTEGER NOT NULL DEFAULT 0",
    (
        "INSERT OR IGNORE INTO segments "
        "SELECT 0, min(place), max(place), count(*) FROM places HAVING count(*) > 0"
    ),
)
TEXT_SEGMENTS = "SELECT number, first, last, size FROM segments ORDER BY last DESC"
TEXT_SEGMENT = """
INSERT INTO segments (number, first, last, size) VALUES (?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET first = min(first, excluded.first),
    last = max(last, excluded.last), size = size + excluded.size
"""
TEXT_TAKEN = "SELECT 1 FROM places WHERE place = ?"
TEXT_KEEP = "INSERT INTO places (place, workspace, key, segment) VALUES (?, ?, ?, ?)"
TEXT_PLACES = "SELECT place, segment FROM places WHERE workspace = ? AND key = ?"
TEXT_FORGET = "DELETE FROM places WHERE workspace = ? AND key = ?"


class TextSegment:
    """What is asked of one part of the index of words."""

    def __init__(self, number: int) -> None:
        table = f"words_{number}" if number else "words"
        self.table = (
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING fts5 (body, content='', "
            "detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 0')"
        )
        self.index = f"INSERT INTO {table} (rowid, body) VALUES (?, ?)"
        self.find = f"""
SELECT places.place, places.key FROM {table} CROSS JOIN places ON places.place = {table}.rowid
WHERE {table} MATCH ? AND {table}.rowid >= ? AND {table}.rowid < ? AND places.workspace = ?
ORDER BY {table}.rowid DESC LIMIT ?
"""
        self.has = f"SELECT 1 FROM {table} WHERE {table} MATCH ? AND rowid = ?"
        self.unindex = f"INSERT INTO {table} ({table}, rowid, body) VALUES ('delete', ?, ?)"
        self.optimise = f"INSERT INTO {table} ({table}) VALUES ('optimize')"


TEXT_ADD_ROW = """
INSERT INTO indexed_words (workspace, key, place, words)
VALUES (:workspace, :key, :place, array_to_tsvector(CAST(:words AS text[])))
"""
TEXT_FIND_ROWS = """
SELECT key, place FROM indexed_words
WHERE workspace = :workspace AND place >= :after AND place < :before
  AND words @@ CAST(:asked AS tsquery)
ORDER BY place DESC LIMIT :limit
"""
TEXT_FORGET_ROWS = "DELETE FROM indexed_words WHERE workspace = :workspace AND key = ANY(:keys)"
