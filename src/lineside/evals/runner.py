"""Performs runs as durable jobs: asks the target case by case, scores, and keeps every result."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lineside.core import now
from lineside.evals import queries
from lineside.evals.budget import Budget, pricing
from lineside.evals.concurrency import Concurrency
from lineside.evals.judge_summary import judge_summaries
from lineside.evals.judged import measures_of
from lineside.evals.judging import Judge
from lineside.evals.plan import RunSpent
from lineside.evals.recall import CASES_AT_ONCE, Memory, ToAsk
from lineside.evals.result import Result, result_from
from lineside.evals.run import JOB, Run, RunFailure, run_from, stop_run
from lineside.evals.schedule import Schedule, Stretch
from lineside.evals.scorers import build_scorers
from lineside.evals.sheet import write_sheet
from lineside.evals.target import Answered, Asker, CaseTarget, Target
from lineside.evals.targets import open_named_target
from lineside.evals.working import Work, only_error
from lineside.store import Store

OpenTarget = Callable[[Run], Target | CaseTarget]
OnResults = Callable[[Run, list[Result]], None]

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
        self._schedule: Schedule | None = None
        self._concurrency = Concurrency(
            run.plan.limits.concurrency_max or max(1, store.settings.run_concurrency)
        )
        self._work = Work(
            budget=Budget(run.plan.limits, run.spent),
            concurrency=self._concurrency,
            keep=self._keep,
            after=self._scored,
            look=self._glance,
            rate_limited=run.spent.rate_limited,
            must_ask=lambda recalled: self._judge.must_ask(recalled),
        )

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
            schedule = self._schedule = Schedule(self._store, self._run)
            self._judge = Judge(self._store, self._run, scorers, counts, schedule.related)
            self._judge.recall_spending()
            asyncio.run(self._go(schedule))
        except Exception as error:
            if self._work.process_ends:
                # An Exception would end the job for good; this leaves it to the next process.
                raise asyncio.CancelledError from error
            cause = only_error(error)
            stop_run(self._store, self._run, cause)
            raise cause from None
        self._finish()
        return "done"

    async def _go(self, schedule: Schedule) -> None:
        target = open_named_target(self._store, self._run) or self._open_target(self._run)
        asker = Asker(
            target,
            has_answers=self._judge.has_answers,
            concurrency=self._concurrency,
            price=pricing(self._store, self._run.workspace),
        )
        try:
            await self._work.until_kept(self._ask_all(asker, schedule))
        finally:
            await target.close()
            await self._judge.close()
            self._work.close()

    async def _ask_all(self, asker: Asker, schedule: Schedule) -> None:
        """Ask every case; with rules to look at, pause at each look until all so far is kept."""
        memory = Memory.of(self._store, self._run)
        for stretch in schedule.stretches():
            await self._work.ask_all(asker, self._todo(schedule, stretch, memory))
            if self._work.reached is not None or asker.gives_up:
                return
            if stretch.has_look:
                await self._work.kept_all()
                if await asyncio.wrap_future(self._work.hand_over(schedule.look, stretch)):
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

    async def _scored(self, answered: Answered) -> Answered | None:
        return await self._judge.await_scorers(answered)

    def _glance(self) -> None:
        if self._schedule is not None:
            self._schedule.glance(self._judge.progress["cases_done"])

    def _keep(self, batch: Sequence[Answered], pace: RunSpent) -> None:
        rows = self._judge.keep(batch, pace)
        if self._on_results is None or not rows:
            return
        try:
            self._on_results(self._run, [result_from(row) for row in rows])
        except Exception:  # noqa: BLE001 # the results are kept; who listens must not stop the run
            _log.exception("on_results of run %s failed", self._run.id)

    def _finish(self) -> None:
        done = self._run.model_copy(update={"cases_done": self._judge.progress["cases_done"]})
        reached = self._work.reached
        sheet = write_sheet(self._store, done, measures_of(done)) if not reached else None
        judges = judge_summaries(self._store, self._run)
        with self._store.records.write() as connection:
            counts = queries.count_results(connection, self._run.id)
            self._judge.recount(counts)
            ended = {**self._judge.progress, "status": "done", "sheet": sheet}
            ended["judges"] = {name: said.model_dump() for name, said in judges.items()}
            if reached is not None:
                code, message = reached
                left = self._run.cases_total - ended["cases_done"]
                reason = RunFailure(cases=left, message=message).model_dump()
                ended["failures"] = {**ended["failures"], code: reason}
                ended["status"] = "stopped"
            queries.update_run(connection, self._run.id, finished_at=now(), **ended)
