"""Scores answers and keeps them, with the run's progress, in one transaction."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from lineside.core import Denied, now
from lineside.evals import queries
from lineside.evals.budget import Costs, pricing
from lineside.evals.plan import RunSpent, Unscored
from lineside.evals.run import Run
from lineside.evals.scorer import NamedScorer, Score, ScorerContext
from lineside.evals.target import RECALLED, Answered, finite
from lineside.evals.twins import Related
from lineside.gateway import shorten
from lineside.store import Store

_SAID_MAX = 240
KEYLESS = ("model_key_missing", "model_key_unusable")
"""What a model says that lacks its key, here and not at the provider's."""

Counts = Sequence[tuple[str | None, int, str]]
"""Error code (nothing for answers), number of results, one message."""


class Judge:
    """Turns what cases got into results of one run."""

    def __init__(
        self,
        store: Store,
        run: Run,
        scorers: Sequence[NamedScorer],
        counts: Counts,
        related: Related,
    ) -> None:
        self._store = store
        self._run = run
        self._scorers = scorers
        self._main_score = run.main_score
        self._related = related
        self._costs = Costs(run.spent)
        self._wrong, self._right = run.spent.wrong, run.spent.right
        self._unscored = dict(run.spent.unscored)
        self._pace = run.spent
        self._awaited = [scorer for scorer in scorers if scorer.is_awaited]
        for scorer in self._awaited:
            if scorer.jury is not None:
                scorer.jury.price = pricing(store, run.workspace)
        self.recount(counts)

    def recount(self, counts: Counts) -> None:
        """Begin with the results that a run has."""
        self._done = sum(number for _, number, _ in counts)
        self._failures: dict[str, dict[str, Any]] = {
            code: {"cases": number, "message": message} for code, number, message in counts if code
        }

    async def await_scorers(self, answered: Answered) -> Answered:
        """Ask the scorers that wait for something, such as judges, side by side.

        It happens before the case is kept, so that a case has all its scores or none: a process
        that dies in between leaves nothing half judged.

        Raises:
            Denied: A judge has no key: it will not have one for the next answer either.
        """
        context = self._context(answered)
        if not self._awaited or context is None:
            return answered
        known = self._known(answered)
        asked = [item for item in self._awaited if item.name not in known]
        scores = await asyncio.gather(*(item.judge_awaited(context) for item in asked))
        for item, score in zip(asked, scores, strict=True):
            _require_key(item, score)
        return answered._replace(verdicts=known | {score.name: score for score in scores})

    def must_ask(self, answered: Answered) -> bool:
        """Whether a judge has not said yet what it thinks of an answer."""
        known = self._known(answered)
        return any(item.jury is not None and item.name not in known for item in self._awaited)

    def _known(self, answered: Answered) -> dict[str, Score]:
        """What these very judges said of an answer in an earlier run."""
        return {
            item.name: score
            for item in self._awaited
            if (score := (answered.verdicts or {}).get(item.name)) is not None
            and item.jury is not None
            and (score.detail or {}).get("judge_digest") == item.jury.digest
        }

    def recall_spending(self) -> None:
        """Count what judges have spent on this run before this process took it over."""
        juries = {item.name: item.jury for item in self._awaited if item.jury is not None}
        if not juries:
            return
        with self._store.records.read() as connection:
            for row in queries.judged_rows(connection, self._run.id, with_input=False):
                for name, jury in juries.items():
                    detail = row.scores.get(name, {}).get("detail") or {}
                    if RECALLED in detail:
                        continue
                    jury.spent_usd += detail.get("cost_usd") or 0.0

    async def close(self) -> None:
        """Give back what scorers hold, such as connections of judges."""
        for item in self._scorers:
            await item.close()

    @property
    def has_answers(self) -> bool:
        return self._done > self._failed

    @property
    def progress(self) -> dict[str, Any]:
        """The run's columns that say how far it is."""
        return {
            "cases_done": self._done,
            "cases_failed": self._failed,
            "failures": self._failures,
            "spent": self._spent,
        }

    @property
    def _failed(self) -> int:
        return sum(failure["cases"] for failure in self._failures.values())

    @property
    def _spent(self) -> dict[str, Any]:
        costs, pace = self._costs, self._pace
        spent = RunSpent(
            cost_usd=costs.cost_usd,
            cost_unknown=costs.cost_unknown,
            tokens=costs.tokens,
            recalled=costs.recalled,
            judges=costs.judges,
            seconds=pace.seconds,
            rate_limited=pace.rate_limited,
            concurrency=pace.concurrency,
            right=self._right,
            wrong=self._wrong,
            unscored=self._unscored,
        )
        return spent.model_dump()

    def keep(self, batch: Sequence[Answered], pace: RunSpent) -> list[dict[str, Any]]:
        """Score and keep what became of some cases; returns the rows that were kept.

        Args:
            pace: How long the run has worked, and how fast it may ask; the rest of it is not read.
        """
        rows = [self._row(answered) for answered in batch]
        self._pace = pace
        for answered, row in zip(batch, rows, strict=True):
            self._count(answered, row)
        with self._store.records.write() as connection:
            if rows:
                queries.insert_results(connection, rows)
            queries.update_run(connection, self._run.id, **self.progress)
        return rows

    def _count(self, answered: Answered, row: Mapping[str, Any]) -> None:
        self._done += 1
        self._costs.add(answered)
        # Where nothing is expected an answer is fine, yet nobody knows whether it is right.
        is_scored = row["scores"].get(self._main_score, {}).get("value") is not None
        self._right += row["standing"] == queries.FINE and is_scored
        self._wrong += row["standing"] == queries.WRONG
        for name, score in row["scores"].items():
            if (error := score.get("error")) is not None:
                said = shorten(" ".join(error.split()), _SAID_MAX)
                known = self._unscored.get(name) or Unscored(answers=0, message=said)
                grown = {"answers": known.answers + 1}
                self._unscored[name] = known.model_copy(update=grown)
        if answered.failure is not None:
            code, message = answered.failure
            entry = self._failures.setdefault(code, {"cases": 0, "message": message})
            entry["cases"] += 1

    def _row(self, answered: Answered) -> dict[str, Any]:
        case, reply = answered.case, answered.reply
        scores = self._scores(answered)
        code, message = answered.failure or (None, None)
        return {
            "run_id": self._run.id,
            "case_id": case.id,
            "repetition": answered.repetition,
            "workspace": self._run.workspace,
            "position": answered.position,
            "standing": self._standing(answered, scores),
            "input": case.input,
            "expected": case.expected,
            "output": reply.output if reply and code != "invalid:output_not_json" else None,
            "scores": {score.name: _stored(score) for score in scores},
            "slices": case.slices,
            "source": case.source,
            "cluster": self._related.cluster_of(case),
            "error_code": code,
            "error_message": message,
            "latency_ms": answered.latency_ms,
            "cost_usd": finite(reply.cost_usd) if reply else None,
            "tokens_in": reply.tokens_in if reply else None,
            "tokens_out": reply.tokens_out if reply else None,
            "confidence": finite(reply.confidence) if reply else None,
            "model": reply.answered_by.replace("\0", "") if reply else None,
            "finished_at": now(),
            "recalled_from": answered.recalled_from,
        }

    def _scores(self, answered: Answered) -> list[Score]:
        context = self._context(answered)
        if context is None:
            return []
        known = answered.verdicts or {}
        return [known.get(item.name) or item.judge(context) for item in self._scorers]

    def _context(self, answered: Answered) -> ScorerContext | None:
        reply = answered.reply
        if reply is None or answered.failure is not None:
            return None
        return ScorerContext(
            case_id=answered.case.id,
            input=answered.case.input,
            expected=answered.case.expected,
            output=reply.output,
            latency_ms=answered.latency_ms,
            cost_usd=finite(reply.cost_usd),
            confidence=finite(reply.confidence),
            slices=answered.case.slices,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
        )

    def _standing(self, answered: Answered, scores: list[Score]) -> int:
        if answered.failure is not None:
            return queries.FAILED
        main = next((score for score in scores if score.name == self._main_score), None)
        if main is not None and main.error is not None:
            return queries.FAILED
        if main is not None and main.value is not None and main.value < 1:
            return queries.WRONG
        return queries.FINE


def _require_key(item: NamedScorer, score: Score) -> None:
    said = score.error or ""
    code = next((code for code in KEYLESS if code in said), None)
    if item.jury is not None and code is not None:
        raise Denied(
            code,
            f"The judge `{item.name}` cannot be asked: {said.partition(f'{code}: ')[2]}",
            hint="Set it where lineside runs, then run this again; nothing more was asked.",
        )


def _stored(score: Score) -> dict[str, Any]:
    fields = {
        "name": score.name,
        "value": score.value,
        "label": score.label,
        "explanation": score.explanation,
        "error": score.error,
        "detail": score.detail,
    }
    return {name: value for name, value in fields.items() if value is not None or name == "value"}
