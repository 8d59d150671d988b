"""The runs of a use case one after the other, and which of them surely changed something."""

from typing import Literal, NamedTuple

from lineside.core import Record
from lineside.evals.compare import pair
from lineside.evals.judged import JudgedRun, clusters_of, read_judged
from lineside.evals.licences.standing import unlicensed
from lineside.evals.run import CONFIDENCE, Run, list_runs
from lineside.stats import ends, mean_interval, multiplicity
from lineside.trust import Scope

RUNS_MAX = 30
_RUNS_READ_MAX = 1_000


class HistoryPoint(Record):
    """One run of a use case, against the one before it.

    Attributes:
        low: None where the cases cannot bound the truth, as is `high`; cases that failed count both
            ways.
        missing: Cases that should have the score and have none.
        change: Against the run before, over the cases that both scored; nothing where none is.
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
    p_adjusted: float | None
    standing: Literal["better", "worse", "open", "first"]
    judge_note: str | None = None


class _Step(NamedTuple):
    change: float
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
        points.append((judged, _step(before, judged, name) if before else None))
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


def _step(before: JudgedRun, judged: JudgedRun, name: str) -> _Step | None:
    """The change since the run before, over the cases that both have, with the same input."""
    pairing = pair(before, judged, name)
    found = pairing.difference()
    if found is None:
        return None
    trait = judged.trait(name)
    p_value = found.p_value
    if pairing.missing and not trait.is_amount:
        p_value = ends.difference_ends(found, pairing.missing, bounds=pairing.bounds).p_value
    return _Step(found.value, p_value, (found.value > 0) == trait.higher_is_better)


def _point(
    judged: JudgedRun, step: _Step | None, p_adjusted: float | None, name: str
) -> HistoryPoint:
    cases, trait = judged.scored(name), judged.trait(name)
    found = mean_interval(
        [case.scores[name] for case in cases],
        confidence=CONFIDENCE,
        clusters=clusters_of(cases),
        bounds=trait.bounds,
    )
    standing: Literal["better", "worse", "open", "first"] = "first"
    if step is not None and p_adjusted is not None:
        is_clear = p_adjusted < 1 - CONFIDENCE
        standing = "open" if not is_clear else "better" if step.is_better else "worse"
    missing = judged.count_missing(name)
    failed = 0 if trait.is_amount else missing
    low, high, _ = ends.mean_ends(found, failed, bounds=trait.bounds)
    bounded = abs(low) != float("inf")
    return HistoryPoint(
        run=judged.run,
        score=name,
        unit=trait.unit,
        value=found.value,
        low=low if bounded else None,
        high=high if bounded else None,
        cases=len(cases),
        missing=missing,
        change=step.change if step else None,
        p_adjusted=p_adjusted,
        standing=standing,
    )
