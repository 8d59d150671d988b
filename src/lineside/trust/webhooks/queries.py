"""Webhooks and their messages in SQL: listed, claimed by one process at a time, and settled."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lineside.trust.queries import webhook_messages as messages
from lineside.trust.queries import webhooks

Row = Mapping[str, Any]


def insert_webhook(connection: sa.Connection, row: Row) -> None:
    connection.execute(webhooks.insert().values(**row))


def select_webhooks(connection: sa.Connection, workspace: str) -> list[Row]:
    query = sa.select(webhooks).where(webhooks.c.workspace == workspace).order_by(webhooks.c.id)
    return [row._asdict() for row in connection.execute(query)]


def find_webhook(connection: sa.Connection, webhook_id: str) -> Row | None:
    row = connection.execute(sa.select(webhooks).where(webhooks.c.id == webhook_id)).first()
    return None if row is None else row._asdict()


def update_webhook(connection: sa.Connection, webhook_id: str, **values: Any) -> None:
    connection.execute(webhooks.update().where(webhooks.c.id == webhook_id).values(**values))


def delete_webhook(connection: sa.Connection, webhook_id: str) -> None:
    connection.execute(messages.delete().where(messages.c.webhook_id == webhook_id))
    connection.execute(webhooks.delete().where(webhooks.c.id == webhook_id))


def insert_message(connection: sa.Connection, row: Row) -> None:
    connection.execute(messages.insert().values(**row))


def select_messages(
    connection: sa.Connection,
    workspace: str,
    *,
    webhook_id: str | None,
    status: str | None,
    limit: int,
) -> list[Row]:
    """Messages, newest first."""
    query = sa.select(messages).where(messages.c.workspace == workspace)
    if webhook_id is not None:
        query = query.where(messages.c.webhook_id == webhook_id)
    if status is not None:
        query = query.where(messages.c.status == status)
    ordered = query.order_by(messages.c.id.desc(), messages.c.webhook_id).limit(limit)
    return [row._asdict() for row in connection.execute(ordered)]


def find_messages(connection: sa.Connection, workspace: str, message_id: str) -> list[Row]:
    """One message, to each webhook that it is for."""
    query = sa.select(messages).where(
        messages.c.workspace == workspace, messages.c.id == message_id
    )
    return [row._asdict() for row in connection.execute(query.order_by(messages.c.webhook_id))]


def update_message(
    connection: sa.Connection, webhook_id: str, message_id: str, **values: Any
) -> None:
    one = (messages.c.webhook_id == webhook_id, messages.c.id == message_id)
    connection.execute(messages.update().where(*one).values(**values))


def claim(connection: sa.Connection, *, at: datetime, until: datetime, limit: int) -> list[Row]:
    """Take the oldest messages that are due, so that no other process takes them meanwhile."""
    due = (
        _due(messages, webhooks.c.url, at=at)
        .order_by(messages.c.id)
        .limit(limit)
        .with_for_update(of=messages, skip_locked=True)
    )
    found: list[Row] = [row._asdict() for row in connection.execute(due)]
    for row in found:
        update_message(connection, row["webhook_id"], row["id"], claimed_until=until)
    return found


def is_due(connection: sa.Connection, *, at: datetime) -> bool:
    """Whether any message waits to be sent; quick, and holds up nobody."""
    return connection.execute(_due(messages.c.id, at=at).limit(1)).first() is not None


def delete_ended(connection: sa.Connection, *, before: datetime) -> int:
    """Let go of messages that ended long ago."""
    query = messages.delete().where(
        messages.c.status.in_(("delivered", "failed")), messages.c.ended_at < before
    )
    return connection.execute(query).rowcount


def _due(*columns: Any, at: datetime) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .join_from(messages, webhooks, webhooks.c.id == messages.c.webhook_id)
        .where(
            messages.c.status == "waiting",
            messages.c.next_at <= at,
            sa.or_(messages.c.claimed_until.is_(None), messages.c.claimed_until <= at),
            webhooks.c.disabled_at.is_(None),
        )
    )
