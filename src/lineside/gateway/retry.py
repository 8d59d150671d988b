"""When to ask an endpoint again."""

import math
import random
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

rate_limit_heard: ContextVar[Callable[[float | None], None] | None] = ContextVar(
    "rate_limit_heard", default=None
)
"""Whoever makes many calls sets it, to hear of every 429 at once and ask less. It is told how long
the endpoint asked to wait, in seconds, or nothing."""


def hear_rate_limit(asked_s: float | None) -> None:
    """Tell whoever made this call that the endpoint is asked too much."""
    heard = rate_limit_heard.get()
    if heard is not None:
        heard(asked_s)


@dataclass(frozen=True)
class Pace:
    """How long to wait before asking again.

    Attributes:
        first_s: Longest wait before the first retry; it doubles with each further one.
        longest_s: Longest wait of our own choice.
        retry_after_max_s: Longest wait that an endpoint may ask for; beyond it the call fails.
    """

    first_s: float = 0.5
    longest_s: float = 8.0
    retry_after_max_s: float = 30.0

    def wait_s(self, retry: int, *, asked_s: float | None) -> float:
        """Seconds to wait before a retry, counted from 0; `asked_s` is what the endpoint asked for.

        Without a wish of the endpoint it is exponential with full jitter, so that calls that
        failed together do not come back together; a wish is a lower limit with a little on top.
        """

        spread = random.random()  # noqa: S311
        if asked_s is not None:
            return asked_s + spread * self.first_s
        return spread * min(self.longest_s, self.first_s * 2.0**retry)


def read_retry_after(header: str | None, *, moment: datetime) -> float | None:
    """Read a `Retry-After`, seconds or HTTP date, as seconds from a moment; rubbish is nothing."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (aware - moment).total_seconds())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
