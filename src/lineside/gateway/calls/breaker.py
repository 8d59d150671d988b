"""Leaving a model of a provider alone that keeps failing, so that callers need not wait for it."""

from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

from lineside.gateway.calls.failures import Passing

_WINDOW_SECONDS = 30.0
_FAILURES_MIN = 5
_OPEN_SECONDS = 10.0
_SEEN_MAX = 200
_BREAKERS_MAX = 1_000


class Breaker:
    """Opens after several failures that are at least half of what was lately asked.

    After ten seconds one call may try again; it closes the breaker or keeps it open. One that is
    left before that is known lets the next one try.
    """

    def __init__(self, where: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._where = where
        self._clock = clock
        self._seen: deque[tuple[float, bool]] = deque(maxlen=_SEEN_MAX)
        self._open_until: float | None = None

    def check(self) -> bool:
        """Raise `Passing` while the model is left alone; say whether this call is the one try."""
        if self._open_until is None:
            return False
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
        return True

    def succeeded(self) -> None:
        """A call began to be answered."""
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
        is_many = failures >= _FAILURES_MIN and failures * 2 >= len(recent)
        if is_many or self._open_until is not None:
            self._open_until = moment + _OPEN_SECONDS

    def left(self) -> None:
        """The call that was to try ended and told nothing of the model; the next one may try."""
        if self._open_until is not None:
            self._open_until = min(self._open_until, self._clock())


class Breakers:
    """A breaker for each model of each provider: one that fails closes no other's door.

    Of at most a thousand, since callers name models in their own words.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Breaker] = OrderedDict()

    def of(self, name: str) -> Breaker:
        """The breaker of a `provider/model`."""
        breaker = self._kept.setdefault(name, Breaker(f"`{name}`"))
        self._kept.move_to_end(name)
        if len(self._kept) > _BREAKERS_MAX:
            self._kept.popitem(last=False)
        return breaker
