"""Copies of calls for a release that answers nobody, made after the caller has the answer."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from lineside.apps.call import Call
from lineside.apps.rollout import Arm
from lineside.core import LinesideError
from lineside.guardrails import probes
from lineside.trust import Scope

AT_ONCE_MAX = 8
"""Copies under way in one process; a call that comes while there are as many is not copied."""

_SECONDS_MAX = 120.0

Answering = Callable[[Scope, str, Arm, Call, str], Awaitable[None]]
"""Answers a call by an arm and keeps its trace; the last is the trace that it is a copy of."""


class Shadows:
    """Makes copies beside the calls: no caller waits for one or sees how it ends.

    Attributes:
        left_out: Calls that were not copied since too many copies were under way.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._under_way: set[asyncio.Task[None]] = set()
        self.left_out = 0

    def copy(self, scope: Scope, use_case: str, arm: Arm, call: Call, trace_id: str) -> None:
        """Copy a call that was answered, if it is among the share that is copied."""
        if random.random() * 100 >= arm.percent or probes.probed_point(call.input):  # noqa: S311
            return
        if len(self._under_way) >= AT_ONCE_MAX:
            self.left_out += 1
            return
        task = asyncio.create_task(self._made(scope, use_case, arm, call, trace_id))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self, *, wait_seconds: float = 5.0) -> None:
        """Wait a moment for the copies under way, then end them."""
        until = time.monotonic() + wait_seconds
        while self._under_way and time.monotonic() < until:
            await asyncio.wait(self._under_way, timeout=until - time.monotonic())
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _made(self, scope: Scope, use_case: str, arm: Arm, call: Call, trace_id: str) -> None:
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                await self._answering(scope, use_case, arm, call, trace_id)
        except (LinesideError, TimeoutError):
            return  # its trace says what went wrong
