"""Stored responses, in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lineside.store import Moment, metadata

responses = sa.Table(
    "stored_responses",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("previous_id", sa.Text),
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("input", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
)
sa.Index("ix_stored_responses_workspace_trace_id", responses.c.workspace, responses.c.trace_id)
sa.Index("ix_stored_responses_expires_at", responses.c.expires_at)

_ROWS_AT_ONCE = 100
_LIGHT = tuple(column for column in responses.c if column.name not in ("input", "answer"))


def insert_response(connection: sa.Connection, values: dict[str, Any]) -> None:
    connection.execute(responses.insert().values(**values))


def select_response(
    connection: sa.Connection, workspace: str, response_id: str, *, at: datetime
) -> Any:
    """One that is kept still, with all that is kept of it."""
    return connection.execute(
        sa.select(responses).where(*_live(workspace, response_id, at))
    ).first()


def select_chain(
    connection: sa.Connection, workspace: str, response_id: str, *, at: datetime, links_max: int
) -> list[Any]:
    """A response and those before it, the newest first, without their words."""
    last = sa.select(*_LIGHT, sa.literal(1).label("link"))
    chain = last.where(*_live(workspace, response_id, at)).cte("chain", recursive=True)
    before = responses.alias("before")
    light = [before.c[column.name] for column in _LIGHT]
    chain = chain.union_all(
        sa.select(*light, (chain.c.link + 1).label("link")).where(
            before.c.workspace == workspace,
            before.c.id == chain.c.previous_id,
            before.c.expires_at > at,
            chain.c.link < links_max,
        )
    )
    return list(connection.execute(sa.select(chain).order_by(chain.c.link)).all())


def select_words(
    connection: sa.Connection, workspace: str, ids: Sequence[str]
) -> dict[str, tuple[bytes, bytes]]:
    """Input and answer of some responses, by their ids."""
    found: dict[str, tuple[bytes, bytes]] = {}
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        some = _these(workspace, ids[start : start + _ROWS_AT_ONCE])
        asked = sa.select(responses.c.id, responses.c.input, responses.c.answer).where(*some)
        for row in connection.execute(asked):
            found[row.id] = bytes(row.input), bytes(row.answer)
    return found


def keep_longer(
    connection: sa.Connection, workspace: str, ids: Sequence[str], *, expires_at: datetime
) -> None:
    """Let what a conversation rests on stay as long as its newest response."""
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        some = _these(workspace, ids[start : start + _ROWS_AT_ONCE])
        connection.execute(responses.update().where(*some).values(expires_at=expires_at))


def delete_response(connection: sa.Connection, workspace: str, response_id: str) -> None:
    connection.execute(responses.delete().where(*_these(workspace, [response_id])))


def count_of_traces(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> int:
    count = sa.select(sa.func.count()).where(*_of_traces(workspace, trace_ids))
    return connection.execute(count).scalar_one()


def delete_of_traces(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> int:
    """Forget what came of some traces; gives how many responses that were."""
    return connection.execute(responses.delete().where(*_of_traces(workspace, trace_ids))).rowcount


def is_any_over(connection: sa.Connection, *, at: datetime) -> bool:
    over = sa.select(responses.c.id).where(responses.c.expires_at <= at).limit(1)
    return connection.execute(over).first() is not None


def delete_over(connection: sa.Connection, *, at: datetime, rows_max: int) -> int:
    """Forget what has been kept for long enough, in every workspace; gives how many."""
    keys = responses.c.workspace, responses.c.id
    over = sa.select(*keys).where(responses.c.expires_at <= at).limit(rows_max)
    return connection.execute(responses.delete().where(sa.tuple_(*keys).in_(over))).rowcount


def select_crowded(connection: sa.Connection, *, rows_max: int) -> list[tuple[str, int]]:
    """Workspaces with more responses than they may have, and how many are too many."""
    count = sa.func.count()
    found = sa.select(responses.c.workspace, count).group_by(responses.c.workspace)
    rows = connection.execute(found.having(count > rows_max)).all()
    return [(workspace, number - rows_max) for workspace, number in rows]


def delete_next(connection: sa.Connection, workspace: str, *, rows_max: int) -> int:
    """Forget those of a workspace that would go next; gives how many."""
    here = responses.c.workspace == workspace
    following = sa.select(responses.c.id).where(here).order_by(responses.c.expires_at)
    chosen = responses.c.id.in_(following.limit(rows_max))
    return connection.execute(responses.delete().where(here, chosen)).rowcount


def _live(workspace: str, response_id: str, at: datetime) -> list[sa.ColumnElement[bool]]:
    return [*_these(workspace, [response_id]), responses.c.expires_at > at]


def _these(workspace: str, ids: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    return [responses.c.workspace == workspace, responses.c.id.in_(ids)]


def _of_traces(workspace: str, trace_ids: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    return [responses.c.workspace == workspace, responses.c.trace_id.in_(trace_ids)]
