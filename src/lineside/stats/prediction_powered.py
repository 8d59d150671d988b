"""What people would have said of all cases, from a judge and their labels of a random part.

Right whatever the judge's errors: a useless judge only makes the answer no better than the labels
alone. Where the labels are of other cases, as those of a licence are, see `corrected`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.intervals import CONSTANT_CASES_MIN, Interval, mean_interval
from lineside.stats.pivots import critical
from lineside.stats.samples import (
    Codes,
    Numbers,
    check_confidence,
    is_binary,
    read_clusters,
    read_values,
)

LABELS_MIN = 10
Keys = Sequence[Hashable] | None
Both = tuple[Iterable[float], Iterable[float]]
"""Scores of the baseline and of the candidate for the same cases."""


@dataclass(frozen=True)
class CorrectedMean:
    """A mean or a difference of means as people would have found it.

    Args:
        judged: What the judge alone says of the cases that only it scored.
        labelled: What people say of the cases they labelled, without the judge.
        n: Independent units that people labelled: clusters, else cases.
        df: Degrees of freedom of Student's t.
        weight: How much the judge counts: 0 is not at all, 1 is as if it were one of the people.
        labels_worth: How many labels alone would tell as much as the labels with the judge.
    """

    value: float
    low: float
    high: float
    confidence: float
    judged: float
    labelled: Interval
    n: int
    df: float
    weight: float
    labels_worth: float


def prediction_powered_mean(
    judged: Iterable[float],
    *,
    judge: Iterable[float],
    people: Iterable[float],
    is_tuned: bool = True,
    are_shares: bool = False,
    confidence: float = 0.95,
    clusters: Keys = None,
    labelled_clusters: Keys = None,
) -> CorrectedMean:
    """Say which mean people would find over all cases, from labels of a random part of them.

    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, "Prediction-powered inference", Science 382
    (2023); tuned as by Angelopoulos, Duchi and Zrnic, "PPI++" (2023), so that it is never much
    wider than labels alone. Student's t instead of the normal, because labels are few. For 0/1
    scores half a case is added to each of the four ways in which judge and people can answer
    (Agresti and Min, Statistics in Medicine 24, 2005), so that a judge that was never caught wrong
    is not taken for infallible. With clusters the error is that of whole clusters, also where one
    holds labelled cases and others.

    Args:
        judged: The judge's scores, 0/1 or any numbers, on the cases without a label.
        judge: Its scores on the labelled cases.
        people: The labels of those, in the same order.
        is_tuned: False trusts the judge fully (weight 1), as plain prediction-powered inference.
            Then the labels may be of other answers, if the judge errs there by as much on average.
        are_shares: Every score lies from 0 to 1, as 0/1 scores do: so then does the mean, and half
            a case is added to each way in which judge and people can be furthest apart, too.

    Raises:
        Invalid: `too_few_labels` below 10 labelled cases or 2 clusters of them, `lengths_differ`,
            and what `mean_interval` raises.
    """
    elsewhere, scores, truth = _read(judged, judge, people)
    is_bounded = are_shares or all(map(is_binary, (elsewhere, scores, truth)))
    bounds = (0.0, 1.0) if is_bounded else None
    return _prediction_powered(
        (elsewhere, scores, truth),
        keys=(clusters, labelled_clusters),
        is_tuned=is_tuned,
        confidence=confidence,
        bounds=bounds,
    )


def prediction_powered_difference(
    judged: Both,
    *,
    judge: Both,
    people: Both,
    is_tuned: bool = True,
    confidence: float = 0.95,
    clusters: Keys = None,
    labelled_clusters: Keys = None,
) -> CorrectedMean:
    """Say by how much people would find two releases to differ over the same cases.

    `prediction_powered_mean` of the differences per case, candidate minus baseline; right also
    where the judge favours one of them.

    Args:
        judged: The judge's scores of baseline and candidate on the cases without a label; `judge`
            and `people` likewise on those where both answers are labelled.

    Raises:
        Invalid: as `prediction_powered_mean`.
    """
    pairs = [[read_values(row) for row in both] for both in (judged, judge, people)]
    for before, after in pairs:
        if before.size != after.size:
            raise Invalid(
                "lengths_differ",
                f"Both releases must have the same cases: {before.size} and {after.size} scores",
            )
    binary = all(is_binary(row) for both in pairs for row in both)
    return _prediction_powered(
        _read(*(after - before for before, after in pairs)),
        keys=(clusters, labelled_clusters),
        is_tuned=is_tuned,
        confidence=confidence,
        bounds=(-1.0, 1.0) if binary else None,
    )


def _prediction_powered(
    rows: tuple[Numbers, Numbers, Numbers],
    *,
    keys: tuple[Keys, Keys],
    is_tuned: bool,
    confidence: float,
    bounds: tuple[float, float] | None,
) -> CorrectedMean:
    check_confidence(confidence)
    elsewhere, scores, truth = rows
    codes = _codes(keys, elsewhere.size, scores.size)
    labelled_units = truth.size if codes is None else np.unique(codes[elsewhere.size :]).size
    if truth.size < LABELS_MIN or labelled_units < 2:
        raise Invalid(
            "too_few_labels",
            f"There are {truth.size} labelled cases in {labelled_units} independent units",
            hint=f"Label at least {LABELS_MIN} cases from at least 2 clusters",
        )
    weight = _weight(elsewhere, scores, truth) if is_tuned else 1.0
    value = weight * elsewhere.mean() + float((truth - weight * scores).mean())
    error = _error(rows, codes, weight, bounds)
    df = float(labelled_units - 1)
    half = critical((1 - confidence) / 2, df) * error
    if error == 0 and labelled_units < CONSTANT_CASES_MIN:
        half = np.inf
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    value = float(min(high, max(low, value)))
    labels_only = _error(rows, codes, 0.0, bounds)
    return CorrectedMean(
        value=value,
        low=max(low, value - half),
        high=min(high, value + half),
        confidence=confidence,
        judged=float(elsewhere.mean()),
        labelled=mean_interval(
            truth,
            confidence=confidence,
            clusters=keys[1],
            method="auto" if is_binary(truth) else "t",
        ),
        n=labelled_units,
        df=df,
        weight=weight,
        labels_worth=truth.size * (labels_only / error) ** 2 if error > 0 else float(truth.size),
    )


def _weight(elsewhere: Numbers, scores: Numbers, truth: Numbers) -> float:
    """Return the weight of the judge that makes the error least; within 0 to 1."""
    spread = float(np.concatenate([scores, elsewhere]).var(ddof=1))
    if spread == 0:
        return 0.0
    shared = float(((truth - truth.mean()) * (scores - scores.mean())).mean())
    return min(1.0, max(0.0, shared / spread / (1 + truth.size / elsewhere.size)))


def _error(
    rows: tuple[Numbers, Numbers, Numbers],
    codes: Codes | None,
    weight: float,
    bounds: tuple[float, float] | None,
) -> float:
    elsewhere, scores, truth = rows
    rest = truth - weight * scores
    pull = np.concatenate(
        [
            weight * (elsewhere - elsewhere.mean()) / elsewhere.size,
            (rest - rest.mean()) / truth.size,
        ]
    )
    if codes is None:
        scale = np.repeat([elsewhere.size, truth.size], [elsewhere.size, truth.size])
        variance = float((pull**2 * scale / np.maximum(scale - 1, 1)).sum())
    else:
        sums = np.bincount(codes, weights=pull)
        variance = float((sums**2).sum()) * sums.size / (sums.size - 1)
    return sqrt(variance + _unseen(truth.size, weight, bounds))


def _unseen(labels: int, weight: float, bounds: tuple[float, float] | None) -> float:
    """Return the variance of half a case of each kind of error, which the labels may not show."""
    if bounds is None:
        return 0.0
    seldom = [(people, judge) for people in (0, 1) for judge in (0, 1)]
    if bounds[0] < 0:
        seldom = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    apart = [people - weight * judge for people, judge in seldom]
    return (sum(each**2 for each in apart) / 2 - sum(apart) ** 2 / 8) / (labels + 2) ** 2


def _read(
    judged: Iterable[float], judge: Iterable[float], people: Iterable[float]
) -> tuple[Numbers, Numbers, Numbers]:
    elsewhere = read_values(judged, name="judge's scores")
    scores = read_values(judge, name="judge's scores of labelled cases")
    truth = read_values(people, name="people's labels")
    if scores.size != truth.size:
        raise Invalid(
            "lengths_differ",
            f"Judge and people must score the same cases: {scores.size} and {truth.size}",
        )
    return elsewhere, scores, truth


def _codes(keys: tuple[Keys, Keys], elsewhere: int, labelled: int) -> Codes | None:
    others, own = keys
    if others is None and own is None:
        return None
    if others is None or own is None:
        raise Invalid(
            "cluster_missing",
            "Clusters must be given for the labelled cases and for the others, or for neither",
        )
    for name, row, cases in (("other", others, elsewhere), ("labelled", own, labelled)):
        if len(row) != cases:
            raise Invalid(
                "lengths_differ", f"There are {cases} {name} cases but {len(row)} cluster keys"
            )
    return read_clusters([*others, *own], elsewhere + labelled)
