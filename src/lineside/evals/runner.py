"""Performs runs as durable jobs: asks the target case by case, scores, and keeps every result."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lineside.core import now
from lineside.evals import queries
from lineside.evals.budget import Budget, pricing
from lineside.evals.concurrency import Concurrency
from lineside.evals.judged import measures_of
from lineside.evals.judging import Judge
from lineside.evals.plan import RunSpent
from lineside.evals.recall import CASES_AT_ONCE, Memory, ToAsk
from lineside.evals.result import Result, result_from
from lineside.evals.run import JOB, Run, RunFailure, run_from, stop_run
from lineside.evals.schedule import Schedule, Stretch
from lineside.evals.scorers import build_scorers
from lineside.evals.sheet import write_sheet
from lineside.evals.target import Answered, Asker, CaseTarget, Failure, Target
from lineside.evals.targets import open_named_target
from lineside.store import Store

OpenTarget = Callable[[Run], Target | CaseTarget]
OnResults = Callable[[Run, list[Result]], None]

_BACKLOG_MAX = 500
_TURN_SECONDS = 0.02
"""How long answers that never wait may hold the loop, and the shortest time between commits."""
_WATCH_SECONDS = 0.2

_log = logging.getLogger("lineside.evals")


def register_runner(
    store: Store, open_target: OpenTarget, *, on_results: OnResults | None = None
) -> None:
    """Say how the candidate of a run is opened; from then on this process performs runs.

    Args:
        open_target: Called once in each process that works on a run, in the loop that asks it.
        on_results: Told of results just after they were kept. What it raises is logged and does
            not stop the run.
    """

    def perform(payload: dict[str, Any]) -> str:
        with store.records.read() as connection:
            row = queries.run_row(connection, **payload)
        if row is None or row["status"] != "running":
            return "nothing to do"
        return _Performance(store, run_from(row), open_target, on_results).perform()

    store.jobs.register(JOB, perform)


class _Performance:
    """One process at work on one run."""

    def __init__(
        self, store: Store, run: Run, open_target: OpenTarget, on_results: OnResults | None
    ) -> None:
        self._store = store
        self._run = run
        self._open_target = open_target
        self._on_results = on_results
        self._ready: list[Answered] = []
        self._woken = asyncio.Event()
        self._taken = asyncio.Event()
        self._is_keeping = False
        self._asked_all = False
        self._process_ends = False
        self._reached: Failure | None = None
        self._concurrency = Concurrency(
            run.plan.limits.concurrency_max or max(1, store.settings.run_concurrency)
        )
        self._budget = Budget(run.plan.limits, run.spent)
        self._paused_told = 0
        self._hands = ThreadPoolExecutor(1, thread_name_prefix="lineside-run")

    def perform(self) -> str:
        try:
            files = {
                path: self._store.blobs.get(digest)
                for path, digest in self._run.scorer_files.items()
            }
            scorers = build_scorers(self._run.scorers, files=files)
            with self._store.records.read() as connection:
                self._judged = bytearray(self._run.cases_total)
                for position, repetition in queries.judged_keys(connection, self._run.id):
                    self._judged[position * self._run.repetitions + repetition] = 1
                counts = queries.count_results(connection, self._run.id)
            self._judge = Judge(self._store, self._run, scorers, counts)
            self._judge.recall_spending()
            asyncio.run(self._go())
        except Exception as error:
            if self._process_ends:
                # An Exception would end the job for good; this leaves it to the next process.
                raise asyncio.CancelledError from error
            cause = _only(error)
            stop_run(self._store, self._run, cause)
            raise cause from None
        self._finish()
        return "done"

    async def _go(self) -> None:
        target = open_named_target(self._store, self._run) or self._open_target(self._run)
        asker = Asker(
            target,
            has_answers=self._judge.has_answers,
            concurrency=self._concurrency,
            price=pricing(self._store, self._run.workspace),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                watcher = tasks.create_task(self._watch())
                writer = tasks.create_task(self._write())
                await self._ask_all(asker)
                self._asked_all = True
                self._woken.set()
                await writer
                watcher.cancel()
        finally:
            await target.close()
            await self._judge.close()
            self._hands.shutdown()

    async def _ask_all(self, asker: Asker) -> None:
        """Ask every case; with rules to look at, pause at each look until all so far is kept."""
        schedule = Schedule(self._store, self._run)
        memory = Memory.of(self._store, self._run)
        for stretch in schedule.stretches():
            todo = self._todo(schedule, stretch, memory)
            async with asyncio.TaskGroup() as askers:
                for _ in range(self._concurrency.room):
                    askers.create_task(self._ask(asker, todo))
            if self._reached is not None or asker.gives_up:
                return
            if stretch.has_look:
                await self._kept_all()
                if await asyncio.wrap_future(self._hand_over(schedule.look, stretch)):
                    return

    def _todo(
        self, schedule: Schedule, stretch: Stretch, memory: Memory
    ) -> Iterator[tuple[ToAsk, Answered | None]]:
        """The cases that have no result yet, one after the other for all who ask."""
        waiting: list[ToAsk] = []
        for position, repetition, case in schedule.cases(stretch):
            if not self._judged[position * self._run.repetitions + repetition]:
                waiting.append((position, repetition, case))
            if len(waiting) == CASES_AT_ONCE:
                yield from memory.recall(waiting)
                waiting = []
        yield from memory.recall(waiting)

    async def _ask(self, asker: Asker, todo: Iterator[tuple[ToAsk, Answered | None]]) -> None:
        turn = time.perf_counter()
        for asked, recalled in todo:
            answered = recalled or await self._answer(asker, asked)
            if answered is None:
                return
            answered = await self._judge.await_scorers(answered)
            self._ready.append(answered)
            self._woken.set()
            # A target that never waits gives nobody else a turn; we do, but not for every case.
            while len(self._ready) > _BACKLOG_MAX:
                self._taken.clear()
                await self._taken.wait()
                turn = time.perf_counter()
            if time.perf_counter() - turn > _TURN_SECONDS:
                await asyncio.sleep(0)
                turn = time.perf_counter()

    async def _answer(self, asker: Asker, asked: ToAsk) -> Answered | None:
        """Ask one case; nothing where a limit of the run stands against it."""
        if asker.gives_up:
            return Answered(*asked, None, asker.in_vain, None)
        while self._reached is None:
            reached = self._budget.begin()
            if reached is None:
                answered = await asker.ask(*asked)
                self._budget.end(answered)
                return answered
            if not self._budget.is_waiting:
                self._reached = reached
            # What is under way may turn out cheaper than was reckoned with.
            await asyncio.sleep(_TURN_SECONDS)
        return None

    async def _kept_all(self) -> None:
        while self._ready or self._is_keeping:  # noqa: ASYNC110 # the writer pauses as long
            await asyncio.sleep(_TURN_SECONDS)

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
                await asyncio.wrap_future(self._hand_over(self._keep, batch, self._pace()))
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
            rate_limited=self._run.spent.rate_limited + self._concurrency.rate_limited,
            concurrency=self._concurrency.room,
        )

    def _keep(self, batch: list[Answered], pace: RunSpent) -> None:
        rows = self._judge.keep(batch, pace)
        if self._on_results is None or not rows:
            return
        try:
            self._on_results(self._run, [result_from(row) for row in rows])
        except Exception:  # noqa: BLE001 # the results are kept; who listens must not stop the run
            _log.exception("on_results of run %s failed", self._run.id)

    async def _watch(self) -> None:
        """Let go when the process ends: its exit waits for our thread, and we might take hours."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._concurrency.rate_limited == self._paused_told:
                self._hand_over(int)
            else:
                # While the model keeps us waiting no answer comes to tell it with.
                self._paused_told = self._concurrency.rate_limited
                self._hand_over(self._keep, [], self._pace())

    def _hand_over(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            return self._hands.submit(work, *arguments)
        except RuntimeError:
            # We never close it before the end; Python does so when the main thread has ended.
            self._process_ends = True
            raise

    def _finish(self) -> None:
        done = self._run.model_copy(update={"cases_done": self._judge.progress["cases_done"]})
        sheet = write_sheet(self._store, done, measures_of(done)) if not self._reached else None
        with self._store.records.write() as connection:
            counts = queries.count_results(connection, self._run.id)
            self._judge.recount(counts)
            ended = {**self._judge.progress, "status": "done", "sheet": sheet}
            if self._reached is not None:
                code, message = self._reached
                left = self._run.cases_total - ended["cases_done"]
                reason = RunFailure(cases=left, message=message).model_dump()
                ended["failures"] = {**ended["failures"], code: reason}
                ended["status"] = "stopped"
            queries.update_run(connection, self._run.id, finished_at=now(), **ended)


def _only(error: Exception) -> Exception:
    """What a task group wraps, where it wraps one error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
