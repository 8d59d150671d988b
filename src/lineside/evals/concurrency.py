"""How many cases are asked at once: less when a model says that it is too much, then more again."""

import asyncio
import time

PAUSE_SECONDS_MAX = 300.0


class Concurrency:
    """Lets so many in at once; halves itself at a 429 and grows by one a round of answers.

    Additive increase, multiplicative decrease, as TCP has it: whatever the provider allows is found
    without knowing it, and shared fairly with others who do the same.

    Args:
        most: Never more at once than these.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = float(most)
        self._inside = 0
        self._fell_at = 0.0
        self._paused_until = 0.0
        self._left = asyncio.Event()
        self.rate_limited = 0

    @property
    def room(self) -> int:
        """How many may be inside just now."""
        return int(self._room)

    async def enter(self) -> float:
        """Wait for room; returns when that was, which `fall` wants to know."""
        while True:
            at = time.monotonic()
            if at < self._paused_until:
                await asyncio.sleep(self._paused_until - at)
            elif self._inside < self.room:
                self._inside += 1
                return at
            else:
                self._left.clear()
                await self._left.wait()

    def leave(self) -> None:
        """Make room for the next."""
        self._inside -= 1
        self._left.set()

    def fall(self, entered_at: float, wait_seconds: float) -> None:
        """Ask less, and nothing at all for so long: the model said 429."""
        self.rate_limited += 1
        at = time.monotonic()
        self._paused_until = max(self._paused_until, at + min(wait_seconds, PAUSE_SECONDS_MAX))
        # Those who were inside when it fell all hear of the same crowd: it falls once for them.
        if entered_at >= self._fell_at:
            self._room = max(1.0, self._room / 2)
            self._fell_at = at

    def rise(self) -> None:
        """Ask more: an answer came."""
        if self._room < self._most:
            self._room = min(float(self._most), self._room + 1 / self._room)
            self._left.set()
