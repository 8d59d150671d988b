"""When a cap begins to count anew. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Literal

Every = Literal["minute", "hour", "day", "month", "ever"]

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def period_at(every: Every, at: datetime) -> tuple[datetime, datetime | None]:
    """First moment of the period that holds `at`, and of the next one; in UTC.

    Periods lie on the calendar, so that every replica agrees on them without a word; `ever` has no
    next one.
    """
    at = at.astimezone(UTC)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match every:
        case "minute":
            begins_at = at.replace(second=0, microsecond=0)
            return begins_at, begins_at + timedelta(minutes=1)
        case "hour":
            begins_at = at.replace(minute=0, second=0, microsecond=0)
            return begins_at, begins_at + timedelta(hours=1)
        case "day":
            return midnight, midnight + timedelta(days=1)
        case "month":
            first = midnight.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)
        case "ever":
            return BEGINNING, None
