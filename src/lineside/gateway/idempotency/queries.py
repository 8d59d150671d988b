"""Who claimed which key, in SQL."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.store import Moment, metadata

keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("key_digest", sa.Text, primary_key=True),
    sa.Column("request_digest", sa.Text, nullable=False),
    sa.Column("claim", sa.Text, nullable=False),
    sa.Column("claimed_until", Moment),
    sa.Column("expires_at", Moment, nullable=False),
)
sa.Index("ix_idempotency_keys_expires_at", keys.c.expires_at)

_KEY = ("workspace", "caller", "key_digest")
_FORGOTTEN_MAX = 100


def take_key(connection: sa.Connection, values: dict[str, Any], *, at: datetime) -> Any:
    """Claim a key unless somebody holds it, or it has its answer; gives the row as it then is."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(keys).values(**values)
    fresh = {name: insert.excluded[name] for name in values if name not in _KEY}
    taking = insert.on_conflict_do_update(index_elements=_KEY, set_=fresh, where=_is_over(at))
    connection.execute(taking)
    return connection.execute(sa.select(keys).where(*_of(values))).one()


def hold_key(connection: sa.Connection, claim: dict[str, Any], *, until: datetime) -> bool:
    """Hold a key for longer; false where it is no longer held by this claim."""
    return _change(connection, claim, claimed_until=until, expires_at=until)


def answer_key(connection: sa.Connection, claim: dict[str, Any], *, expires_at: datetime) -> bool:
    """Say that a call has its answer; false where it is no longer held by this claim."""
    return _change(connection, claim, claimed_until=None, expires_at=expires_at)


def free_key(connection: sa.Connection, claim: dict[str, Any]) -> None:
    """Give a key back, as if the call had never been made."""
    connection.execute(keys.delete().where(*_held(claim)))


def delete_over(connection: sa.Connection, *, at: datetime, but: str) -> None:
    """Forget some of the keys whose time is over, but not that of one claim."""
    over = sa.select(*(keys.c[name] for name in _KEY)).where(keys.c.claim != but, _is_over(at))
    # Others may be claiming some of them anew; nobody waits for anybody.
    found = over.limit(_FORGOTTEN_MAX).with_for_update(skip_locked=True)
    for row in connection.execute(found).all():
        connection.execute(keys.delete().where(*_of(row._mapping)))


def _is_over(at: datetime) -> sa.ColumnElement[bool]:
    """Nobody makes the call any more, or its answer has been kept for long enough."""
    is_answered = keys.c.claimed_until.is_(None)
    is_left = sa.or_(is_answered, keys.c.claimed_until <= at)
    return sa.and_(keys.c.expires_at <= at, is_left)


def _change(connection: sa.Connection, claim: dict[str, Any], **values: Any) -> bool:
    done = connection.execute(keys.update().where(*_held(claim)).values(**values))
    return done.rowcount == 1


def _of(values: Any) -> list[sa.ColumnElement[bool]]:
    return [keys.c[name] == values[name] for name in _KEY]


def _held(claim: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    held = keys.c.claim == claim["claim"], keys.c.claimed_until.is_not(None)
    return [*_of(claim), *held]
