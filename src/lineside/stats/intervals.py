"""How sure we are of a rate or a mean."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.clusters import FEW_DIFFER, clustered_error
from lineside.stats.pivots import BoundedPivot, MeanPivot, Pivot, RatePivot, critical
from lineside.stats.resampling import bootstrap_ends
from lineside.stats.samples import (
    Codes,
    Numbers,
    check_confidence,
    is_binary,
    read_clusters,
    read_values,
)

MeanMethod = Literal["auto", "t", "bootstrap", "wilson"]

CONSTANT_CASES_MIN = 30
AMOUNT = (0.0, inf)
"""Bounds of times, money and counts, of which nobody can say how large one may get."""

BOOTSTRAP_CASES = range(30, 10_001)


@dataclass(frozen=True)
class Interval:
    """An estimate and the range that holds the truth as often as `confidence` says.

    Ends are infinite where the data cannot bound the truth (one score; few and equal scores).

    Args:
        n: Independent units behind it: clusters where there are clusters, else cases.
        method: `wilson`, `bounded`, `t`, `bootstrap`, each also `_clustered`, or `constant`,
            `unknown`.
        cases: Scored cases, where they are more than `n`.
        df: Degrees of freedom of Student's t; None stands for the normal distribution.
        design_effect: How many clustered cases tell as much as one independent case.
        variance: Mean square of the scores around their mean; with `bounded` only, as is `bounds`.
        bounds: Least and largest value that one case can have.
    """

    value: float
    low: float
    high: float
    confidence: float
    n: int
    method: str
    cases: int | None = None
    df: float | None = None
    design_effect: float = 1.0
    variance: float | None = None
    bounds: tuple[float, float] | None = None

    @property
    def cases_scored(self) -> int:
        return self.n if self.cases is None else self.cases


def pivot_of(interval: Interval) -> Pivot:
    """Return the statistic an interval was made from, to ask it for other levels and p-values."""
    if interval.method.startswith("wilson"):
        return RatePivot(
            interval.value, interval.cases_scored / interval.design_effect, interval.df
        )
    if interval.variance is not None and interval.bounds is not None:
        n = interval.cases_scored / interval.design_effect
        return BoundedPivot(interval.value, interval.variance, n, *interval.bounds, interval.df)
    quantile = critical((1 - interval.confidence) / 2, interval.df)
    return MeanPivot(
        interval.value,
        (interval.value - interval.low) / quantile,
        (interval.high - interval.value) / quantile,
        interval.df,
    )


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Say between which rates the true rate lies, given a count of successes.

    The score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927). It stays inside 0 to 1 and has a width even at 0 and n successes.
    Its coverage is right on average over rates; at single rates near 0 or 1 it can fall a few
    points short (Brown, Cai and DasGupta, Statistical Science 16, 2001).

    Raises:
        Invalid: `no_values` without a case, `bad_count` for impossible counts.
    """
    check_confidence(confidence)
    if n == 0:
        raise Invalid("no_values", "There are no cases to compute a rate from")
    if not 0 <= successes <= n:
        raise Invalid("bad_count", f"Successes must lie between 0 and {n}: {successes}")
    return _rate_interval(RatePivot(successes / n, n), confidence, n=n, cases=n)


def mean_interval(
    values: Iterable[float],
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    method: MeanMethod = "auto",
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
) -> Interval:
    """Say between which means the true mean of a score lies.

    `auto` takes Wilson for scores that are all 0 or 1; else the bootstrap for 30 to 10,000 cases,
    because score means are skewed (measured on lognormal scores, 100 cases: the upper end misses in
    6 % instead of 10 % with t, nominal 2.5 %); else Student's t. The bootstrap is BCa (Efron,
    "Better bootstrap confidence intervals", JASA 82, 1987) with 2,000 resamples.

    With clusters, cases of one cluster count as related: `t` is cluster-robust (see
    `clustered_error`), `wilson` divides its count by the design effect (Rao and Scott, Biometrics
    48, 1992) and `bootstrap` resamples whole clusters. Below about 10 clusters treat it as rough.

    Where most cases score the same and fewer than 10 do not, a spread hardly seen tells nothing of
    what was not drawn: in simulations t and the bootstrap then miss in 10 to 40 % on the side of
    the rare loss (nominal 2.5 %). Such scores are judged by their bounds (method `bounded`, see
    `BoundedPivot`; it misses in 2.5 % or less). Amounts have no upper bound: equal ones give a
    point from 30 independent units on (method `constant`) and infinite ends below.

    Args:
        bounds: Lowest and highest possible score; `AMOUNT` for times and money. By default 0 and 1,
            or as far as scores are seen to reach beyond.
        clusters: The key of each case's cluster, such as the conversation it was taken from.
        seed: Seed of the bootstrap; the same seed gives the same interval.

    Raises:
        Invalid: `no_values`, `not_finite`, `not_a_number`, `lengths_differ`, `not_binary`.
    """
    check_confidence(confidence)
    row = read_values(values)
    codes = read_clusters(clusters, row.size)
    binary = is_binary(row)
    if method == "wilson" and not binary:
        raise Invalid("not_binary", "Wilson's interval needs scores that are all 0 or 1")
    if method == "wilson" or (method == "auto" and binary):
        return _binary_interval(row, codes, confidence)
    reach = seen_bounds(row, bounds)
    return score_interval(row, codes, confidence, method=method, bounds=reach, seed=seed)


