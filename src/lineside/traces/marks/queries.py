"""Tags, notes and links in the records, and whose trace they are put on."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from lineside.store import Moment, metadata
from lineside.traces.queries import PART, PLACE

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
)
sa.Index(None, marks.c.workspace, marks.c.trace_id)
sa.Index(None, marks.c.workspace, marks.c.kind, marks.c.text)

_SHOWN = [column for column in marks.c if column.name != "workspace"]

TRACE_HEADS = f"""
SELECT trace_id, use_case FROM {{traces}}
WHERE workspace = ? AND trace_key IN (SELECT unnest(?::BIGINT[]))
GROUP BY trace_id, use_case ORDER BY min({PLACE}) DESC
"""


def among(*, has: bool) -> str:
    """Whether a part of a trace is among those bound: keys and use cases of some, keys of others.

    Of the latter, every part is meant.
    """
    return f"""{"" if has else "NOT "}({PART} IN (
        SELECT hash(key, use_case)
        FROM (SELECT unnest(?::BIGINT[]) AS key, unnest(?::VARCHAR[]) AS use_case)
    ) OR trace_key IN (SELECT unnest(?::BIGINT[])))"""


def bound_among(parts: Iterable[tuple[int, str | None]]) -> list[Any]:
    """What is bound in `among`: keys of traces, with the use case where it is one part only."""
    found = list(parts)
    ones = [(key, use_case) for key, use_case in found if use_case is not None]
    return [
        [key for key, _ in ones],
        [use_case for _, use_case in ones],
        [key for key, use_case in found if use_case is None],
    ]


def insert_marks(
    connection: sa.Connection, workspace: str, found: Sequence[dict[str, Any]]
) -> None:
    if found:
        connection.execute(marks.insert(), [{"workspace": workspace, **one} for one in found])


def delete_mark(connection: sa.Connection, workspace: str, mark_id: str) -> None:
    connection.execute(marks.delete().where(marks.c.workspace == workspace, marks.c.id == mark_id))


def disown_marks(connection: sa.Connection, workspace: str, use_case: str) -> None:
    """Let marks on traces of a use case be of none, as its traces are."""
    chosen = marks.c.workspace == workspace, marks.c.use_case == use_case
    connection.execute(marks.update().where(*chosen).values(use_case=None))


def lock_marks(connection: sa.Connection, workspace: str, trace_id: str) -> None:
    """Let two people who mark one trace at the same moment do so in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"marks {workspace} {trace_id}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def marks_of_traces(
    connection: sa.Connection, workspace: str, trace_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """What people put on these traces, in the order they did."""
    is_theirs = marks.c.trace_id.in_(trace_ids)
    query = sa.select(*_SHOWN).where(marks.c.workspace == workspace, is_theirs)
    return [dict(row._mapping) for row in connection.execute(query.order_by(marks.c.id))]


def newest_marks(
    connection: sa.Connection,
    *,
    workspace: str,
    kind: str | None,
    text: str | None,
    use_case: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Those of one use case, of none where it is an empty text, or all of them."""
    query = sa.select(*_SHOWN).where(marks.c.workspace == workspace)
    if use_case == "":
        query = query.where(marks.c.use_case.is_(None))
        use_case = None
    for column, value in ((marks.c.kind, kind), (marks.c.text, text), (marks.c.use_case, use_case)):
        if value is not None:
            query = query.where(column == value)
    rows = connection.execute(query.order_by(marks.c.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]


def tagged(
    connection: sa.Connection, workspace: str, *, text: str | None, is_part: bool, limit: int
) -> list[tuple[str, str | None]]:
    """Ids and use cases of the traces with a tag, or with any; `is_part`: a part of the tag."""
    query = sa.select(marks.c.trace_id, marks.c.use_case).distinct()
    query = query.where(marks.c.workspace == workspace, marks.c.kind == "tag")
    if text is not None and is_part:
        query = query.where(marks.c.text.contains(text, autoescape=True))
    elif text is not None:
        query = query.where(marks.c.text == text)
    return [(trace_id, use_case) for trace_id, use_case in connection.execute(query.limit(limit))]


def delete_marks(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> None:
    """Delete whatever people put on these traces."""
    connection.execute(
        marks.delete().where(marks.c.workspace == workspace, marks.c.trace_id.in_(trace_ids))
    )
