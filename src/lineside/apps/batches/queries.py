"""Batches in SQL: what was asked for, the chunks that its rows lie in, and what became of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Document, Moment, metadata

Row = Mapping[str, Any]
Connection = sa.Connection

_PAGE_ROWS = 1_000
EXAMPLE_LINES = 5
"""How many of the rows that failed for one reason are named."""

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("release_id", sa.Text, nullable=False),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("knobs", Document, nullable=False),
    sa.Column("columns", Document, nullable=False),
    sa.Column("mapping", Document, nullable=False),
    sa.Column("limits", Document, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("stopped_by", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("rows_total", sa.BigInteger, nullable=False),
    sa.Column("rows_answered", sa.BigInteger, nullable=False),
    sa.Column("rows_failed", sa.BigInteger, nullable=False),
    sa.Column("failures", Document, nullable=False),
    sa.Column("spent", Document, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("actor", Document, nullable=False),
    sa.Column("team", sa.Text),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
)
sa.Index(None, batches.c.workspace, batches.c.id)
_UNDER_WAY = sa.text("status = 'running'")
# Two who send the same file at the same moment get one batch.
sa.Index(
    "uq_batches_under_way",
    batches.c.workspace,
    batches.c.key,
    unique=True,
    sqlite_where=_UNDER_WAY,
    postgresql_where=_UNDER_WAY,
)
chunks = sa.Table(
    "batch_chunks",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_row", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
)
rows = sa.Table(
    "batch_rows",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("row", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("output", Document),
    sa.Column("confidence", sa.Float),
    sa.Column("hand_off", sa.Boolean),
    sa.Column("error_code", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("latency_ms", sa.Float),
    sa.Column("cost_usd", sa.Float),
    sa.Column("tokens_in", sa.Integer),
    sa.Column("tokens_out", sa.Integer),
    sa.Column("finished_at", Moment, nullable=False),
)
sa.Index(None, rows.c.batch_id, rows.c.error_code)


def insert_batch(connection: sa.Connection, row: Row) -> bool:
    """Add a batch; false when the same one is under way already."""
    query = _insert(connection, batches).values(**row).returning(sa.literal(1))
    return connection.execute(query).first() is not None


def insert_chunks(connection: sa.Connection, found: Sequence[Row]) -> None:
    connection.execute(chunks.insert(), [dict(row) for row in found])


def batch_row(connection: sa.Connection, *, workspace: str, batch_id: str) -> Row | None:
    query = sa.select(batches).where(batches.c.id == batch_id, batches.c.workspace == workspace)
    row = connection.execute(query).first()
    return None if row is None else row._asdict()


def batch_rows(
    connection: sa.Connection, *, workspace: str, use_case: str | None, limit: int
) -> list[Row]:
    """Batches, newest first."""
    query = sa.select(batches).where(batches.c.workspace == workspace)
    if use_case is not None:
        query = query.where(batches.c.use_case == use_case)
    found = connection.execute(query.order_by(batches.c.id.desc()).limit(limit))
    return [row._asdict() for row in found]


def same_batch_row(connection: sa.Connection, *, workspace: str, key: str) -> Row | None:
    """The newest batch of the same rows, release and columns."""
    query = sa.select(batches).where(batches.c.workspace == workspace, batches.c.key == key)
    row = connection.execute(query.order_by(batches.c.id.desc()).limit(1)).first()
    return None if row is None else row._asdict()


def update_batch(
    connection: sa.Connection, batch_id: str, *, only: Sequence[str] = (), **values: Any
) -> bool:
    """Change a batch; with `only` where its status is one of these. Says whether it was."""
    query = batches.update().where(batches.c.id == batch_id)
    if only:
        query = query.where(batches.c.status.in_(only))
    return connection.execute(query.values(**values)).rowcount == 1


def delete_batch(connection: sa.Connection, batch_id: str) -> list[str]:
    """Let go of a batch, and say which chunks no other batch has."""
    query = sa.select(chunks.c.digest).where(chunks.c.batch_id == batch_id)
    digests = set(connection.execute(query).scalars())
    for table, column in ((rows, rows.c.batch_id), (chunks, chunks.c.batch_id)):
        connection.execute(sa.delete(table).where(column == batch_id))
    connection.execute(batches.delete().where(batches.c.id == batch_id))
    return unused_digests(connection, digests)


def chunks_after(connection: sa.Connection, batch_id: str, *, after: int) -> list[Row]:
    """The next chunks behind a number, in order."""
    query = sa.select(chunks).where(chunks.c.batch_id == batch_id, chunks.c.number > after)
    found = connection.execute(query.order_by(chunks.c.number).limit(_PAGE_ROWS))
    return [row._asdict() for row in found]


def kept_numbers(connection: sa.Connection, batch_id: str, *, first: int, count: int) -> set[int]:
    """Which rows of a stretch have a result."""
    query = sa.select(rows.c.row).where(
        rows.c.batch_id == batch_id, rows.c.row >= first, rows.c.row < first + count
    )
    return set(connection.execute(query).scalars())


def insert_rows(connection: sa.Connection, found: Sequence[Row]) -> None:
    """Keep what became of rows; what is known of one already stays."""
    connection.execute(_insert(connection, rows), [dict(row) for row in found])


def kept_rows(connection: sa.Connection, batch_id: str, *, first: int, end: int) -> list[Row]:
    """Results of a stretch in the order of their rows."""
    query = sa.select(rows).where(
        rows.c.batch_id == batch_id, rows.c.row >= first, rows.c.row < end
    )
    return [row._asdict() for row in connection.execute(query.order_by(rows.c.row))]


def delete_failed(connection: sa.Connection, batch_id: str) -> int:
    """Let go of the rows that failed, so that they are asked again."""
    query = rows.delete().where(rows.c.batch_id == batch_id, rows.c.error_code.is_not(None))
    return connection.execute(query).rowcount


def count_rows(connection: sa.Connection, batch_id: str) -> list[tuple[str | None, int]]:
    """Error code, nothing for answers, and the number of rows that have it."""
    query = (
        sa.select(rows.c.error_code, sa.func.count())
        .where(rows.c.batch_id == batch_id)
        .group_by(rows.c.error_code)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def failed_examples(connection: sa.Connection, batch_id: str, code: str) -> list[tuple[int, str]]:
    """Line and message of the first rows that failed for one reason."""
    query = (
        sa.select(rows.c.line, rows.c.error_message)
        .where(rows.c.batch_id == batch_id, rows.c.error_code == code)
        .order_by(rows.c.row)
        .limit(EXAMPLE_LINES)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def unused_digests(connection: sa.Connection, digests: set[str]) -> list[str]:
    """Those of some chunks that no batch has."""
    query = sa.select(sa.literal(1)).where(chunks.c.digest == sa.bindparam("digest")).limit(1)
    return [
        digest
        for digest in sorted(digests)
        if connection.execute(query, {"digest": digest}).first() is None
    ]


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()
