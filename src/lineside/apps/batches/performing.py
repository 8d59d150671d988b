"""Performs batches as durable jobs: has their rows asked, and keeps what became of each."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from lineside.apps.batches import queries
from lineside.apps.batches.asking import AskedRows, RowReply, RowToAsk, scope_of_batch
from lineside.apps.batches.batch import JOB, Batch, StoppedBy, batch_from
from lineside.apps.batches.intake import chunk_rows
from lineside.apps.serving import Serving
from lineside.core import LinesideError, now
from lineside.evals import budget, concurrency, plan, target, working
from lineside.store import Store

AT_ONCE_MAX = 2
"""Batches under way in one process; further ones wait, so that live calls have their turn."""

_FAILING_MAX = 100
_LOOK_SECONDS = 1.0
_WAIT_SECONDS = 0.5
_REASONS_MAX = 100

_STOPPED_BY: dict[str, StoppedBy] = {
    "limit:cost_usd": "money",
    "limit:cost_unknown": "money",
    "limit:tokens": "money",
    "limit:seconds": "time",
    "stop:budget": "budget",
    "stop:failing": "failing",
    "stop:denied": "error",
}
_CANCELLED = target.Failure("stop:cancelled", "It was cancelled")


def register_batches(store: Store) -> None:
    """From then on this process performs batches."""
    slots = threading.BoundedSemaphore(AT_ONCE_MAX)

    def perform(payload: dict[str, Any]) -> str:
        while not slots.acquire(timeout=_WAIT_SECONDS):
            if not threading.main_thread().is_alive():
                # An Exception would end the job for good; this leaves it to the next process.
                raise asyncio.CancelledError
        try:
            batch = _load(store, payload)
            if batch is None or (batch.status, batch.attempt) != ("running", payload["attempt"]):
                return "nothing to do"
            return _Performance(store, batch).perform()
        finally:
            slots.release()

    store.jobs.register(JOB, perform)


def _load(store: Store, payload: dict[str, Any]) -> Batch | None:
    with store.records.read() as connection:
        row = queries.batch_row(
            connection, workspace=payload["workspace"], batch_id=payload["batch_id"]
        )
    return None if row is None else batch_from(row)


class _Performance:
    """One process at work on one batch."""

    def __init__(self, store: Store, batch: Batch) -> None:
        self._store, self._batch = store, batch
        self._costs = budget.Costs(batch.spent)
        self._in_a_row = 0
        self._looked_at = time.monotonic()
        self._concurrency = concurrency.Concurrency(
            batch.limits.concurrency_max or max(1, store.settings.run_concurrency)
        )
        self._work = working.Work(
            budget=budget.Budget(batch.limits, batch.spent),
            concurrency=self._concurrency,
            keep=self._keep,
            after=self._after,
            look=self._look,
            rate_limited=batch.spent.rate_limited,
        )

    def perform(self) -> str:
        try:
            self._recount()
            asyncio.run(self._go())
        except Exception as error:
            if self._work.process_ends:
                raise asyncio.CancelledError from error
            cause = working.only_error(error)
            is_told = isinstance(cause, LinesideError)
            said = str(cause) if is_told else f"{type(cause).__name__}: {cause}"
            self._end("stopped", "error", said[:500])
            if is_told:
                return "stopped"
            raise cause from None
        reached = self._work.reached
        if reached is None:
            self._end("done")
        elif reached is not _CANCELLED:
            said = reached.message.replace("the next case", "the next row")
            self._end("stopped", _STOPPED_BY[reached.code], said)
        return "done"

    async def _go(self) -> None:
        serving = Serving(self._store)
        asked = AskedRows(
            self._store, serving, self._batch, scope_of_batch(self._store, self._batch)
        )
        asker = target.Asker(asked, has_answers=self._answered > 0, concurrency=self._concurrency)
        try:
            await self._work.until_kept(self._work.ask_all(asker, self._todo(asked)))
        finally:
            await serving.close()
            self._work.close()

    def _todo(self, asked: AskedRows) -> Iterator[RowToAsk]:
        """The rows that have no result yet; one that cannot be read has failed already."""
        batch_id = self._batch.id
        after = -1
        while True:
            with self._store.records.read() as connection:
                page = queries.chunks_after(connection, batch_id, after=after)
            if not page:
                return
            for chunk in page:
                after, first = chunk["number"], chunk["first_row"]
                with self._store.records.read() as connection:
                    kept = queries.kept_numbers(
                        connection, batch_id, first=first, count=chunk["rows"]
                    )
                if len(kept) == chunk["rows"]:
                    continue
                for at, row in enumerate(chunk_rows(self._store, chunk["digest"]), start=first):
                    if at not in kept:
                        yield asked.row(at, row)

    async def _after(self, answered: target.Answered) -> target.Answered | None:
        """Stop where nothing can come of going on; such a row is as if it was never asked."""
        failure = answered.failure
        if failure is None:
            self._in_a_row = 0
            return answered
        if failure.code == "not_asked":
            self._work.reached = target.Failure("stop:failing", failure.message)
            return None
        if failure.code == "denied:budget_exceeded":
            self._work.reached = target.Failure("stop:budget", failure.message)
            return None
        if failure.code.startswith("unavailable:"):
            self._in_a_row += 1
            if self._in_a_row == _FAILING_MAX:
                said = f"{_FAILING_MAX} rows in a row failed, the last with: {failure.message}"
                self._work.reached = target.Failure("stop:failing", said)
        return answered

    def _look(self) -> None:
        """See now and then whether it was cancelled, or its key revoked."""
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        batch = self._batch
        found = _load(self._store, {"workspace": batch.workspace, "batch_id": batch.id})
        if found is None or (found.status, found.attempt) != ("running", batch.attempt):
            self._work.reached = _CANCELLED
            return
        try:
            scope_of_batch(self._store, batch)
        except LinesideError as error:
            self._work.reached = target.Failure("stop:denied", error.message)

    def _keep(self, answered: Sequence[target.Answered], pace: plan.RunSpent) -> None:
        found = [self._row(one) for one in answered]
        for one, row in zip(answered, found, strict=True):
            self._count(one, row)
        self._spent = plan.RunSpent(
            cost_usd=self._costs.cost_usd,
            cost_unknown=self._costs.cost_unknown,
            tokens=self._costs.tokens,
            seconds=pace.seconds,
            rate_limited=pace.rate_limited,
            concurrency=pace.concurrency,
        )
        with self._store.records.write() as connection:
            is_there = queries.update_batch(connection, self._batch.id, **self._progress)
            if found and is_there:
                queries.insert_rows(connection, found)
        if not is_there:  # somebody removed it: what it held must not come back
            self._work.reached = _CANCELLED

    @property
    def _progress(self) -> dict[str, Any]:
        failed = sum(one["rows"] for one in self._failures.values())
        return {
            "rows_answered": self._answered,
            "rows_failed": failed,
            "failures": self._failures,
            "spent": self._spent.model_dump(),
        }

    def _count(self, answered: target.Answered, row: dict[str, Any]) -> None:
        self._costs.add(answered)
        if answered.failure is None:
            self._answered += 1
            return
        code, message = answered.failure
        if code not in self._failures and len(self._failures) >= _REASONS_MAX:
            code = "other"
        known = self._failures.setdefault(code, {"rows": 0, "message": message, "lines": []})
        known["rows"] += 1
        if len(known["lines"]) < queries.EXAMPLE_LINES:
            known["lines"].append(row["line"])

    def _recount(self) -> None:
        """Begin with the results that the batch has, whoever kept them."""
        self._spent = self._batch.spent
        self._answered, self._failures = 0, dict[str, dict[str, Any]]()
        with self._store.records.read() as connection:
            counts = Counter(dict(queries.count_rows(connection, self._batch.id)))
            self._answered = counts.pop(None, 0)
            for code, rows in counts.most_common(_REASONS_MAX):
                examples = queries.failed_examples(connection, self._batch.id, str(code))
                self._failures[str(code)] = {
                    "rows": rows,
                    "message": examples[0][1],
                    "lines": [line for line, _ in examples],
                }

    def _row(self, answered: target.Answered) -> dict[str, Any]:
        reply, (code, message) = answered.reply, answered.failure or (None, None)
        is_held = code is not None
        return {
            "batch_id": self._batch.id,
            "row": answered.position,
            "line": int(answered.case.id),
            "output": reply.output if reply and not is_held else None,
            "confidence": target.finite(reply.confidence) if reply and not is_held else None,
            "hand_off": reply.hand_off if isinstance(reply, RowReply) and not is_held else None,
            "error_code": code,
            "error_message": message,
            "trace_id": reply.trace_id if isinstance(reply, RowReply) else None,
            "latency_ms": answered.latency_ms,
            "cost_usd": target.finite(reply.cost_usd) if reply else None,
            "tokens_in": reply.tokens_in if reply else None,
            "tokens_out": reply.tokens_out if reply else None,
            "finished_at": now(),
        }

    def _end(self, status: str, by: StoppedBy | None = None, reason: str | None = None) -> None:
        self._recount_end()
        said = None if reason is None else reason.replace("\0", "")
        ended = {"status": status, "stopped_by": by, "reason": said, "finished_at": now()}
        with self._store.records.write() as connection:
            queries.update_batch(connection, self._batch.id, only=["running"], **ended)

    def _recount_end(self) -> None:
        """Have the figures be those of the kept rows, whatever two processes wrote of them."""
        spent = self._spent
        self._recount()
        self._spent = spent
        with self._store.records.write() as connection:
            queries.update_batch(connection, self._batch.id, **self._progress)
