"""Has many asked side by side and what comes of them kept, until all are done or a limit stands."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lineside.evals.budget import Budget
from lineside.evals.concurrency import Concurrency
from lineside.evals.plan import RunSpent
from lineside.evals.recall import ToAsk
from lineside.evals.target import Answered, Asker, Failure

Keep = Callable[[Sequence[Answered], RunSpent], None]
"""Keeps what became of some in one transaction, with how long the work took and how fast it is."""

After = Callable[[Answered], Awaitable[Answered | None]]
"""Has a last look at what became of one before it is kept; nothing where it must not be kept."""

_BACKLOG_MAX = 500
_TURN_SECONDS = 0.02
"""How long answers that never wait may hold the loop, and the shortest time between commits."""
_WATCH_SECONDS = 0.2


class Work:
    """One process at work on many, whether cases of a run or rows of a batch.

    Args:
        keep: Called in a thread of its own, never twice at once.
        look: Called in that thread several times a second, also while no answer comes.
        rate_limited: How often a model said 429 before this process took the work over.
        must_ask: Whether `after` asks a model about an answer that is known already, so that it
            counts towards limits all the same.

    Attributes:
        reached: Why no more is asked, where something stands against it.
        process_ends: Whether the work was let go because Python is at its end.
    """

    def __init__(
        self,
        *,
        budget: Budget,
        concurrency: Concurrency,
        keep: Keep,
        after: After,
        look: Callable[[], Any] = int,
        rate_limited: int = 0,
        must_ask: Callable[[Answered], bool] = lambda _recalled: False,
    ) -> None:
        self._budget = budget
        self._must_ask = must_ask
        self._concurrency = concurrency
        self._keep, self._after, self._look = keep, after, look
        self._rate_limited = rate_limited
        self._ready: list[Answered] = []
        self._woken = asyncio.Event()
        self._taken = asyncio.Event()
        self._is_keeping = False
        self._asked_all = False
        self._paused_told = 0
        self._hands = ThreadPoolExecutor(1, thread_name_prefix="lineside-run")
        self.reached: Failure | None = None
        self.process_ends = False

    async def until_kept(self, asking: Awaitable[None]) -> None:
        """Await what asks, then that everything which came of it is kept."""
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(self._watch())
            writer = tasks.create_task(self._write())
            await asking
            self._asked_all = True
            self._woken.set()
            await writer
            watcher.cancel()

    async def ask_all(self, asker: Asker, todo: Iterator[tuple[ToAsk, Answered | None]]) -> None:
        """Ask those that have no answer yet, as many at once as there is room for."""
        async with asyncio.TaskGroup() as askers:
            for _ in range(self._concurrency.room):
                askers.create_task(self._ask(asker, todo))

    async def kept_all(self) -> None:
        """Wait until whatever was answered so far is kept."""
        while self._ready or self._is_keeping:  # noqa: ASYNC110 # the writer pauses as long
            await asyncio.sleep(_TURN_SECONDS)

    def hand_over(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do something in the thread that keeps, in its turn."""
        try:
            return self._hands.submit(work, *arguments)
        except RuntimeError:
            # We never close it before the end; Python does so when the main thread has ended.
            self.process_ends = True
            raise

    def close(self) -> None:
        """End the thread that keeps."""
        self._hands.shutdown()

    async def _ask(self, asker: Asker, todo: Iterator[tuple[ToAsk, Answered | None]]) -> None:
        turn = time.perf_counter()
        for asked, recalled in todo:
            finished = await self._finished(asker, asked, recalled)
            if finished is None:
                return
            self._ready.append(finished)
            self._woken.set()
            # A target that never waits gives nobody else a turn; we do, but not for every case.
            while len(self._ready) > _BACKLOG_MAX:
                self._taken.clear()
                await self._taken.wait()
                turn = time.perf_counter()
            if time.perf_counter() - turn > _TURN_SECONDS:
                await asyncio.sleep(0)
                turn = time.perf_counter()

    async def _finished(
        self, asker: Asker, asked: ToAsk, recalled: Answered | None
    ) -> Answered | None:
        """One with all that is to be asked for it; nothing where something stands against it."""
        if recalled is not None and not self._must_ask(recalled):
            return await self._after(recalled)
        if recalled is None and asker.gives_up:
            return await self._after(Answered(*asked, None, asker.in_vain, None))
        if not await self._begin():
            return None
        answered = recalled or await asker.ask(*asked)
        finished = await self._after(answered)
        self._budget.end(finished or answered)
        return finished

    async def _begin(self) -> bool:
        """Wait until the budget has room for one more; false where something stands against it."""
        while self.reached is None:
            reached = self._budget.begin()
            if reached is None:
                return True
            if not self._budget.is_waiting:
                self.reached = reached
            # What is under way may turn out cheaper than was reckoned with.
            await asyncio.sleep(_TURN_SECONDS)
        return False

    async def _write(self) -> None:
        """Keep whatever is ready in one transaction at a time.

        Single answers of a slow model are kept at once, those of a fast one by the hundred.
        """
        while True:
            await self._woken.wait()
            self._woken.clear()
            batch, self._ready = self._ready, []
            self._taken.set()
            if batch:
                self._is_keeping = True
                await asyncio.wrap_future(self.hand_over(self._keep, batch, self._pace()))
                self._is_keeping = False
                # Who is held up by us should not wait for others to come along, too.
                await asyncio.sleep(0 if len(self._ready) > _BACKLOG_MAX else _TURN_SECONDS)
            elif self._asked_all:
                return
            if self._asked_all:
                self._woken.set()

    def _pace(self) -> RunSpent:
        return RunSpent(
            seconds=self._budget.seconds,
            rate_limited=self._rate_limited + self._concurrency.rate_limited,
            concurrency=self._concurrency.room,
        )

    async def _watch(self) -> None:
        """Let go when the process ends: its exit waits for our thread, and we might take hours."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self.hand_over(self._look)
            if self._concurrency.rate_limited != self._paused_told:
                # While the model keeps us waiting no answer comes to tell it with.
                self._paused_told = self._concurrency.rate_limited
                self.hand_over(self._keep, [], self._pace())


def only_error(error: Exception) -> Exception:
    """What a task group wraps, where it wraps one error, or one and the same several times."""
    while isinstance(error, ExceptionGroup):
        first, *others = error.exceptions
        if any((type(one), str(one)) != (type(first), str(first)) for one in others):
            return error
        error = first
    return error
