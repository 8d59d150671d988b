"""What people would have said where only a judge looked, given its error on cases of a licence.

The judge's sensitivity and specificity come from labels of other cases. That is right if the judge
errs as often here as there, and it says so where the labels do not show that the judge tells yes
from no. Where people labelled a random part of the very cases, `prediction_powered` assumes less.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from lineside.core import Invalid
from lineside.stats.intervals import Interval, mean_interval
from lineside.stats.judges import JudgeAccuracy, measure_judge
from lineside.stats.paired import PairedDifference, paired_difference
from lineside.stats.pivots import critical
from lineside.stats.samples import Numbers, check_confidence, read_values

Keys = Sequence[Hashable] | None


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
        judged: The judge's answers, 0 or 1, on the cases without a label; of a case asked several
            times the share of yes.
        judge: Its answers on the labelled cases, which are not among `judged`.
        people: The labels of those, in the same order.

    Raises:
        Invalid: `no_shares`, `not_binary`, `lengths_differ`, `one_class`, and what `mean_interval`
            raises.
    """
    check_confidence(confidence)
    answers = _read_shares(judged, "judge's answers")
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
    of Fieller, "Some problems in interval estimation", Journal of the Royal Statistical Society B
    16 (1954), for the ratio of the two, its errors read from the nearer end of each interval. Where
    the judge may favour one release, label cases of both: `prediction_powered_difference`.

    Args:
        baseline: The judge's answers, 0 or 1, on the cases without a label; `candidate` likewise,
            the same cases.

    Raises:
        Invalid: as `rogan_gladen` and `paired_difference`.
    """
    check_confidence(confidence)
    alone = paired_difference(
        _read_shares(baseline, "judge's answers on the baseline"),
        _read_shares(candidate, "judge's answers on the candidate"),
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


def _read_shares(values: Iterable[float], name: str) -> Numbers:
    row = read_values(values, name=name)
    if row.size and not (row.min() >= 0 and row.max() <= 1):
        raise Invalid("no_shares", f"The {name} must all be from 0 to 1")
    return row


def _effective(interval: Interval) -> float:
    return interval.cases_scored / interval.design_effect


def _fewest(*intervals: Interval) -> float | None:
    known = [interval.df for interval in intervals if interval.df is not None]
    return min(known, default=None)
