"""How sure we are of a percentile, such as the latency that 95 % of the cases keep below."""

from collections.abc import Sequence
from math import ceil, inf

from lineside.stats import Interval, mean_interval


def quantile_interval(
    values: Sequence[float],
    share: float,
    *,
    missing: int = 0,
    clusters: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Say between which values the true quantile lies, without presuming any distribution.

    The ends are order statistics: how many of n cases lie below the quantile is binomial (David and
    Nagaraja, "Order Statistics", 2003, section 7.1). With clusters, the interval of the share of
    cases below the estimate is carried over to the values (Woodruff, "Confidence intervals for
    medians and other position measures", JASA 47, 1952), made cluster-robust. Missing values may
    lie anywhere: the low end takes them as the lowest, the high end as the highest. An end is
    infinite where there are too few cases for it; see `cases_for_upper_end`.

    Args:
        share: The quantile as a share, such as 0.95.
        missing: Cases that should have a value and have none.
    """
    row = sorted(values)
    n = len(row) + missing
    value = row[min(len(row) - 1, max(0, ceil(share * len(row)) - 1))]
    tail = (1 - confidence) / 2
    if clusters is None:
        low_rank, high_rank = _ranks(n, share, tail)
        method = "order_statistic"
    else:
        low_rank, high_rank = _clustered_ranks(values, value, share, clusters, n, confidence)
        method = "order_statistic_clustered"
    # Ranks count from 1. For the low end missing values stand before all others, else behind.
    low_at, high_at = low_rank - missing, high_rank
    low = row[low_at - 1] if low_at >= 1 else -inf
    high = row[high_at - 1] if high_at <= len(row) else inf
    units = len(row) if clusters is None else len(set(clusters))
    return Interval(value, low, high, confidence, units, method, cases=len(row))


def cases_for_upper_end(share: float, *, confidence: float = 0.95) -> int:
    """How many cases a quantile needs before its interval has an upper end."""
    tail, n = (1 - confidence) / 2, 1
    while share**n > tail:
        n += 1
    return n


def _ranks(n: int, share: float, tail: float) -> tuple[int, int]:
    """The ranks that enclose the quantile; 0 and n + 1 where there is none."""
    # At least `low` of the n cases lie below it and at most `high - 1`, each with 1 - tail.
    return _fewest(tail, n, share), _fewest(1 - tail, n, share) + 1


def _fewest(chance: float, n: int, share: float) -> int:
    """The smallest count that at most so many of n lie below with at least this chance."""
    # All of scipy.stats would take half a second to load, which a page would wait for.
    from scipy.special import bdtr

    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtr(middle, n, share) >= chance else (middle + 1, high)
    return low


def _clustered_ranks(
    values: Sequence[float],
    value: float,
    share: float,
    clusters: Sequence[str],
    n: int,
    confidence: float,
) -> tuple[int, int]:
    below = [float(item <= value) for item in values]
    spread = mean_interval(below, confidence=confidence, clusters=clusters, method="wilson")
    low, high = share - (spread.value - spread.low), share + (spread.high - spread.value)
    return max(0, int(low * n)), min(n + 1, ceil(high * n) + 1 if high < 1 else n + 1)
