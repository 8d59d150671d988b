"""What people would have said, estimated from what a judge said and a sample that people labelled.

Two ways, for two situations. `prediction_powered_mean` needs the labelled cases to be a random part
of those the judge scored; it is right whatever the judge's errors, and a useless judge only makes
it no better than the labels alone. `rogan_gladen` takes the judge's sensitivity and specificity
from labels of other cases, as a licence does; it is right if the judge errs as often here as there,
and it says so where the labels do not show that the judge tells yes from no.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from lineside.core import Invalid
from lineside.stats.intervals import Interval, mean_interval
from lineside.stats.judges import JudgeAccuracy, measure_judge, read_answers
from lineside.stats.paired import PairedDifference, paired_difference
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
class CorrectedRate:
    """A rate or a difference of rates as people would have found it.

    Args:
        value: None where the judge's error cannot be told from chance: then `low` and `high` are
            all that is possible.
        judged: What the judge alone says.
        judge: The error it was corrected for.
        n: Independent units that the judge alone scored: clusters, else cases.
        method: `rogan_gladen` or `rogan_gladen_difference`.
    """

    value: float | None
    low: float
    high: float
    confidence: float
    judged: float
    judge: JudgeAccuracy
    n: int
    method: str

    @property
    def is_identified(self) -> bool:
        return self.value is not None


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


def rogan_gladen(
    judged: Iterable[float],
    *,
    judge: Iterable[float],
    people: Iterable[float],
    confidence: float = 0.95,
    clusters: Keys = None,
    labelled_clusters: Keys = None,
) -> CorrectedRate:
    """Say which rate people would find where only the judge looked, given its error elsewhere.

    Rogan and Gladen, "Estimating prevalence from the results of a screening test", American Journal
    of Epidemiology 107 (1978), with the interval of Lang and Reiczigel, "Confidence limits for
    prevalence of disease adjusted for estimated sensitivity and specificity", Preventive Veterinary
    Medicine 113 (2014). The rate is not identified where the interval of Youden's index reaches 0.
    Clustered cases count for less, by the design effect of each of the three rates.

    Args:
        judged: The judge's answers, 0 or 1, on the cases without a label.
        judge: Its answers on the labelled cases, which are not among `judged`.
        people: The labels of those, in the same order.

    Raises:
        Invalid: `not_binary`, `lengths_differ`, `one_class`, and what `mean_interval` raises.
    """
    check_confidence(confidence)
    answers = read_answers(judged, "judge's answers")
    alone = mean_interval(answers, confidence=confidence, clusters=clusters)
    quality = measure_judge(judge, people, confidence=confidence, clusters=labelled_clusters)
    value: float | None = None
    low, high = 0.0, 1.0
    if quality.youden.low > 0:
        value = min(
            1.0, max(0.0, (alone.value + quality.specificity.value - 1) / quality.youden.value)
        )
        low, high = _lang_reiczigel(alone, quality, confidence)
        low, high = min(value, max(0.0, low)), max(value, min(1.0, high))
    return CorrectedRate(
        value, low, high, confidence, alone.value, quality, alone.n, "rogan_gladen"
    )


def _lang_reiczigel(
    alone: Interval, quality: JudgeAccuracy, confidence: float
) -> tuple[float, float]:
    z = critical((1 - confidence) / 2, _fewest(alone, quality.sensitivity, quality.specificity))
    n = _effective(alone) + z * z
    rate = (alone.value * _effective(alone) + z * z / 2) / n
    yes, no = _effective(quality.sensitivity) + 2, _effective(quality.specificity) + 2
    sensitivity = (quality.sensitivity.value * (yes - 2) + 1) / yes
    specificity = (quality.specificity.value * (no - 2) + 1) / no
    youden = sensitivity + specificity - 1
    value = (rate + specificity - 1) / youden
    over_yes = value * sensitivity * (1 - sensitivity) / yes
    over_no = (1 - value) * specificity * (1 - specificity) / no
    variance = rate * (1 - rate) / n + value * over_yes + (1 - value) * over_no
    centre = value + 2 * z * z * (over_yes - over_no)
    half = z * sqrt(variance) / youden
    return centre - half, centre + half


def rogan_gladen_difference(
    baseline: Iterable[float],
    candidate: Iterable[float],
    *,
    judge: Iterable[float],
    people: Iterable[float],
    confidence: float = 0.95,
    clusters: Keys = None,
    labelled_clusters: Keys = None,
) -> CorrectedRate:
    """Say by how much people would find two releases to differ, given the judge's error elsewhere.

    A judge that errs alike on both shrinks their difference by Youden's index; the interval is that
    of Fieller, "Some problems in interval estimation", Journal of the Royal Statistical Society B 16
    (1954), for the ratio of the two. Where the judge may favour one release, label cases of
    both and take `prediction_powered_difference`.

    Args:
        baseline: The judge's answers, 0 or 1, on the cases without a label; `candidate` likewise,
            the same cases.

    Raises:
        Invalid: as `rogan_gladen` and `paired_difference`.
    """
    check_confidence(confidence)
    alone = paired_difference(
        read_answers(baseline, "judge's answers on the baseline"),
        read_answers(candidate, "judge's answers on the candidate"),
        confidence=confidence,
        clusters=clusters,
    )
    quality = measure_judge(judge, people, confidence=confidence, clusters=labelled_clusters)
    value: float | None = None
    low, high = -1.0, 1.0
    if quality.youden.low > 0:
        value = min(1.0, max(-1.0, alone.value / quality.youden.value))
        low, high = (min(1.0, max(-1.0, end)) for end in _fieller_ends(alone, quality.youden))
        low, high = min(low, value), max(high, value)
    return CorrectedRate(
        value, low, high, confidence, alone.value, quality, alone.n, "rogan_gladen_difference"
    )


def _fieller_ends(alone: PairedDifference, youden: Interval) -> tuple[float, float]:
    """Return the ends of difference over index, each error read from the side that matters."""

    def end(reach: float, sign: int) -> float:
        # Solve (d - R J)² = reach² + R² spread² for R, the error of J from the side R pulls it to.
        above = (alone.value + sign * reach > 0) == (sign > 0)
        spread = youden.value - youden.low if above else youden.high - youden.value
        a = youden.value**2 - spread**2
        b = alone.value * youden.value
        c = alone.value**2 - reach**2
        return (b + sign * sqrt(max(0.0, b * b - a * c))) / a if a > 0 else float(sign)

    return end(alone.value - alone.low, -1), end(alone.high - alone.value, 1)


def prediction_powered_mean(
    judged: Iterable[float],
    *,
    judge: Iterable[float],
    people: Iterable[float],
    is_tuned: bool = True,
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

    Raises:
        Invalid: `too_few_labels` below 10 labelled cases or 2 clusters of them, `lengths_differ`,
            and what `mean_interval` raises.
    """
    elsewhere, scores, truth = _read(judged, judge, people)
    bounds = (0.0, 1.0) if all(map(is_binary, (elsewhere, scores, truth))) else None
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
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    value = float(min(high, max(low, value)))
    labels_only = _error(rows, codes, 0.0, bounds)
    return CorrectedMean(
        value=value,
        low=max(low, value - half),
        high=min(high, value + half),
        confidence=confidence,
        judged=float(elsewhere.mean()),
        labelled=mean_interval(truth, confidence=confidence, clusters=keys[1]),
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


def _effective(interval: Interval) -> float:
    return interval.cases_scored / interval.design_effect


def _fewest(*intervals: Interval) -> float | None:
    known = [interval.df for interval in intervals if interval.df is not None]
    return min(known, default=None)
