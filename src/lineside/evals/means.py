"""The mean of a score with the interval that decides: the same in gates, pages, lists and plots."""

from dataclasses import replace

from lineside.evals.judged import Column, ScoreTrait
from lineside.evals.target import CASE_SECONDS_MAX
from lineside.stats import Interval, ends, mean_interval

Bounds = tuple[float, float]


def mean_of(column: Column, trait: ScoreTrait, *, confidence: float) -> Interval | None:
    """The mean of the cases that were scored, and how sure it is by those alone."""
    values = column.values
    if not len(values):
        return None
    # A cost of 0 USD for every case is an amount, not a share of yes.
    is_flat = trait.is_amount and bool(((values == 0) | (values == 1)).all())
    return mean_interval(
        values,
        confidence=confidence,
        clusters=column.clusters,
        method="t" if is_flat else "auto",
        bounds=trait.bounds,
    )


def failed_bounds(column: Column, trait: ScoreTrait) -> Bounds | None:
    """What a case that failed would have scored at least and at most, where that is known."""
    if not trait.is_amount:
        return trait.bounds
    # No case is waited for longer than the limit, so a failed one has a worst latency too.
    is_limited = trait.unit == "ms" and len(column.values)
    return (0.0, max(CASE_SECONDS_MAX * 1000, *column.values.tolist())) if is_limited else None


def deciding_mean(
    column: Column, trait: ScoreTrait, missing: int, *, confidence: float
) -> Interval | None:
    """The mean of the cases that were scored, with the interval that a gate decides by.

    Its ends hold whatever the missing cases would have scored, and are infinite where nothing
    bounds that.
    """
    found = mean_of(column, trait, confidence=confidence)
    if found is None:
        return None
    low, high, _ = ends.mean_ends(found, missing, bounds=failed_bounds(column, trait))
    return replace(found, low=low, high=high)
