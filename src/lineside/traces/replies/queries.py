"""Replies in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lineside.store import Document, Moment, metadata

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("headers", Document, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
sa.Index("ix_replies_workspace_trace_id", replies.c.workspace, replies.c.trace_id)
sa.Index("ix_replies_expires_at", replies.c.expires_at)


def insert_reply(connection: sa.Connection, values: dict[str, Any]) -> None:
    connection.execute(replies.insert().values(**values))


def select_reply(connection: sa.Connection, workspace: str, reply_id: str) -> Any:
    found = sa.select(replies.c.status, replies.c.headers, replies.c.body)
    return connection.execute(
        found.where(replies.c.workspace == workspace, replies.c.id == reply_id)
    ).first()


def delete_replies(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> None:
    """Forget what was answered under some traces."""
    here = replies.c.workspace == workspace
    connection.execute(replies.delete().where(here, replies.c.trace_id.in_(trace_ids)))


def is_any_over(connection: sa.Connection, *, at: datetime) -> bool:
    over = sa.select(replies.c.id).where(replies.c.expires_at <= at).limit(1)
    return connection.execute(over).first() is not None


def delete_over(connection: sa.Connection, *, at: datetime, rows_max: int) -> int:
    """Forget replies whose time is over, in every workspace; gives how many that were."""
    keys = replies.c.workspace, replies.c.id
    over = sa.select(*keys).where(replies.c.expires_at <= at).limit(rows_max)
    return connection.execute(replies.delete().where(sa.tuple_(*keys).in_(over))).rowcount
