"""A run in a few numbers, each with its interval."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from pydantic import Field

from lineside.core import Record
from lineside.evals.judge_summary import JudgeSummary, judge_summaries
from lineside.evals.judged import JudgedCase, JudgedRun, clusters_of, read_judged
from lineside.evals.licences.standing import JudgeStanding, judge_standings
from lineside.evals.means import deciding_mean
from lineside.evals.plan import Unscored
from lineside.evals.run import Run
from lineside.evals.sheet import places_by_slice
from lineside.stats import Interval, attempts
from lineside.trust import Scope


class ScoreSummary(Record):
    """The mean of one score over a run.

    Attributes:
        interval: Nothing where no case was scored; else the one that a gate decides by. Its value
            is of the cases that were scored; its ends hold whatever the missing ones would have.
        unit: `%` for shares from 0 to 1, else what to print behind the number.
        missing: Cases that should have the score and have none.
        rests_on: On how many cases, where others expect nothing it can be held against.
        judge: What the judge did, where models gave the score.
        standing: Whether that judge is licensed, and its score corrected for its error.
        unscored: Where the scorer failed on answers, on how many and why.
    """

    interval: Interval | None
    label: str
    unit: str
    higher_is_better: bool
    missing: int
    rests_on: str = ""
    judge: JudgeSummary | None = None
    standing: JudgeStanding | None = None
    unscored: Unscored | None = None


class AttemptsSummary(Record):
    """How often cases are solved when each is tried several times.

    Attributes:
        some: On which share of the cases at least one of `k` tries would be right: pass@k.
        all: On which share all of them would be: pass^k, what somebody sees who asks `k` times.
        cases: Those that were tried at least `k` times.
        failed: Tries without a score; the ends hold whatever these would have been.
    """

    k: int
    some: Interval
    all: Interval
    cases: int
    failed: int = 0


class RunSummary(Record):
    """A run in a few numbers.

    Attributes:
        main_score: The score that `slices` is about.
        slices: Name of a slice to its values, each with the mean of the main score, its ends as
            those of a `ScoreSummary`.
        attempts: Where cases were repeated, for one try and more.
    """

    main_score: str | None
    scores: dict[str, ScoreSummary]
    slices: dict[str, dict[str, Interval]]
    attempts: list[AttemptsSummary] = Field(default_factory=list)


def summarise(scope: Scope, run: Run, *, score: str | None = None) -> RunSummary:
    """Say how a run went: every score, and one of them in every slice.

    Args:
        score: The score to show in slices; by default the run's main one.

    Raises:
        Invalid: `unknown_score`.
    """
    scope.require("read", run.use_case)
    judged = read_judged(scope.store, run)
    scores, judges = {}, judge_summaries(scope.store, run)
    standings = judge_standings(scope, judged, judges=judges)
    for item in run.scorers:
        trait, column = judged.trait(item.name), judged.column(item.name)
        missing = judged.count_missing(item.name)
        scores[item.name] = ScoreSummary(
            interval=deciding_mean(column, trait, missing, confidence=judged.confidence),
            label=trait.label,
            unit=trait.unit,
            higher_is_better=trait.higher_is_better,
            missing=missing,
            rests_on=judged.rests_on(item.name),
            judge=judges.get(item.name),
            standing=standings.get(item.name),
            unscored=run.spent.unscored.get(item.name),
        )
    main = score or run.main_score
    slices: dict[str, dict[str, Interval]] = {}
    if main is not None:
        slices = _by_slice(judged, main)
    tried = _attempts(judged, main) if main is not None and run.repetitions > 1 else []
    return RunSummary(main_score=main, scores=scores, slices=slices, attempts=tried)


def _attempts(judged: JudgedRun, score: str) -> list[AttemptsSummary]:
    """A try is right when its score is 1, as it is for the standing of a result."""
    summaries = []
    repetitions = judged.run.repetitions
    for k in sorted({1, 2, 3, 5, 10, repetitions}):
        tries = [(_tries(case, score, repetitions), case) for case in judged.cases]
        enough = [(one, case) for one, case in tries if one.total >= k]
        if k > repetitions or not any(one.scored for one, _ in enough):
            continue
        clusters = clusters_of([case for _, case in enough])
        some, every = (
            _both_ways([one for one, _ in enough], k, measure, clusters)
            for measure in (attempts.pass_at_k, attempts.pass_hat_k)
        )
        failed = sum(one.total - one.scored for one, _ in enough)
        summaries.append(
            AttemptsSummary(k=k, some=some, all=every, cases=len(enough), failed=failed)
        )
    return summaries


class _Tries(NamedTuple):
    """How often a case was tried, how many tries were scored, and how many of these were right."""

    total: int
    scored: int
    won: int


def _tries(case: JudgedCase, score: str, repetitions: int) -> _Tries:
    values = (case.attempts or {}).get(score, [])
    total = repetitions if score in case.missing else len(values)
    return _Tries(total, len(values), sum(value >= 1 for value in values))


def _both_ways(
    tries: list[_Tries], k: int, measure: Callable[..., Interval], clusters: list[str] | None
) -> Interval:
    """The share, from what it would be had all failed tries been wrong to had all been right."""
    total = [one.total for one in tries]
    low, high = (
        measure(won, total, k, clusters=clusters)
        for won in (
            [one.won for one in tries],
            [one.won + one.total - one.scored for one in tries],
        )
    )
    known = [(one.won, one.scored) for one in tries if one.scored >= k]
    value = measure(*zip(*known, strict=True), k).value if known else low.value
    return replace(low, value=value, low=low.low, high=high.high)


def _by_slice(judged: JudgedRun, score: str) -> dict[str, dict[str, Interval]]:
    column, trait, sheet = judged.column(score), judged.trait(score), judged.sheet
    lacking = places_by_slice(sheet.slices, sheet.slice_codes[sheet.missing[judged.row(score)]])
    return {
        name: {
            value: found
            for value, places in values.items()
            if (
                found := deciding_mean(
                    column.at(places),
                    trait,
                    len(lacking.get(name, {}).get(value, ())),
                    confidence=judged.confidence,
                )
            )
        }
        for name, values in places_by_slice(column.slices, column.slice_codes).items()
    }
