"""The runs of a use case one after the other, and which of them surely changed something."""

from collections.abc import Container
from math import isfinite
from typing import Literal, NamedTuple

from lineside.core import Invalid, Record
from lineside.evals.judged import JudgedRun, read_judged
from lineside.evals.licences.standing import unlicensed
from lineside.evals.means import deciding_mean
from lineside.evals.measures import measure
from lineside.evals.run import CONFIDENCE, Run, list_runs
from lineside.evals.same_scorer import other_scorers
from lineside.stats import multiplicity
from lineside.trust import Scope

RUNS_MAX = 30
_RUNS_READ_MAX = 1_000


class HistoryPoint(Record):
    """One run of a use case, against the one before it.

    Attributes:
        low: None where the cases cannot bound the truth, as is `high`; cases that failed count both
            ways.
        missing: Cases that should have the score and have none.
        change: Against the run before, over the cases that both scored; nothing where none is, or
            where another scorer judged one of the two. Of an ordinal score, the share of cases that
            got better less the share that got worse.
        p_adjusted: Against no change, whatever the failed cases would have scored, corrected for
            having looked at every step.
        standing: `better` or `worse` where the change cannot be luck.
        judge_note: Why the score may decide nothing, where a judge without a licence gave it.
    """

    run: Run
    score: str
    unit: str
    value: float
    low: float | None
    high: float | None
    cases: int
    missing: int
    change: float | None
    change_unit: str
    p_adjusted: float | None
    standing: Literal["better", "worse", "open", "first"]
    judge_note: str | None = None


class _Step(NamedTuple):
    change: float
    unit: str
    p_value: float
    is_better: bool


def run_history(
    scope: Scope,
    use_case: str,
    *,
    dataset: str | None = None,
    score: str | None = None,
    limit: int = RUNS_MAX,
) -> list[HistoryPoint]:
    """The runs of a use case over one dataset that are done, newest first, at most 30.

    Of the steps called better or worse at most 5 % are false alarms (Benjamini and Hochberg).

    Args:
        dataset: Its name, in whatever version; by default that of the newest run.
        score: By default the newest run's main one; runs without it are left out.
    """
    done = [
        run
        for run in list_runs(scope, use_case=use_case, limit=_RUNS_READ_MAX)
        if run.status == "done"
    ]
    of_name = dataset or (done[0].dataset_name if done else "")
    runs = [run for run in done if run.dataset_name == of_name]
    name = score or next((run.main_score for run in runs if run.main_score), "latency_ms")
    kept = [run for run in runs if any(item.name == name for item in run.scorers)]
    kept = kept[: max(1, min(limit, RUNS_MAX))]
    points: list[tuple[JudgedRun, _Step | None]] = []
    before: JudgedRun | None = None
    for run in reversed(kept):
        # Where datasets differ, an id may stand for another question: inputs have to be read too.
        other = next((one for one in kept if one.dataset_digest != run.dataset_digest), None)
        judged = read_judged(scope.store, run, beside=other)
        if not judged.scored(name):
            continue
        step = None
        if before is not None:
            rescored = other_scorers(scope.store, before.run, run)
            step = _step(before, judged, name, rescored)
        points.append((judged, step))
        before = judged
    steps = [step.p_value for _, step in points if step]
    corrected = iter(multiplicity.benjamini_hochberg(steps))
    found = [
        _point(judged, step, next(corrected) if step else None, name).model_copy(
            update={"judge_note": unlicensed(scope, [judged.run], name)}
        )
        for judged, step in points
    ]
    return found[::-1]


def _step(
    before: JudgedRun, judged: JudgedRun, name: str, rescored: Container[str]
) -> _Step | None:
    """The change since the run before, over the cases that both have, asked and expecting the same.

    Nothing where another scorer judged one of them.
    """
    if name in rescored:
        return None
    measured = measure(before, judged, name, confidence=judged.confidence)
    if measured is None:
        return None
    found = measured.deciding
    unit = "points" if measured.unit == "%" else measured.unit
    return _Step(found.value, unit, found.p_value, (found.value > 0) == measured.higher_is_better)


def _point(
    judged: JudgedRun, step: _Step | None, p_adjusted: float | None, name: str
) -> HistoryPoint:
    column, trait, missing = judged.column(name), judged.trait(name), judged.count_missing(name)
    found = deciding_mean(column, trait, missing, confidence=judged.confidence)
    if found is None:
        raise Invalid("no_values", f"Run `{judged.run.id}` has no score `{name}` of any case")
    standing: Literal["better", "worse", "open", "first"] = "first"
    if step is not None and p_adjusted is not None:
        is_clear = p_adjusted < 1 - CONFIDENCE
        standing = "open" if not is_clear else "better" if step.is_better else "worse"
    return HistoryPoint(
        run=judged.run,
        score=name,
        unit=trait.unit,
        value=found.value,
        low=found.low if isfinite(found.low) else None,
        high=found.high if isfinite(found.high) else None,
        cases=len(column.values),
        missing=missing,
        change=step.change if step else None,
        change_unit=step.unit if step else "",
        p_adjusted=p_adjusted,
        standing=standing,
    )
