"""Finding again what was refused, and letting go of it after a year."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from lineside.core import Invalid, Record, now
from lineside.store import Store
from lineside.traces.refusals import queries
from lineside.trust import Scope

DAYS = 7
DAYS_MAX = 366
LISTED_MAX = 200


class RefusalDay(Record):
    """How often something was refused on one day, in UTC."""

    day: date
    count: int


class RefusalCount(Record):
    """What was refused for one reason, of one use case and sender.

    Attributes:
        use_case: Nothing where it is not known: a key without a limit that named none, or a
            request that was turned away before it was read.
        sender: Name of the key it came with; nothing where none came along, or none of ours.
        door: Where it was sent: `traces`, `logs`, `metrics`, `annotations`.
        unit: What is counted: `spans`, `log records` or `data points` of messages that were taken
            without them, or `requests` that were turned away whole.
        status: What the sender was answered, as HTTP numbers it; 200 where the rest was taken.
        code: Short name of the reason, for programs; of spans and the like the reason itself.
        reason: Why, as the sender was told last.
        last_at: When it was last met.
        days: How often on each day it was met, the earliest first.
    """

    use_case: str | None
    sender: str | None
    door: str
    unit: str
    status: int
    code: str
    reason: str
    count: int
    last_at: datetime
    days: tuple[RefusalDay, ...]

    @property
    def may_come_again(self) -> bool:
        """Whether the sender was asked to send the same once more."""
        return self.status == 503


def list_refusals(
    scope: Scope, *, use_case: str | None = None, days: float = DAYS, limit: int = LISTED_MAX
) -> list[RefusalCount]:
    """What was sent in the last days and not taken, by reason, the most frequent first.

    Args:
        limit: At most 200.

    Raises:
        Invalid: The days are none, or more than 366.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    if not 0 < days <= DAYS_MAX:
        raise Invalid(
            "bad_days",
            f"{days:g} days were asked for, expected more than 0 and at most {DAYS_MAX}",
        )
    since = (now() - timedelta(days=days)).replace(tzinfo=None)
    asked = [scope.workspace, since, use_case, max(1, min(limit, LISTED_MAX))]
    return [_count_of(row) for row in _rows(scope, asked)]


def _rows(scope: Scope, asked: list[Any]) -> list[dict[str, Any]]:
    store, name = scope.store, queries.REFUSALS.name
    if store.lake.is_untouched and not store.inbox.has(name, workspace=scope.workspace):
        return []
    with store.reading(name, workspace=scope.workspace) as (lake, _):
        return lake.rows(queries.BY_DAY, asked)


def _count_of(row: dict[str, Any]) -> RefusalCount:
    return RefusalCount.model_validate(row | {"last_at": row["last_at"].replace(tzinfo=UTC)})


def forget_refusals(store: Store) -> bool:
    """Delete what was counted more than 366 days ago; says whether there was any."""
    before = (now() - timedelta(days=DAYS_MAX)).replace(tzinfo=None)
    with store.lake.reading([queries.REFUSALS]) as reading:
        is_any = bool(reading.rows(queries.IS_ANY_OLD, [before]))
    if is_any:
        with store.changing_lake():
            store.lake.change([queries.REFUSALS], [(queries.FORGET_OLD, [before])])
    return is_any
