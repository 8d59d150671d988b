"""A ratio of two sums over cases, such as cost per success."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from math import inf, sqrt
from typing import Literal

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.clusters import clustered_error
from lineside.stats.intervals import AMOUNT, Interval, score_interval
from lineside.stats.pivots import critical
from lineside.stats.samples import Codes, Numbers, check_confidence, read_clusters, read_values

RatioMethod = Literal["fieller", "delta"]


def ratio_interval(
    numerators: Iterable[float],
    denominators: Iterable[float],
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    method: RatioMethod = "fieller",
) -> Interval:
    """Say between which ratios the true ratio of two sums lies, such as cost per success.

    It is not the mean of ratios per case, which a case without success would make infinite.
    `fieller` is the interval of Fieller, Journal of the Royal Statistical Society B 16 (1954): it
    is not symmetric, and its ends are infinite where the denominators cannot be told from 0. That
    of `delta` is symmetric and needs many cases (Deng, Knoblich and Lu, "Applying the delta method
    in metric analytics", KDD 2018). Student's t; with clusters the errors are those of whole
    clusters.

    Args:
        numerators: Such as the cost of each case, successful or not.
        denominators: Such as 1 for a success and 0 for none; their sum must not be 0.

    Raises:
        Invalid: `zero_denominator`, `lengths_differ`, `too_few_cases` below 2 independent units,
            and what `read_values` raises.
    """
    check_confidence(confidence)
    top, bottom = _read(numerators, denominators)
    codes = read_clusters(clusters, top.size)
    _check_units(top, codes)
    ratio = float(top.sum() / bottom.sum())
    rest = (top - ratio * bottom) / bottom.mean()
    if np.allclose(rest, 0, atol=1e-12 * max(1.0, abs(ratio))):
        # As for equal scores: a spread that was never seen is unknown, until there are many.
        return score_interval(
            np.full(top.size, ratio), codes, confidence, method="t", bounds=AMOUNT, seed=0
        )
    if method == "delta":
        return score_interval(ratio + rest, codes, confidence, method="t", bounds=AMOUNT, seed=0)
    variance_top, df = _variance(top, codes)
    variance_bottom, _ = _variance(bottom, codes)
    shared = (_variance(top + bottom, codes)[0] - variance_top - variance_bottom) / 2
    quantile = critical((1 - confidence) / 2, df)
    # The ratios R for which the mean of `top - R * bottom` is within the quantile of 0.
    a = float(bottom.mean()) ** 2 - quantile**2 * variance_bottom
    b = float(top.mean() * bottom.mean()) - quantile**2 * shared
    c = float(top.mean()) ** 2 - quantile**2 * variance_top
    low, high = -inf, inf
    if a > 0:
        root = sqrt(max(0.0, b * b - a * c))
        low, high = min(ratio, (b - root) / a), max(ratio, (b + root) / a)
    units = top.size if codes is None else int(codes.max()) + 1
    name = "fieller" if codes is None else "fieller_clustered"
    return Interval(ratio, low, high, confidence, units, name, cases=top.size, df=df)


def ratio_difference(
    baseline: tuple[Iterable[float], Iterable[float]],
    candidate: tuple[Iterable[float], Iterable[float]],
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """Say how much higher the ratio of the candidate is over the same cases.

    By the delta method: each case's part in the difference of the ratios, then Student's t over
    cases or clusters (see `ratio_interval`). Treat it as rough below about 30 cases.

    Args:
        baseline: Numerators and denominators; `candidate` likewise, the same cases in order.

    Raises:
        Invalid: as `ratio_interval`.
    """
    check_confidence(confidence)
    before, after = _read(*baseline), _read(*candidate)
    if before[0].size != after[0].size:
        raise Invalid(
            "lengths_differ",
            f"Both releases must have the same cases: {before[0].size} and {after[0].size}",
        )
    codes = read_clusters(clusters, before[0].size)
    _check_units(before[0], codes)
    ratios, parts = [], []
    for top, bottom in (before, after):
        ratio = float(top.sum() / bottom.sum())
        ratios.append(ratio)
        parts.append((top - ratio * bottom) / bottom.mean())
    change = ratios[1] - ratios[0] + parts[1] - parts[0]
    return score_interval(change, codes, confidence, method="t", bounds=AMOUNT, seed=0)


def _read(numerators: Iterable[float], denominators: Iterable[float]) -> tuple[Numbers, Numbers]:
    top = read_values(numerators, name="numerators")
    bottom = read_values(denominators, name="denominators")
    if top.size != bottom.size:
        raise Invalid(
            "lengths_differ",
            f"Numerators and denominators must be of the same cases: {top.size} and {bottom.size}",
        )
    if bottom.sum() == 0:
        raise Invalid(
            "zero_denominator",
            "The denominators add up to 0: there is no ratio",
            hint="Without a success there is no cost per success; show the cost alone",
        )
    return top, bottom


def _variance(row: Numbers, codes: Codes | None) -> tuple[float, float]:
    """Return the squared error of a mean and its degrees of freedom."""
    if codes is None:
        return float(row.var(ddof=1)) / row.size, row.size - 1.0
    error = clustered_error(row, codes)
    return error.variance, error.df


def _check_units(row: Numbers, codes: Codes | None) -> None:
    units = row.size if codes is None else int(codes.max()) + 1
    if units < 2:
        raise Invalid("too_few_cases", f"A ratio needs at least 2 independent cases: {units}")
