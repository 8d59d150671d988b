"""Leaving a provider alone that keeps failing, so that callers need not wait for it."""

from collections import deque
from collections.abc import Callable
from time import monotonic

from lineside.gateway.calls.failures import Passing

_WINDOW_SECONDS = 30.0
_FAILURES_MIN = 5
_OPEN_SECONDS = 10.0
_SEEN_MAX = 200


class Breaker:
    """Opens after several failures that are at least half of what was lately asked.

    After ten seconds one call may try again; it closes the breaker or keeps it open.
    """

    def __init__(self, where: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._where = where
        self._clock = clock
        self._seen: deque[tuple[float, bool]] = deque(maxlen=_SEEN_MAX)
        self._open_until: float | None = None

    def check(self) -> None:
        """Raise `Passing` while the provider is left alone."""
        if self._open_until is None:
            return
        left_s = self._open_until - self._clock()
        if left_s > 0:
            raise Passing(
                "breaker_open",
                f"{self._where} keeps failing and is left alone for another {left_s:.0f} s",
                hint="Try again then, or give the route another target.",
                asked_s=left_s,
            )
        # The one that tries; the others wait until it has come back.
        self._open_until = self._clock() + _OPEN_SECONDS

    def succeeded(self) -> None:
        """A call was answered."""
        if self._open_until is not None:
            self._open_until = None
            self._seen.clear()
        self._seen.append((self._clock(), True))

    def failed(self) -> None:
        """A call failed in a way that is the provider's fault."""
        moment = self._clock()
        self._seen.append((moment, False))
        recent = [is_good for at, is_good in self._seen if moment - at < _WINDOW_SECONDS]
        failures = recent.count(False)
        if failures >= _FAILURES_MIN and failures * 2 >= len(recent):
            self._open_until = moment + _OPEN_SECONDS
