"""The tables of this room: workspaces, members, API keys and the ledger."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Document, Moment, metadata

workspaces = sa.Table(
    "workspaces",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("verifier_key", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)
members = sa.Table(
    "members",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("rights", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("workspace", "name"),
)
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.LargeBinary, nullable=False),
    sa.Column("rights", Document, nullable=False),
    sa.Column("use_cases", Document),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("revoked_at", Moment),
    sa.Column("last_used_at", Moment),
    sa.Column("models", Document),
    sa.Column("team", sa.Text),
)
ledger_entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
)
sa.Index(None, ledger_entries.c.workspace, ledger_entries.c.subject, ledger_entries.c.position)
sa.Index(None, ledger_entries.c.workspace, ledger_entries.c.kind, ledger_entries.c.position)
ledger_heads = sa.Table(
    "ledger_heads",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("checkpoint", sa.Text, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", Document, nullable=False),
    sa.Column("use_case", sa.Text),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("failing_since", Moment),
    sa.Column("disabled_at", Moment),
    sa.Column("disabled_why", sa.Text),
)
webhook_messages = sa.Table(
    "webhook_messages",
    metadata,
    sa.Column("webhook_id", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("payload", Document, nullable=False),
    sa.Column("once", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=False),
    sa.Column("claimed_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("said", sa.Text),
    sa.UniqueConstraint("webhook_id", "once"),
)
_OF_MESSAGE = ("webhook_id", "id")
sa.Index(None, webhook_messages.c.status, webhook_messages.c.next_at)
sa.Index(None, webhook_messages.c.workspace, webhook_messages.c.id)

Connection = sa.Connection
"""What the rest of the room passes on and never looks into."""

_HASH_BYTES = 32


@dataclass(frozen=True)
class Head:
    """The newest signed head and the frontier of the tree below it."""

    size: int
    checkpoint: str
    frontier: list[bytes]


@dataclass(frozen=True)
class EntryRow:
    """An entry as the table has it, with the checkpoint that followed it, if that is there."""

    position: int
    kind: str
    subject: str
    payload: bytes
    leaf_hash: bytes
    checkpoint: str | None = None


def insert_if_absent(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key is there; say whether it was inserted."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    inserted = make(table).values(**values).on_conflict_do_nothing().returning(sa.literal(1))
    return connection.execute(inserted).first() is not None


def find_workspace(
    connection: sa.Connection, workspace: str, *, for_append: bool = False
) -> dict[str, Any] | None:
    """The row of a workspace; `for_append` makes other appenders wait until we commit.

    On SQLite a writer is alone anyway and the wish is left out of the SQL.
    """
    query = sa.select(workspaces).where(workspaces.c.workspace == workspace)
    if for_append:
        query = query.with_for_update(key_share=True)
    return _one(connection.execute(query))


def find_member(connection: sa.Connection, workspace: str, name: str) -> dict[str, Any] | None:
    query = sa.select(members).where(members.c.workspace == workspace, members.c.name == name)
    return _one(connection.execute(query))


def select_members(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    query = sa.select(members).where(members.c.workspace == workspace).order_by(members.c.id)
    return [row._asdict() for row in connection.execute(query)]


def insert_key(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(api_keys.insert().values(**values))


# Made once: every call with a key asks it.
_KEY_BY_ID = sa.select(api_keys).where(api_keys.c.id == sa.bindparam("key_id"))


def find_key(connection: sa.Connection, key_id: str) -> dict[str, Any] | None:
    return _one(connection.execute(_KEY_BY_ID, {"key_id": key_id}))


def find_keys(connection: sa.Connection, key_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Keys by their ids; those that are not there are left out."""
    query = sa.select(api_keys).where(api_keys.c.id.in_(list(key_ids)))
    return [row._asdict() for row in connection.execute(query)]


