"""Keeping an answer as it was sent, so that it can be sent once more."""

from datetime import datetime
from functools import partial
from typing import Any

from lineside.core import Record, now
from lineside.store import Store
from lineside.traces.replies import queries

REPLY_BYTES_MAX = 4 * 1024 * 1024
"""A longer answer is not kept."""

_FORGOTTEN_MAX = 1_000


class Reply(Record):
    """An answer as a caller got it; the body of a stream is all that was sent, one after another.

    Attributes:
        status: Of HTTP.
        headers: In the order they were sent, without those of its transport.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def keep_reply(
    connection: Any,
    workspace: str,
    reply: Reply,
    *,
    reply_id: str,
    trace_id: str,
    expires_at: datetime,
) -> None:
    """Keep an answer until a moment, or until its trace is erased if that is sooner.

    Args:
        connection: One that writes; what else it writes lands with it.
    """
    values = {
        "workspace": workspace,
        "id": reply_id,
        "trace_id": trace_id,
        "status": reply.status,
        "headers": [list(pair) for pair in reply.headers],
        "body": reply.body,
        "expires_at": expires_at,
    }
    queries.insert_reply(connection, values)


def find_reply(connection: Any, workspace: str, reply_id: str) -> Reply | None:
    """An answer that is still kept."""
    row = queries.select_reply(connection, workspace, reply_id)
    if row is None:
        return None
    headers = tuple((name, value) for name, value in row.headers)
    return Reply(status=row.status, headers=headers, body=bytes(row.body))


def forget_replies(store: Store) -> int:
    """Delete what has been kept for long enough, 1,000 at a time; says how many."""
    at = now()
    return store.records.delete_in_rounds(
        is_any=partial(queries.is_any_over, at=at),
        delete_some=partial(queries.delete_over, at=at, rows_max=_FORGOTTEN_MAX),
    )
