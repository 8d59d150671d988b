"""How long a target lately took to begin to answer, as this process measured it."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

_SHARE_NEWEST = 0.3
_FRESH_SECONDS = 300.0
_TRIED_SECONDS = 60.0
_FAILED_SECONDS = 30.0


@dataclass
class _Seen:
    seconds: float
    at: float


class Latency:
    """A decayed mean of the seconds until the first piece; of a whole answer, until all of it.

    Streamed and whole answers are measured apart. A figure is forgotten after five minutes, so
    that a target that was slow is tried again. Kept in the memory of one process: each replica
    measures for itself, and a new one begins with nothing.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: dict[bool, _Seen] = {}
        self._tried_at: float | None = None
        self._failed_at: float | None = None

    def seconds(self, *, is_stream: bool) -> float | None:
        """The mean, or nothing where none is fresh."""
        seen = self._seen.get(is_stream)
        if seen is None or self._clock() - seen.at > _FRESH_SECONDS:
            return None
        return seen.seconds

    @property
    def is_failing(self) -> bool:
        """Whether it failed within the last 30 seconds and has not answered since."""
        return self._failed_at is not None and self._clock() - self._failed_at < _FAILED_SECONDS

    @property
    def is_being_tried(self) -> bool:
        """Whether a call is out to measure it; others need not be."""
        return self._tried_at is not None and self._clock() - self._tried_at < _TRIED_SECONDS

    def tried(self) -> None:
        """A call goes out that will measure it."""
        self._tried_at = self._clock()

    def answered(self, seconds: float, *, is_stream: bool) -> None:
        """It began to answer after so many seconds."""
        self._count(seconds, is_stream=is_stream)
        self._failed_at = None

    def left(self, seconds: float, *, is_stream: bool) -> None:
        """It was left after so many seconds without a piece: it takes that long at least."""
        before = self.seconds(is_stream=is_stream)
        if before is None or seconds > before:
            self._count(seconds, is_stream=is_stream)

    def failed(self) -> None:
        """It failed in a way that is the provider's fault."""
        self._failed_at, self._tried_at = self._clock(), None

    def _count(self, seconds: float, *, is_stream: bool) -> None:
        before = self.seconds(is_stream=is_stream)
        if before is not None:
            seconds = _SHARE_NEWEST * seconds + (1 - _SHARE_NEWEST) * before
        self._seen[is_stream] = _Seen(seconds, self._clock())
        self._tried_at = None
