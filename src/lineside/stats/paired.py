"""How two releases differ over the same cases, and how sure we are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.clusters import clustered_error
from lineside.stats.intervals import AMOUNT, Interval, pivot_of, score_interval, seen_bounds
from lineside.stats.pivots import PairedRatePivot, Pivot
from lineside.stats.samples import (
    Codes,
    Numbers,
    check_confidence,
    is_binary,
    read_clusters,
    read_values,
)

PairedMethod = Literal["auto", "binary", "t", "bootstrap"]


@dataclass(frozen=True)
class PairedDifference:
    """Candidate minus baseline over the same cases, in units of the score.

    Args:
        p_value: Two-sided, against "there is no difference".
        n: Independent units: clusters where there are clusters, else cases.
        method: `tango`, `bounded`, `t`, `bootstrap`, each also `_clustered`, or `constant`,
            `unknown`.
        wins: Cases where the candidate scored higher.
        losses: Cases where the candidate scored lower.
        df: Degrees of freedom of Student's t; None stands for the normal distribution.
        design_effect: How many clustered cases tell as much as one independent case.
        variance: Mean square of the changes around their mean; with `bounded` only, as is `bounds`.
        bounds: Least and largest change that one case can show.
    """

    value: float
    low: float
    high: float
    p_value: float
    n: int
    confidence: float
    method: str
    baseline_mean: float
    candidate_mean: float
    wins: int
    losses: int
    ties: int
    df: float | None = None
    design_effect: float = 1.0
    variance: float | None = None
    bounds: tuple[float, float] | None = None

    @property
    def cases(self) -> int:
        return self.wins + self.losses + self.ties

    def estimated_as(
        self, value: float, low: float, high: float, *, method: str, df: float | None = None
    ) -> PairedDifference:
        """The same cases with another estimate, such as one that is corrected for a judge's error.

        What was known of the spread goes with the old one: with it, other levels and p-values
        would be read from that and not from the new interval.
        """
        return replace(
            self,
            value=value,
            low=low,
            high=high,
            method=method,
            df=df,
            variance=None,
            bounds=None,
        )


def paired_pivot(difference: PairedDifference) -> Pivot:
    """Return the statistic a difference was made from, to ask it for other levels and p-values."""
    if difference.method.startswith("tango"):
        effect = difference.design_effect
        return PairedRatePivot(
            difference.wins / effect,
            difference.losses / effect,
            difference.cases / effect,
            difference.df,
        )
    return pivot_of(as_interval(difference))


def as_interval(difference: PairedDifference) -> Interval:
    return Interval(
        difference.value,
        difference.low,
        difference.high,
        difference.confidence,
        difference.n,
        difference.method,
        cases=difference.cases,
        df=difference.df,
        design_effect=difference.design_effect,
        variance=difference.variance,
        bounds=difference.bounds,
    )


def paired_difference(
    baseline: Iterable[float],
    candidate: Iterable[float],
    *,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    method: PairedMethod = "auto",
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
) -> PairedDifference:
    """Say how much better the candidate is over the same cases, and how sure we are.

    Position i of both rows must be the same case. `auto` takes `binary` when all scores are 0 or 1,
    unless they are amounts.

    Binary: the interval is Tango's score interval, "Equivalence test and confidence interval for
    the difference in proportions for the paired-sample design", Statistics in Medicine 17 (1998);
    it has a width even when no case differs. The p-value is McNemar's exact test (1947), which is
    cautious: it may stay above 0.05 where the 95 % interval just leaves zero out. With clusters the
    counts are divided by the design effect (Rao and Scott, Biometrics 48, 1992) and the p-value
    comes from Tango's statistic.

    Scores: `mean_interval` over the differences per case: BCa bootstrap for 30 to 10,000 cases,
    else paired t; cluster-robust t with clusters. The bootstrap's p-value is read from its
    interval, as if its tails were normal. Where fewer than 10 cases differ, bounded scores are
    judged by their bounds, as there: that no case of 30 differs does not show that none would.

    Args:
        bounds: Lowest and highest possible score, as in `mean_interval`; `AMOUNT` for times and
            money.

    Raises:
        Invalid: `lengths_differ`, `not_binary`, and what `mean_interval` raises.
    """
    check_confidence(confidence)
    before = read_values(baseline, name="baseline scores")
    after = read_values(candidate, name="candidate scores")
    if before.size != after.size:
        raise Invalid(
            "lengths_differ",
            f"The runs must score the same cases: {before.size} and {after.size} scores",
        )
    codes = read_clusters(clusters, before.size)
    # A cost of 0 USD for every case is an amount, not a share of yes.
    binary = bounds != AMOUNT and is_binary(before) and is_binary(after)
    if method == "binary" and not binary:
        raise Invalid("not_binary", "The binary comparison needs scores that are all 0 or 1")
    if method == "binary" or (method == "auto" and binary):
        return _binary_difference(before, after, codes, confidence)
    lowest, highest = seen_bounds(np.concatenate([before, after]), bounds)
    reach = highest - lowest
    change = score_interval(
        after - before,
        codes,
        confidence,
        method="bootstrap" if method == "bootstrap" else "t" if method == "t" else "auto",
        bounds=(-reach, reach),
        seed=seed,
    )
    return _score_difference(before, after, change)


def _binary_difference(
    before: Numbers, after: Numbers, codes: Codes | None, confidence: float
) -> PairedDifference:
    change = after - before
    cases, value = change.size, float(change.mean())
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    n, effect, df = cases, 1.0, None
    if codes is not None:
        spread = clustered_error(change, codes)
        n = spread.count
        simple = ((wins + losses) / cases - value**2) / cases
        effect, df = spread.design_effect(simple, differ=wins + losses)
    pivot = PairedRatePivot(wins / effect, losses / effect, cases / effect, df)
    tail = (1 - confidence) / 2
    if codes is None:
        p_value = mcnemar_exact(wins, losses)
    else:
        p_value = min(1.0, 2 * min(pivot.p_above(0.0), pivot.p_below(0.0)))
    return PairedDifference(
        value=value,
        low=pivot.low(tail),
        high=pivot.high(tail),
        p_value=p_value,
        n=n,
        confidence=confidence,
        method="tango" if codes is None else "tango_clustered",
        baseline_mean=float(before.mean()),
        candidate_mean=float(after.mean()),
        wins=wins,
        losses=losses,
        ties=cases - wins - losses,
        df=df,
        design_effect=effect,
    )


def mcnemar_exact(wins: int, losses: int) -> float:
    """Return the two-sided exact p-value against "wins and losses are equally likely".

    McNemar, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12 (1947), with the exact binomial distribution. Cases on which both agree say
    nothing.
    """
    from scipy.special import bdtr

    if wins + losses == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(wins, losses), wins + losses, 0.5)))


def _score_difference(before: Numbers, after: Numbers, interval: Interval) -> PairedDifference:
    change, pivot = after - before, pivot_of(interval)
    wins, losses = int((change > 0).sum()), int((change < 0).sum())
    return PairedDifference(
        value=interval.value,
        low=interval.low,
        high=interval.high,
        p_value=min(1.0, 2 * min(pivot.p_above(0.0), pivot.p_below(0.0))),
        n=interval.n,
        confidence=interval.confidence,
        method=interval.method,
        baseline_mean=float(before.mean()),
        candidate_mean=float(after.mean()),
        wins=wins,
        losses=losses,
        ties=change.size - wins - losses,
        df=interval.df,
        design_effect=interval.design_effect,
        variance=interval.variance,
        bounds=interval.bounds,
    )