def seen_bounds(row: Numbers, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """Return the bounds that were stated, else 0 and 1 or as far as scores reach beyond."""
    return bounds or (min(0.0, float(row.min())), max(1.0, float(row.max())))


def _binary_interval(row: Numbers, codes: Codes | None, confidence: float) -> Interval:
    value = float(row.mean())
    if codes is None:
        return _rate_interval(RatePivot(value, row.size), confidence, n=row.size, cases=row.size)
    spread = clustered_error(row, codes)
    simple = value * (1 - value) / row.size
    successes = int(row.sum())
    effect, df = spread.design_effect(simple, differ=min(successes, row.size - successes))
    pivot = RatePivot(value, row.size / effect, df)
    return _rate_interval(
        pivot, confidence, n=spread.count, cases=row.size, design_effect=effect, clustered=True
    )


def _rate_interval(
    pivot: RatePivot,
    confidence: float,
    *,
    n: int,
    cases: int,
    design_effect: float = 1.0,
    clustered: bool = False,
) -> Interval:
    tail = (1 - confidence) / 2
    return Interval(
        pivot.value,
        pivot.low(tail),
        pivot.high(tail),
        confidence,
        n,
        "wilson_clustered" if clustered else "wilson",
        cases=cases,
        df=pivot.df,
        design_effect=design_effect,
    )


def score_interval(
    row: Numbers,
    codes: Codes | None,
    confidence: float,
    *,
    method: MeanMethod,
    bounds: tuple[float, float],
    seed: int,
) -> Interval:
    """Say between which means the true mean lies, for scores that are not 0 or 1."""
    value = float(row.mean())
    n = row.size if codes is None else int(codes.max()) + 1
    if n == 1:
        return Interval(value, -inf, inf, confidence, n, "unknown", cases=row.size)
    if all(map(isfinite, bounds)) and _hardly_differ(row, codes, n):
        return _bounded_interval(row, codes, confidence, bounds=bounds, n=n)
    if (row == row[0]).all():
        value = float(row[0])
        if n < CONSTANT_CASES_MIN:
            return Interval(value, -inf, inf, confidence, n, "unknown", cases=row.size)
        return Interval(value, value, value, confidence, n, "constant", cases=row.size)
    if method == "bootstrap" or (method == "auto" and codes is None and n in BOOTSTRAP_CASES):
        name = "bootstrap" if codes is None else "bootstrap_clustered"
        low, high = bootstrap_ends(row, codes, confidence=confidence, seed=seed)
        return Interval(value, low, high, confidence, n, name, cases=row.size)
    simple = float(row.var(ddof=1)) / row.size
    effect, df, name, variance = 1.0, float(n - 1), "t", simple
    if codes is not None:
        spread = clustered_error(row, codes)
        effect, df, name = spread.variance / simple, spread.df, "t_clustered"
        variance = spread.variance
    half = critical((1 - confidence) / 2, df) * float(np.sqrt(variance))
    return Interval(
        value,
        value - half,
        value + half,
        confidence,
        n,
        name,
        cases=row.size,
        df=df,
        design_effect=effect,
    )


def _hardly_differ(row: Numbers, codes: Codes | None, n: int) -> bool:
    """Whether most units have one and the same score, and fewer than 10 do not."""
    scores, counts = np.unique(row, return_counts=True)
    differ = row != scores[counts.argmax()]
    count = int(differ.sum()) if codes is None else np.unique(codes[differ]).size
    return count < FEW_DIFFER and 2 * count < n


def _bounded_interval(
    row: Numbers, codes: Codes | None, confidence: float, *, bounds: tuple[float, float], n: int
) -> Interval:
    # The mean of equal scores is that score, which rounding must not push out of its bounds.
    value = float(min(row.max(), max(row.min(), row.mean())))
    variance, effect, df = float(((row - value) ** 2).mean()), 1.0, None
    if codes is not None:
        effect, df = clustered_error(row, codes).design_effect(variance / row.size, differ=0)
    pivot = BoundedPivot(value, variance, row.size / effect, *bounds, df)
    tail = (1 - confidence) / 2
    return Interval(
        value,
        pivot.low(tail),
        pivot.high(tail),
        confidence,
        n,
        "bounded" if codes is None else "bounded_clustered",
        cases=row.size,
        df=df,
        design_effect=effect,
        variance=variance,
        bounds=bounds,
    )
