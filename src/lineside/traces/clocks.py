"""When a step came here, against when it says that it began; pure."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

AHEAD_MAX = timedelta(minutes=10)
"""A step that began so much later than it came is of a clock that is fast."""

BEHIND_MAX = timedelta(days=30)
"""One that began so much earlier is of a clock that is slow, or was sent long after it ended."""

_parsed = lru_cache(maxsize=1024)(datetime.fromisoformat)


def is_off(span: dict[str, Any]) -> bool:
    """Whether a step, as the lake keeps it, was dated by a clock that cannot be right."""
    came = span.get("arrived_at")
    if came is None:
        return False
    lead = datetime.fromisoformat(span["started_at"]) - _parsed(came)
    return not -BEHIND_MAX <= lead <= AHEAD_MAX


def written(moment: datetime) -> str:
    """A moment as rows on their way into the lake have it: UTC that does not say so."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")