def select_keys(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    query = sa.select(api_keys).where(api_keys.c.workspace == workspace).order_by(api_keys.c.id)
    return [row._asdict() for row in connection.execute(query)]


def mark_key_revoked(
    connection: sa.Connection, workspace: str, key_id: str, *, at: datetime
) -> bool:
    """Revoke a key that is not revoked yet; say whether there was one."""
    done = connection.execute(
        api_keys.update()
        .where(
            api_keys.c.id == key_id,
            api_keys.c.workspace == workspace,
            api_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=at)
    )
    return done.rowcount == 1


def mark_key_used(
    connection: sa.Connection, key_id: str, *, at: datetime, unless_since: datetime
) -> None:
    """Note when a key was used, unless someone noted it since."""
    last = api_keys.c.last_used_at
    connection.execute(
        api_keys.update()
        .where(api_keys.c.id == key_id, sa.or_(last.is_(None), last <= unless_since))
        .values(last_used_at=at)
    )


def select_listeners(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    """Webhooks of a workspace that are not disabled: what they are told of, and for whom."""
    query = sa.select(webhooks.c.id, webhooks.c.events, webhooks.c.use_case).where(
        webhooks.c.workspace == workspace, webhooks.c.disabled_at.is_(None)
    )
    return [row._asdict() for row in connection.execute(query)]


def select_told(
    connection: sa.Connection, workspace: str, kinds: Sequence[str]
) -> list[dict[str, Any]]:
    columns = (webhook_messages.c[name] for name in (*_OF_MESSAGE, "payload", "once"))
    chosen = (webhook_messages.c.workspace == workspace, webhook_messages.c.type.in_(kinds))
    return [row._asdict() for row in connection.execute(sa.select(*columns).where(*chosen))]


def update_told(connection: sa.Connection, message: Mapping[str, Any]) -> None:
    said = {name: message[name] for name in ("payload", "once")}
    connection.execute(webhook_messages.update().where(*_this(message)).values(**said))


def delete_told(connection: sa.Connection, message: Mapping[str, Any]) -> None:
    connection.execute(webhook_messages.delete().where(*_this(message)))


def _this(message: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [webhook_messages.c[name] == message[name] for name in _OF_MESSAGE]


def newest_head(connection: sa.Connection, workspace: str) -> Head | None:
    query = (
        sa.select(ledger_heads)
        .where(ledger_heads.c.workspace == workspace)
        .order_by(ledger_heads.c.size.desc())
        .limit(1)
    )
    return _head(_one(connection.execute(query)))


def head_at(connection: sa.Connection, workspace: str, size: int) -> Head | None:
    query = sa.select(ledger_heads).where(
        ledger_heads.c.workspace == workspace, ledger_heads.c.size == size
    )
    return _head(_one(connection.execute(query)))


def insert_head(connection: sa.Connection, workspace: str, head: Head) -> None:
    connection.execute(
        ledger_heads.insert().values(
            workspace=workspace,
            size=head.size,
            checkpoint=head.checkpoint,
            frontier=b"".join(head.frontier),
        )
    )


def insert_entry(connection: sa.Connection, workspace: str, entry: EntryRow) -> None:
    connection.execute(
        ledger_entries.insert().values(
            workspace=workspace,
            position=entry.position,
            kind=entry.kind,
            subject=entry.subject,
            payload=entry.payload,
            leaf_hash=entry.leaf_hash,
        )
    )


def select_entries(
    connection: sa.Connection,
    workspace: str,
    *,
    after: int | None,
    limit: int,
    subject: str | None = None,
    kind: str | None = None,
    newest_first: bool = False,
) -> list[EntryRow]:
    """Entries in order, or in reverse; `after` is the position that was seen last."""
    entries = ledger_entries.c
    query = (
        sa.select(ledger_entries, ledger_heads.c.checkpoint)
        .outerjoin(
            ledger_heads,
            sa.and_(
                ledger_heads.c.workspace == entries.workspace,
                ledger_heads.c.size == entries.position + 1,
            ),
        )
        .where(entries.workspace == workspace)
        .order_by(entries.position.desc() if newest_first else entries.position)
        .limit(limit)
    )
    if after is not None:
        query = query.where(entries.position < after if newest_first else entries.position > after)
    if subject is not None:
        query = query.where(entries.subject == subject)
    if kind is not None:
        query = query.where(entries.kind == kind)
    return [
        EntryRow(
            row.position,
            row.kind,
            row.subject,
            bytes(row.payload),
            bytes(row.leaf_hash),
            row.checkpoint,
        )
        for row in connection.execute(query)
    ]


def iterate_leaves(connection: sa.Connection, workspace: str, *, size: int) -> Iterator[bytes]:
    """Leaf hashes of the first entries, in order."""
    query = (
        sa.select(ledger_entries.c.leaf_hash)
        .where(ledger_entries.c.workspace == workspace, ledger_entries.c.position < size)
        .order_by(ledger_entries.c.position)
    )
    for row in connection.execute(query.execution_options(yield_per=1_000)):
        yield bytes(row.leaf_hash)


def _one(result: sa.CursorResult[Any]) -> dict[str, Any] | None:
    row = result.first()
    return None if row is None else row._asdict()


def _head(row: dict[str, Any] | None) -> Head | None:
    if row is None:
        return None
    frontier = bytes(row["frontier"])
    return Head(
        size=row["size"],
        checkpoint=row["checkpoint"],
        frontier=[frontier[at : at + _HASH_BYTES] for at in range(0, len(frontier), _HASH_BYTES)],
    )
