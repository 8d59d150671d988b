"""Caps, what is spent of them and what is held, in SQL.

Whoever changes a counter locks its row first, and rows in the order of their keys, so that two
calls wait for each other and never in a circle. On SQLite a writer is alone anyway.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lineside.core import now
from lineside.store import Moment, metadata

caps = sa.Table(
    "caps",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("measure", sa.Text, nullable=False),
    sa.Column("every", sa.Text, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", Moment, nullable=False),
    # Whether the sessions of a limit are kept by alias; of limits of anything else it says nothing.
    sa.Column("is_aliased", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint(
        "workspace",
        "about",
        "subject",
        "measure",
        "every",
        name="uq_caps_workspace_about_subject_measure_every",
    ),
)
counters = sa.Table(
    "cap_counters",
    metadata,
    sa.Column("cap_id", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("begins_at", Moment, primary_key=True, autoincrement=False),
    sa.Column("spent", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
)
holds = sa.Table(
    "cap_holds",
    metadata,
    sa.Column("cap_id", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("begins_at", Moment, primary_key=True, autoincrement=False),
    sa.Column("hold_id", sa.Text, primary_key=True),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    # Two are written and two removed for every call, and each index would be a page of its own to
    # write. There are only as many rows as calls under way.
    sqlite_with_rowid=False,
)

_FORGOTTEN_MAX = 20

EACH = "*"
"""Subject of a cap that holds for each of its kind by itself."""


class Place(NamedTuple):
    """Key of one counter: a cap, whom it counts for, and the period it counts in."""

    cap_id: str
    subject: str
    begins_at: datetime


_ABOUT = ("workspace", "key", "team", "use_case", "session")


def _here(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    """The rows of one counter, whose key is given as `at_…`."""
    return tuple(
        table.c[name] == sa.bindparam(f"at_{name}", type_=table.c[name].type)
        for name in Place._fields
    )


# Made once: building a statement anew costs several times as much as executing it.
_CAPS_ON = (
    sa.select(caps)
    .where(
        caps.c.workspace == sa.bindparam("of_workspace"),
        sa.or_(
            *(
                sa.and_(
                    caps.c.about == about,
                    sa.bindparam(about, type_=sa.Text).is_not(None),
                    sa.or_(
                        caps.c.subject.in_((sa.bindparam(about, type_=sa.Text), EACH)),
                        # Whom it is for cannot be told: the call is refused.
                        *([sa.not_(caps.c.is_aliased)] if about == "session" else []),
                    ),
                )
                for about in _ABOUT
            )
        ),
    )
    .order_by(caps.c.id)
)
_SELECT_COUNTER = (
    sa.select(counters.c.spent, counters.c.reserved).where(*_here(counters)).with_for_update()
)
_UPDATE_COUNTER = (
    counters.update()
    .where(*_here(counters))
    .values(spent=sa.bindparam("now_spent"), reserved=sa.bindparam("now_reserved"))
)
_TAKE_LAPSED = (
    holds.delete()
    .where(*_here(holds), holds.c.expires_at <= sa.bindparam("moment", type_=Moment))
    .returning(holds.c.units)
)
_TAKE_OVER = (
    holds.delete()
    .where(
        *_here(holds),
        sa.or_(
            holds.c.hold_id == sa.bindparam("of_hold"),
            holds.c.expires_at <= sa.bindparam("moment", type_=Moment),
        ),
    )
    .returning(holds.c.units)
)
_INSERT_HOLD = holds.insert()
_CLOCK = sa.select(sa.func.clock_timestamp())


def moment(connection: sa.Connection) -> datetime:
    """The present by the one clock that all replicas share."""
    if connection.dialect.name == "sqlite":
        return now()
    found: datetime = connection.execute(_CLOCK).scalar_one()
    return found


def lock_caps(connection: sa.Connection, workspace: str) -> None:
    """Let two people who set a cap at the same moment do so in turn."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"caps {workspace}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def select_caps(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    query = sa.select(caps).where(caps.c.workspace == workspace)
    order = (caps.c.about, caps.c.subject, caps.c.measure, caps.c.every)
    return [row._asdict() for row in connection.execute(query.order_by(*order))]


def select_caps_on(
    connection: sa.Connection, workspace: str, subjects: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Every cap that holds for a call; subjects are its key, team and so on, by their kind."""
    given = dict.fromkeys(_ABOUT) | dict(subjects)
    rows = connection.execute(_CAPS_ON, {"of_workspace": workspace, **given})
    return [row._asdict() for row in rows]


def session_caps(connection: sa.Connection, workspace: str) -> list[dict[str, Any]]:
    """Caps of sessions, of one or of each."""
    chosen = (caps.c.workspace == workspace, caps.c.about == "session")
    query = sa.select(caps).where(*chosen).order_by(caps.c.id)
    return [row._asdict() for row in connection.execute(query)]


def unaliased_workspaces(connection: sa.Connection) -> list[str]:
    """Workspaces with limits that still count sessions by their ids."""
    chosen = (caps.c.about == "session", sa.not_(caps.c.is_aliased))
    return list(connection.execute(sa.select(caps.c.workspace).where(*chosen).distinct()).scalars())


def subjects_of(connection: sa.Connection, table: sa.Table, cap_id: str) -> list[str]:
    """Whom counters or holds of a cap are of."""
    query = sa.select(table.c.subject).where(table.c.cap_id == cap_id).distinct()
    return list(connection.execute(query.order_by(table.c.subject)).scalars())


def rename_subject(
    connection: sa.Connection, table: sa.Table, cap_id: str, subject: str, name: str
) -> None:
    chosen = (table.c.cap_id == cap_id, table.c.subject == subject)
    connection.execute(table.update().where(*chosen).values(subject=name))


def places_of(
    connection: sa.Connection, workspace: str, sessions: Sequence[str], *, locks: bool = False
) -> list[Place]:
    """Every counter of some sessions, in the order in which calls lock them."""
    ids = [cap["id"] for cap in session_caps(connection, workspace)]
    query = sa.select(counters.c.cap_id, counters.c.subject, counters.c.begins_at)
    query = query.where(counters.c.cap_id.in_(ids), counters.c.subject.in_(sessions))
    query = query.order_by(counters.c.cap_id, counters.c.subject, counters.c.begins_at)
    rows = connection.execute(query.with_for_update() if locks else query)
    return [Place(*row) for row in rows]


def delete_counted(connection: sa.Connection, places: Sequence[Place]) -> None:
    """Remove counters with what is held of them; a call under way then settles nothing."""
    for place in places:
        connection.execute(counters.delete().where(*_at(counters, place)))
        connection.execute(holds.delete().where(*_at(holds, place)))


def insert_cap(connection: sa.Connection, values: Mapping[str, Any]) -> None:
    connection.execute(caps.insert().values(**values))


def update_cap(connection: sa.Connection, cap_id: str, values: Mapping[str, Any]) -> None:
    connection.execute(caps.update().where(caps.c.id == cap_id).values(**values))


def delete_cap(connection: sa.Connection, cap_id: str) -> None:
    """Remove a cap with all that was counted; counters first, as calls lock them."""
    connection.execute(counters.delete().where(counters.c.cap_id == cap_id))
    connection.execute(holds.delete().where(holds.c.cap_id == cap_id))
    connection.execute(caps.delete().where(caps.c.id == cap_id))


def lock_counter(
    connection: sa.Connection, place: Place, *, at: datetime, makes: bool = False
) -> tuple[int, int] | None:
    """Spent and reserved of a counter that is ours until we commit; lapsed holds are given back.

    Args:
        makes: Begin the counter where it is not there, and forget those of earlier periods.
    """
    key = _key(place)
    row = connection.execute(_SELECT_COUNTER, key).first()
    if row is None and makes:
        if _insert_counter(connection, place):
            _forget_earlier(connection, place)
        row = connection.execute(_SELECT_COUNTER, key).first()
    if row is None:
        return None
    if not row.reserved:  # nothing is held, so nothing has lapsed
        return row.spent, 0
    lapsed = connection.execute(_TAKE_LAPSED, {**key, "moment": at}).scalars()
    reserved = row.reserved - sum(lapsed)
    if reserved != row.reserved:
        write_counter(connection, place, spent=row.spent, reserved=reserved)
    return row.spent, reserved


def write_counter(connection: sa.Connection, place: Place, *, spent: int, reserved: int) -> None:
    values = {"now_spent": spent, "now_reserved": reserved}
    connection.execute(_UPDATE_COUNTER, _key(place) | values)


def insert_hold(
    connection: sa.Connection, place: Place, hold_id: str, *, units: int, expires_at: datetime
) -> None:
    values = {"hold_id": hold_id, "units": units, "expires_at": expires_at}
    connection.execute(_INSERT_HOLD, place._asdict() | values)


def settle_counter(
    connection: sa.Connection, place: Place, hold_id: str, *, taken: int, at: datetime
) -> tuple[int, int] | None:
    """Put what was taken in place of what was held; returns what was spent before and is now.

    Lapsed holds are given back with it, the same as this one where it has lapsed. Nothing where the
    counter is not there.
    """
    key = _key(place)
    row = connection.execute(_SELECT_COUNTER, key).first()
    if row is None:
        return None
    over = connection.execute(_TAKE_OVER, {**key, "of_hold": hold_id, "moment": at}).scalars()
    spent = row.spent + taken
    write_counter(connection, place, spent=spent, reserved=row.reserved - sum(over))
    return row.spent, spent


def renew_holds(
    connection: sa.Connection, hold_ids: Sequence[str], *, at: datetime, expires_at: datetime
) -> set[str]:
    """Put off when holds lapse; returns those that had not lapsed yet."""
    renewed: set[str] = set()
    for start in range(0, len(hold_ids), 500):
        chosen = holds.c.hold_id.in_(hold_ids[start : start + 500])
        # What has lapsed is left to whoever takes it back, so that neither waits for the other.
        put_off = holds.update().where(chosen, holds.c.expires_at > at)
        rows = connection.execute(put_off.values(expires_at=expires_at).returning(holds.c.hold_id))
        renewed.update(rows.scalars())
    return renewed


def select_counters(connection: sa.Connection, cap_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What was counted for these caps, where most was spent first."""
    for start in range(0, len(cap_ids), 500):
        chosen = counters.c.cap_id.in_(cap_ids[start : start + 500])
        order = (counters.c.spent.desc(), counters.c.subject)
        for row in connection.execute(sa.select(counters).where(chosen).order_by(*order)):
            yield row._asdict()


def select_lapsed(
    connection: sa.Connection, cap_ids: Sequence[str], *, at: datetime
) -> dict[Place, int]:
    """What lapsed holds still hold by the counters; the next call gives it back."""
    found: dict[Place, int] = {}
    for start in range(0, len(cap_ids), 500):
        lapsed = (holds.c.cap_id.in_(cap_ids[start : start + 500]), holds.c.expires_at <= at)
        columns = (holds.c.cap_id, holds.c.subject, holds.c.begins_at)
        query = sa.select(*columns, sa.func.sum(holds.c.units).label("units"))
        for row in connection.execute(query.where(*lapsed).group_by(*columns)):
            found[Place(row.cap_id, row.subject, row.begins_at)] = int(row.units)
    return found


def _insert_counter(connection: sa.Connection, place: Place) -> bool:
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {**place._asdict(), "spent": 0, "reserved": 0}
    made = make(counters).values(**values).on_conflict_do_nothing()
    return connection.execute(made.returning(counters.c.spent)).first() is not None


def _forget_earlier(connection: sa.Connection, place: Place) -> None:
    """Drop some counters of earlier periods; those that somebody works on are left alone."""
    key = (counters.c.cap_id, counters.c.subject, counters.c.begins_at)
    earlier = (counters.c.cap_id == place.cap_id, counters.c.begins_at < place.begins_at)
    idle = sa.select(*key).where(*earlier, counters.c.reserved == 0).limit(_FORGOTTEN_MAX)
    for row in connection.execute(idle.with_for_update(skip_locked=True)).all():
        connection.execute(counters.delete().where(*_at(counters, Place(*row))))


def _at(table: sa.Table, place: Place) -> tuple[sa.ColumnElement[bool], ...]:
    return tuple(table.c[name] == value for name, value in place._asdict().items())


def _key(place: Place) -> dict[str, Any]:
    return {"at_cap_id": place[0], "at_subject": place[1], "at_begins_at": place[2]}
