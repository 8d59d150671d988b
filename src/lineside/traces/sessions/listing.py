"""Sessions and users: what their traces add up to, and the traces of a session in their order."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lineside.core import Invalid, NotFound, Record, now
from lineside.traces import privacy
from lineside.traces.logs.previews import with_told
from lineside.traces.reading import open_reading
from lineside.traces.row import TraceRow, trace_row
from lineside.traces.search.asked import EARLIEST, LATEST, plain
from lineside.traces.sessions.people import People, Window
from lineside.trust import Scope

DAYS = 30
"""How far back lists look unless they are told."""

DAYS_MAX = 3_660
PAGE_PEOPLE_MAX = 500
SESSION_TRACES_MAX = 500


class TraceTotals(Record):
    """What some traces add up to; each sum says how much of the traffic it covers.

    Attributes:
        errors: Traces that ended in an error.
        failed_steps: Steps that failed, whatever became of their trace.
        tokens_in: Over the model steps that were counted; nothing where none was.
        tokens_known: Share of the model steps that were counted, 0 to 1.
        cost_usd: Over the model steps with a known cost; nothing means unknown.
        cost_known: Share of the model steps whose cost is known, 0 to 1.
        first_at: When the first step began; `last_at` is when the last one did.
    """

    traces: int
    errors: int
    steps: int
    failed_steps: int
    tokens_in: int | None
    tokens_out: int | None
    tokens_known: float
    cost_usd: float | None
    cost_known: float
    first_at: datetime
    last_at: datetime


class Session(Record):
    """The traces that name one session, such as one conversation.

    Attributes:
        user_id: The first user that its traces name; `users` counts them all.
    """

    id: str
    user_id: str | None
    users: int
    totals: TraceTotals


class SessionList(Record):
    """Some sessions, those that something happened in last come first.

    Attributes:
        older: Cursor for the next page; nothing when this is the last.
    """

    sessions: tuple[Session, ...]
    older: str | None


class SessionPage(Record):
    """One session with a part of its traces in the order they began.

    Attributes:
        later: Cursor for the traces that follow; nothing when these are the last.
    """

    session: Session
    traces: tuple[TraceRow, ...]
    later: str | None


class User(Record):
    """The traces that name one user of the programs that are traced.

    Attributes:
        sessions: How many different ones their traces name.
    """

    id: str
    sessions: int
    totals: TraceTotals


class UserList(Record):
    """Some users, those seen last come first.

    Attributes:
        older: Cursor for the next page; nothing when this is the last.
    """

    users: tuple[User, ...]
    older: str | None


def list_sessions(
    scope: Scope,
    *,
    use_case: str | None = None,
    user: str | None = None,
    days: float = DAYS,
    limit: int = 50,
    before: str | None = None,
) -> SessionList:
    """Sessions in which a trace began within the last days; test runs do not count.

    Each is added up whole, also what happened in it before those days.

    Args:
        user: Only sessions in which a trace names this user.
        limit: At most 500.
        before: The cursor `older` of the page before.

    Raises:
        Invalid: The cursor is not one of ours.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    window = _last(days)
    with open_reading(scope) as reading:
        people = People(reading, scope.workspace, "session_id", use_case)
        whose = _names(scope, "user_id", user) if user else None
        names, older = people.newest(window, before, _page_size(limit), user=whose)
        found = people.sums(names, (EARLIEST, LATEST))
    sessions = tuple(_session(found[name]) for name in names if name in found)
    return SessionList(sessions=sessions, older=older)


def get_session(
    scope: Scope,
    session_id: str,
    *,
    use_case: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> SessionPage:
    """One session from its first trace on, whenever it was.

    Args:
        limit: Traces, at most 500.
        after: The cursor `later` of the page before.

    Raises:
        NotFound: No trace names such a session.
        Invalid: The cursor is not one of ours.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    with open_reading(scope) as reading:
        people = People(reading, scope.workspace, "session_id", use_case)
        limit = max(1, min(limit, SESSION_TRACES_MAX))
        for name in _names(scope, "session_id", session_id):
            found, rows, later_ones = people.session(name, after, limit)
            if found is not None:
                break
        rows = with_told(reading, scope.workspace, rows)
    if found is None:
        raise NotFound(
            "unknown_session",
            f"No trace names the session `{session_id[:80]}`",
            hint="`lineside traces sessions` lists them.",
        )
    return SessionPage(
        session=_session(found), traces=tuple(trace_row(row) for row in rows), later=later_ones
    )


def list_users(
    scope: Scope,
    *,
    use_case: str | None = None,
    days: float = DAYS,
    limit: int = 50,
    before: str | None = None,
) -> UserList:
    """Users that traces of the last days name, with what those traces add up to.

    Args:
        limit: At most 500.
        before: The cursor `older` of the page before.

    Raises:
        Invalid: The cursor is not one of ours.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    window = _last(days)
    with open_reading(scope) as reading:
        people = People(reading, scope.workspace, "user_id", use_case)
        names, older = people.newest(window, before, _page_size(limit))
        found = people.sums(names, window)
    users = tuple(_user(found[name]) for name in names if name in found)
    return UserList(users=users, older=older)


def get_user(
    scope: Scope, user_id: str, *, use_case: str | None = None, days: float = DAYS
) -> User:
    """What the traces of one user add up to over the last days; `list_sessions` has the sessions.

    Of a user who was kept under an alias since some day, what came under the name seen last.

    Raises:
        NotFound: No trace of these days names such a user.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    with open_reading(scope) as reading:
        people = People(reading, scope.workspace, "user_id", use_case)
        found = people.sums(_names(scope, "user_id", user_id), _last(days))
    if not found:
        raise NotFound(
            "unknown_user",
            f"No trace of the last {days:g} days names the user `{user_id[:80]}`",
            hint="`lineside traces users` lists them; `--days` looks further back.",
        )
    return _user(max(found.values(), key=lambda row: row["last_at"]))


def _names(scope: Scope, column: str, name: str) -> list[str]:
    """What a session or user may be called here, where its id is kept under an alias."""
    return privacy.names_kept(scope.store, scope.workspace, column, name)


def _last(days: float) -> Window:
    if not 0 < days <= DAYS_MAX:
        raise Invalid(
            "bad_days",
            f"{days:g} days were asked for, expected more than 0 and at most {DAYS_MAX:,}",
        )
    # Clocks of senders may be ahead of ours; what they sent is not to be missed.
    return plain(now() - timedelta(days=days)), LATEST


def _page_size(limit: int) -> int:
    return max(1, min(limit, PAGE_PEOPLE_MAX))


def _session(row: dict[str, Any]) -> Session:
    user_id, users = row["user_id"], row["users"]
    return Session(id=row["name"], user_id=user_id, users=users, totals=_totals(row))


def _user(row: dict[str, Any]) -> User:
    return User(id=row["name"], sessions=row["sessions"], totals=_totals(row))


def _totals(row: dict[str, Any]) -> TraceTotals:
    values = {name: row[name] for name in TraceTotals.model_fields}
    moments = {name: row[name].replace(tzinfo=UTC) for name in ("first_at", "last_at")}
    return TraceTotals.model_validate(values | moments)
