"""Performs runs as durable jobs: asks the target case by case, scores, and keeps every result."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lineside.core import LinesideError, now
from lineside.evals import queries
from lineside.evals.dataset import Case, stored_dataset
from lineside.evals.judging import Judge
from lineside.evals.result import Result, result_from
from lineside.evals.run import JOB, Run, RunFailure, run_from
from lineside.evals.scorers import build_scorers
from lineside.evals.target import Answered, Asker, Target
from lineside.store import Store

OpenTarget = Callable[[Run], Target]
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
        self._asked_all = False
        self._process_ends = False
        self._hands = ThreadPoolExecutor(1, thread_name_prefix="lineside-run")

    def perform(self) -> str:
        try:
            files = {
                path: self._store.blobs.get(digest)
                for path, digest in self._run.scorer_files.items()
            }
            scorers = build_scorers(self._run.scorers, files=files)
            with self._store.records.read() as connection:
                self._judged = set(queries.judged_keys(connection, self._run.id))
                counts = queries.count_results(connection, self._run.id)
            self._judge = Judge(self._store, self._run, scorers, counts)
            self._judge.recall_spending()
            asyncio.run(self._go())
        except Exception as error:
            if self._process_ends:
                # An Exception would end the job for good; this leaves it to the next process.
                raise asyncio.CancelledError from error
            cause = _only(error)
            self._stop(cause)
            raise cause from None
        self._finish()
        return "done"

    async def _go(self) -> None:
        target = self._open_target(self._run)
        asker = Asker(target, has_answers=self._judge.has_answers)
        todo = self._todo()
        try:
            async with asyncio.TaskGroup() as tasks:
                watcher = tasks.create_task(self._watch())
                writer = tasks.create_task(self._write())
                async with asyncio.TaskGroup() as askers:
                    for _ in range(max(1, self._store.settings.run_concurrency)):
                        askers.create_task(self._ask(asker, todo))
                self._asked_all = True
                self._woken.set()
                await writer
                watcher.cancel()
        finally:
            await target.close()
            await self._judge.close()
            self._hands.shutdown()

    def _todo(self) -> Iterator[tuple[int, int, Case]]:
        """The cases that have no result yet, one after the other for all who ask."""
        dataset = stored_dataset(self._store, self._run.dataset_digest, name=self._run.dataset_name)
        for repetition in range(self._run.repetitions):
            for position, case in enumerate(dataset):
                if (position, repetition) not in self._judged:
                    yield position, repetition, case

    async def _ask(self, asker: Asker, todo: Iterator[tuple[int, int, Case]]) -> None:
        turn = time.perf_counter()
        for position, repetition, case in todo:
            if asker.gives_up:
                answered = Answered(position, repetition, case, None, asker.in_vain, None)
            else:
                answered = await asker.ask(position, repetition, case)
                answered = await self._judge.await_scorers(answered)
            self._ready.append(answered)
            self._woken.set()
            # A target that never waits gives nobody else a turn; we do, but not for every case.
            while time.perf_counter() - turn > _TURN_SECONDS or len(self._ready) > _BACKLOG_MAX:
                await asyncio.sleep(_TURN_SECONDS if len(self._ready) > _BACKLOG_MAX else 0)
                turn = time.perf_counter()

    async def _write(self) -> None:
        """Keep whatever is ready in one transaction at a time.

        Single answers of a slow model are kept at once, those of a fast one by the hundred.
        """
        while True:
            await self._woken.wait()
            self._woken.clear()
            batch, self._ready = self._ready, []
            if batch:
                await asyncio.wrap_future(self._hand_over(self._keep, batch))
                await asyncio.sleep(_TURN_SECONDS)
            elif self._asked_all:
                return
            if self._asked_all:
                self._woken.set()

    def _keep(self, batch: list[Answered]) -> None:
        rows = self._judge.keep(batch)
        if self._on_results is None:
            return
        try:
            self._on_results(self._run, [result_from(row) for row in rows])
        except Exception:  # noqa: BLE001 # the results are kept; who listens must not stop the run
            _log.exception("on_results of run %s failed", self._run.id)

    async def _watch(self) -> None:
        """Let go when the process ends: its exit waits for our thread, and we might take hours."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            self._hand_over(int)

    def _hand_over(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            return self._hands.submit(work, *arguments)
        except RuntimeError:
            # We never close it before the end; Python does so when the main thread has ended.
            self._process_ends = True
            raise

    def _finish(self) -> None:
        with self._store.records.write() as connection:
            counts = queries.count_results(connection, self._run.id)
            self._judge.recount(counts)
            queries.update_run(
                connection, self._run.id, status="done", finished_at=now(), **self._judge.progress
            )

    def _stop(self, error: Exception) -> None:
        """Say in the run itself why it cannot go on."""
        code = error.code if isinstance(error, LinesideError) else type(error).__name__
        reason = RunFailure(cases=0, message=str(error)[:500])
        with self._store.records.write() as connection:
            queries.update_run(
                connection,
                self._run.id,
                status="stopped",
                finished_at=now(),
                failures={f"stopped:{code}": reason.model_dump()},
            )


def _only(error: Exception) -> Exception:
    """What a task group wraps, where it wraps one error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
