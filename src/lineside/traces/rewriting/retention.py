"""How long traces are kept: by use case, by whole days, for ever where nothing is said."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from lineside.core import SYSTEM, Invalid, Record, now
from lineside.store import Store
from lineside.traces.privacy import queries
from lineside.traces.rewriting import leftovers
from lineside.traces.rewriting.batches import Found, batches, forget
from lineside.traces.rewriting.queries import DATE_FUTURE, FUTURE, OLDER_THAN, TABLES
from lineside.trust import Scope, record

DAYS_MAX = 36_500
_FOUND_MAX = 20_000
_ROUNDS_MAX = 10_000


class Retention(Record):
    """How many days the traces of a use case are kept.

    Attributes:
        use_case: Nothing stands for traces that no use case has claimed.
    """

    use_case: str | None
    days: int
    set_by: str
    set_at: datetime


class Expired(Record):
    """What was deleted because it was old enough.

    Attributes:
        before: Traces whose last step came before this day were deleted, in UTC.
        beside: Scores and records of events as old as that, of no trace and no session that is
            here.
        elsewhere: What came of those traces and went with them, such as `cached answers`.
    """

    use_case: str | None
    before: datetime
    traces: int
    steps: int
    beside: int = 0
    elsewhere: dict[str, int] = {}  # noqa: RUF012 # pydantic copies it


def list_retentions(scope: Scope) -> list[Retention]:
    """What is not kept for ever."""
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = queries.select_retentions(connection, scope.workspace)
    return [_retention(row) for row in rows]


def retain(scope: Scope, use_case: str | None, *, days: int | None) -> Retention | None:
    """Say how long traces of a use case are kept; a ledger entry says who said so.

    Args:
        use_case: Nothing for those that no use case has claimed.
        days: Whole days in UTC after that on which its last step came, whenever its sender says it
            began; nothing means for ever.

    Raises:
        Invalid: The number of days cannot be one.
    """
    scope.require("privacy")
    if days is not None and not 1 <= days <= DAYS_MAX:
        raise Invalid("bad_days", f"Not a number of days from 1 to {DAYS_MAX:,}: {days:,}")
    values: dict[str, Any] = {
        "workspace": scope.workspace,
        "use_case": use_case or "",
        "days": days,
        "set_by": scope.actor.name,
        "set_at": now(),
    }
    with scope.store.records.write() as connection:
        queries.lock_privacy(connection, scope.workspace)
        rows = queries.select_retentions(connection, scope.workspace)
        before = next((row["days"] for row in rows if row["use_case"] == values["use_case"]), None)
        queries.delete_retention(connection, scope.workspace, values["use_case"])
        if days is not None:
            queries.insert_retention(connection, values)
        details = {"days": days, "before": before}
        record(connection, scope, "privacy.retention", use_case or "unclaimed", details)
    return None if days is None else _retention(values)


def apply_retention(scope: Scope) -> list[Expired]:
    """Delete what is older than this workspace keeps it; gone from the files when this returns."""
    scope.require("privacy")
    return _apply(scope)


def apply_everywhere(store: Store) -> list[Expired]:
    """The same for every workspace; called again and again by whoever keeps the lake in order."""
    with store.records.read() as connection:
        workspaces = {row["workspace"] for row in queries.select_retentions(connection)}
    found: list[Expired] = []
    for workspace in sorted(workspaces):
        found += _apply(Scope(store, workspace, SYSTEM, frozenset()))
    return found


def _apply(scope: Scope) -> list[Expired]:
    store = scope.store
    with store.records.read() as connection:
        rows = queries.select_retentions(connection, scope.workspace)
    if not rows or store.lake.is_untouched:
        return []
    # By whole days, so that files are written anew once a day and not all the time.
    _date_future(store, scope.workspace)
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    befores = {row["use_case"]: today - timedelta(days=row["days"]) for row in rows}
    for row in rows:
        before = befores[row["use_case"]]
        expired = _expire(store, scope.workspace, row["use_case"], befores)
        moment = before.replace(tzinfo=None)
        beside = sum(leftovers.older_than(store, scope.workspace, row["use_case"], moment))
        if not expired.traces and not beside:
            continue
        expired = expired.model_copy(update={"beside": expired.beside + beside})
        found.append(expired)
        with store.records.write() as connection:
            details = expired.model_dump(mode="json", exclude={"use_case"})
            subject = expired.use_case or "unclaimed"
            record(connection, scope, "privacy.expired", subject, details)
    if found:
        store.forget_deleted()
    return found


def _date_future(store: Store, workspace: str) -> None:
    """Let what is dated in the future and does not say when it came have come now."""
    moment = now().replace(tzinfo=None)
    with store.lake.reading(TABLES) as reading:
        (found,) = reading.rows(FUTURE, [workspace, moment])
    if found["number"]:
        with store.changing_lake():
            store.lake.change(TABLES, [(DATE_FUTURE, [moment, workspace])])


def _expire(store: Store, workspace: str, use_case: str, befores: dict[str, datetime]) -> Expired:
    """Take out every trace that is old enough, and say what went."""
    before = befores[use_case]
    traces = steps = beside = 0
    elsewhere: Counter[str] = Counter()
    moment = before.replace(tzinfo=None)
    others = [other.replace(tzinfo=None) for other in befores.values()]
    asked = [workspace, moment, use_case, list(befores), others, _FOUND_MAX]
    for _ in range(_ROUNDS_MAX):
        with store.lake.reading(TABLES) as reading:
            found = [Found(**row) for row in reading.rows(OLDER_THAN, asked)]
        for batch in batches(found):
            gone = forget(store, workspace, batch)
            elsewhere += gone.beside
            beside += leftovers.of_ended_sessions(store, workspace, gone.sessions, moment)
            traces += len(batch)
            steps += sum(one.steps for one in batch)
        if len(found) < _FOUND_MAX:
            break
    return Expired(
        use_case=use_case or None,
        before=before,
        traces=traces,
        steps=steps,
        beside=beside,
        elsewhere=dict(elsewhere),
    )


def _retention(row: dict[str, Any]) -> Retention:
    values = {name: row[name] for name in Retention.model_fields}
    return Retention.model_validate(values | {"use_case": row["use_case"] or None})
