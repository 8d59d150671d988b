"""The inbox in SQL: accepted telemetry that has not reached the lake."""

from dataclasses import dataclass

import sqlalchemy as sa

from lineside.core import now
from lineside.store.schema import Counter, Moment, metadata

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", Counter, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("lake_table", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
)
sa.Index(None, inbox.c.lake_table, inbox.c.id)


@dataclass(frozen=True)
class Envelope:
    """Rows of one lake table that were accepted together: a JSON array of objects, as bytes."""

    workspace: str
    lake_table: str
    rows: int
    payload: bytes
    id: int | None = None


def insert_envelopes(connection: sa.Connection, envelopes: list[Envelope]) -> None:
    moment = now()
    connection.execute(
        inbox.insert(),
        [
            {
                "workspace": envelope.workspace,
                "lake_table": envelope.lake_table,
                "rows": envelope.rows,
                "payload": envelope.payload,
                "received_at": moment,
            }
            for envelope in envelopes
        ],
    )


def oldest_envelopes(
    connection: sa.Connection,
    lake_table: str,
    *,
    rows_max: int,
    bytes_max: int | None = None,
    workspace: str | None = None,
) -> list[Envelope]:
    """Envelopes in the order they came, until about so many rows or bytes are together."""
    query = (
        sa.select(inbox.c.id, inbox.c.workspace, inbox.c.rows, inbox.c.payload)
        .where(inbox.c.lake_table == lake_table)
        .order_by(inbox.c.id)
        .limit(rows_max)
    )
    if workspace is not None:
        query = query.where(inbox.c.workspace == workspace)
    found: list[Envelope] = []
    rows = size = 0
    # Few at a time: an envelope may be as large as what a sender may send at once.
    for row in connection.execute(query.execution_options(yield_per=8)):
        found.append(Envelope(row.workspace, lake_table, row.rows, bytes(row.payload), row.id))
        rows += row.rows
        size += len(row.payload)
        if rows >= rows_max or (bytes_max is not None and size >= bytes_max):
            break
    return found


def delete_envelopes(connection: sa.Connection, ids: list[int]) -> None:
    for start in range(0, len(ids), 500):
        connection.execute(inbox.delete().where(inbox.c.id.in_(ids[start : start + 500])))


def count_waiting(connection: sa.Connection) -> int:
    """Rows, over all envelopes, that wait for the lake."""
    return int(
        connection.execute(sa.select(sa.func.coalesce(sa.func.sum(inbox.c.rows), 0))).scalar_one()
    )


LAKE_MARKS = "flushed_envelopes"
"""Lake table of the inbox ids it holds, written in the same transaction as their rows."""


def lake_create(name: str, columns: dict[str, str]) -> str:
    """Make a lake table; columns are name to DuckDB type."""
    body = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    return f"CREATE TABLE IF NOT EXISTS lake.{name} ({body})"


def lake_add_column(name: str, column: str, kind: str) -> str:
    return f"ALTER TABLE lake.{name} ADD COLUMN {column} {kind}"


def lake_columns(name: str) -> str:
    return (
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_catalog = 'lake' AND table_name = '{name}'"
    )


def lake_rows_of(columns: dict[str, str]) -> str:
    """Rows of envelopes as a relation; its parameter is a list of JSON arrays of objects."""
    structure = ",".join(f'"{column}":"{kind}"' for column, kind in columns.items())
    # One array of everything would be copied once more for every 2,048 of its rows.
    return (
        f"SELECT unnest(from_json(payload, '[{{{structure}}}]'), max_depth := 2) "
        "FROM (SELECT unnest(?::VARCHAR[]) AS payload)"
    )


def lake_insert(name: str, columns: dict[str, str]) -> str:
    return f"INSERT INTO lake.{name} BY NAME {lake_rows_of(columns)}"


def lake_marked(ids: list[int]) -> str:
    listed = ",".join(str(int(id_)) for id_ in ids)
    return f"SELECT envelope_id FROM lake.{LAKE_MARKS} WHERE envelope_id IN ({listed})"


def lake_mark(ids: list[int]) -> str:
    listed = ",".join(f"({int(id_)})" for id_ in ids)
    return f"INSERT INTO lake.{LAKE_MARKS} VALUES {listed}"


def lake_unmark(through_id: int) -> str:
    """Marks are needed only while their envelopes may still stand in the inbox."""
    return f"DELETE FROM lake.{LAKE_MARKS} WHERE envelope_id <= {int(through_id)}"
