"""Cases that gave no score: never a zero, never ignored, but counted both ways.

The worst-case bounds of Manski, "Nonparametric bounds on treatment effects", American Economic
Review 80 (1990): what would be decided if every failed case had scored at the bottom, and if every
one had scored at the top.
"""

from dataclasses import dataclass, replace
from math import inf, sqrt

from lineside.stats.pivots import BoundedPivot, MeanPivot, PairedRatePivot, Pivot, RatePivot


@dataclass(frozen=True)
class FailureBounds:
    """The estimate with all failed cases at the bottom, and with all of them at the top."""

    lower: Pivot
    upper: Pivot


def count_failed(
    pivot: Pivot, failed: int, *, cases: int, bounds: tuple[float, float] | None
) -> FailureBounds | None:
    """Return what the failed cases leave certain; None where their scores have no bounds."""
    if failed == 0:
        return FailureBounds(pivot, pivot)
    if bounds is None:
        return None
    bottom, top = bounds
    return FailureBounds(
        _with_failed(pivot, failed, cases=cases, at=bottom),
        _with_failed(pivot, failed, cases=cases, at=top),
    )


def _with_failed(pivot: Pivot, failed: int, *, cases: int, at: float) -> Pivot:
    total = cases + failed
    if isinstance(pivot, PairedRatePivot):
        grown = failed * pivot.n / cases
        wins, losses = (grown, 0.0) if at > 0 else (0.0, grown)
        return PairedRatePivot(pivot.wins + wins, pivot.losses + losses, pivot.n + grown, pivot.df)
    value = (pivot.value * cases + at * failed) / total
    if isinstance(pivot, RatePivot):
        return replace(pivot, value=value, n=pivot.n * total / cases)
    if isinstance(pivot, BoundedPivot):
        kept_square = pivot.variance + (pivot.value - value) ** 2
        variance = (cases * kept_square + failed * (at - value) ** 2) / total
        return replace(
            pivot,
            value=value,
            variance=variance,
            n=pivot.n * total / cases,
            lowest=min(pivot.lowest, at),
            highest=max(pivot.highest, at),
        )
    if not isinstance(pivot, MeanPivot):
        raise TypeError(f"No worst case is known for {type(pivot).__name__}")
    if pivot.error_low == inf:
        return replace(pivot, value=value)
    # The squared error of the mean over the cases with `failed` of them added at one value.
    kept = cases * (cases - 1) / (total * (total - 1))
    added = cases * failed * (pivot.value - at) ** 2 / (total**2 * (total - 1))
    return MeanPivot(
        value,
        sqrt(kept * pivot.error_low**2 + added),
        sqrt(kept * pivot.error_high**2 + added),
        # Failed cases of clustered ones bring no clusters of their own.
        pivot.df + failed if pivot.df == cases - 1 else pivot.df,
    )
