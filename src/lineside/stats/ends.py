"""Intervals that hold whatever the cases that failed would have scored, for all that is shown.

What decides counts failed cases both ways, see `failures`; what is drawn and listed beside it must
say the same.
"""

from math import inf
from typing import NamedTuple

from lineside.stats.failures import count_failed
from lineside.stats.intervals import Interval, pivot_of
from lineside.stats.paired import PairedDifference, paired_pivot
from lineside.stats.pivots import Pivot

Bounds = tuple[float, float]


class Ends(NamedTuple):
    """The ends of an interval, infinite where nothing is certain.

    Attributes:
        p_value: Two-sided, against 0.
    """

    low: float
    high: float
    p_value: float


def mean_ends(interval: Interval, failed: int, *, bounds: Bounds | None = None) -> Ends:
    """The ends of a mean with failed cases counted both ways.

    Args:
        bounds: Lowest and highest possible score; 0 and 1 for scores that are all 0 or 1. Without
            them, and with failed cases, nothing is certain.
    """
    if bounds is None and interval.method.startswith("wilson"):
        bounds = (0.0, 1.0)
    ends = _ends(
        pivot_of(interval), failed, interval.cases_scored, bounds, confidence=interval.confidence
    )
    return ends if failed else ends._replace(low=interval.low, high=interval.high)


def difference_ends(
    difference: PairedDifference,
    failed: int,
    *,
    bounds: Bounds | None = None,
    confidence: float | None = None,
) -> Ends:
    """The ends of a difference with the cases counted both ways that either side has no score of.

    Args:
        bounds: Lowest and highest possible score, as in `mean_ends`.
        confidence: Another level than that of the difference.
    """
    if bounds is None and difference.method.startswith("tango"):
        bounds = (0.0, 1.0)
    reach = inf if bounds is None else bounds[1] - bounds[0]
    level = difference.confidence if confidence is None else confidence
    changes = (-reach, reach)
    ends = _ends(paired_pivot(difference), failed, difference.cases, changes, confidence=level)
    if failed or level != difference.confidence:
        return ends
    return ends._replace(low=difference.low, high=difference.high)


def _ends(
    pivot: Pivot, failed: int, cases: int, bounds: Bounds | None, *, confidence: float
) -> Ends:
    if bounds is not None and inf in bounds:
        bounds = None
    evidence = count_failed(pivot, failed, cases=cases, bounds=bounds)
    if evidence is None:
        return Ends(-inf, inf, 1.0)
    tail = (1 - confidence) / 2
    p_value = min(1.0, 2 * min(evidence.lower.p_above(0.0), evidence.upper.p_below(0.0)))
    return Ends(evidence.lower.low(tail), evidence.upper.high(tail), p_value)
