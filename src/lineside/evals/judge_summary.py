"""What the judges of a run did: how sure they were of themselves, and what they took."""

from collections.abc import Mapping
from typing import Any

from lineside.core import Record
from lineside.evals import queries
from lineside.evals.run import Run, RunScorer
from lineside.evals.target import RECALLED
from lineside.store import Store
from lineside.usecases import ScorerDeclaration


class JudgeSummary(Record):
    """What one judge did over a run.

    Attributes:
        judge_digest: What makes it this judge: models, prompt, levels and options.
        models: The models that really answered.
        failed: Answers that it gave no verdict on.
        calls: Made in this run; with `cost_usd` and tokens of these only.
        recalled: Verdicts that an earlier run had paid for.
        cost_usd: Nothing as soon as one call's cost is unknown.
        orders_disagree: Share of pairwise verdicts that turned with the order of the answers.
        self_agreement: Share of pairs of repeats that were alike, mean over the answers.
        jury_agreement: The same between the models of a jury.
    """

    judge_digest: str | None
    models: list[str]
    judged: int
    failed: int
    calls: int
    cost_usd: float | None
    tokens_in: int | None
    tokens_out: int | None
    recalled: int = 0
    orders_disagree: float | None
    self_agreement: float | None
    jury_agreement: float | None


_SUMS = ("cost_usd", "tokens_in", "tokens_out")
_SHARES = ("orders_disagree", "self_agreement", "jury_agreement")


class _Tally:
    """One judge's scores, counted as they come; memory does not grow with the run."""

    def __init__(self) -> None:
        self.digest: str | None = None
        self.models: set[str] = set()
        self.judged = self.failed = self.calls = self.recalled = 0
        self.sums: dict[str, float | None] = dict.fromkeys(_SUMS, 0)
        self.shares = dict.fromkeys(_SHARES, (0.0, 0))

    def add(self, score: Mapping[str, Any]) -> None:
        detail = score.get("detail") or {}
        self.judged += score.get("value") is not None
        self.failed += score.get("error") is not None
        if "judge_digest" not in detail:
            return
        self.digest = detail["judge_digest"]
        self.models.update(detail["models"])
        self.recalled += RECALLED in detail
        if RECALLED not in detail:
            self._add_bill(detail)
        for word, (total, count) in self.shares.items():
            if detail.get(word) is not None:
                self.shares[word] = (total + detail[word], count + 1)

    def _add_bill(self, detail: Mapping[str, Any]) -> None:
        self.calls += detail.get("calls", 0)
        for word, total in self.sums.items():
            given = detail.get(word)
            self.sums[word] = None if total is None or given is None else total + given

    def summary(self) -> JudgeSummary:
        shares = {word: total / n if n else None for word, (total, n) in self.shares.items()}
        counted = {word: getattr(self, word) for word in ("judged", "failed", "calls", "recalled")}
        known = {"judge_digest": self.digest, "models": sorted(self.models)}
        return JudgeSummary.model_validate({**known, **counted, **self.sums, **shares})


def judge_names(run: Run) -> list[str]:
    """The scores of a run that models gave."""
    known = run.judges or {}
    return [item.name for item in run.scorers if item.name in known or is_judge(item)]


def is_judge(item: RunScorer) -> bool:
    """Whether a run declares that a model gives a score."""
    return bool(ScorerDeclaration(item.name, item.kind, item.arguments).models)


def judge_summaries(store: Store, run: Run) -> dict[str, JudgeSummary]:
    """Say what each judge of a run did, by the name of its score; empty where none judged.

    It is kept with a run that has ended; else every result of the run is read.
    """
    if run.judges is not None:
        return {name: JudgeSummary.model_validate(said) for name, said in run.judges.items()}
    declared = set(judge_names(run))
    # What one's own function returns may show that a model gave it, where nothing else does.
    own = {item.name for item in run.scorers if item.kind == "python"}
    tallies = {item.name: _Tally() for item in run.scorers if item.name in declared | own}
    if tallies:
        with store.records.read() as connection:
            for row in queries.judged_rows(connection, run.id, with_input=False):
                for name, tally in tallies.items():
                    tally.add(row.scores.get(name, {}))
    judges = {name: one for name, one in tallies.items() if name in declared or one.digest}
    return {name: tally.summary() for name, tally in judges.items()}
