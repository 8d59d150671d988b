"""Buckets of histograms: how exponential ones lie, and what share of the values lies below. Pure.

As OpenTelemetry's data model has it: at a scale, the base is 2^(2^-scale), and the bucket of an
index holds what is above base^index and at most base^(index + 1).
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

SCALE_LEAST, SCALE_MOST = -10, 20

Exponential = Mapping[tuple[int, int], int]
"""How many values a scale's bucket of an index holds."""


class ValueBucket(NamedTuple):
    """How many values lie above one number and at most at another.

    Attributes:
        low: Nothing where it has no lower end; `high` likewise.
        is_exponential: Whether values in it spread evenly by their logarithm.
    """

    low: float | None
    high: float | None
    values: int
    is_exponential: bool = False


def exponential_buckets(counts: Exponential) -> list[ValueBucket]:
    """Buckets of any scales put together at the coarsest of them, as which all can be read."""
    scale = min((scale for scale, _ in counts), default=0)
    merged: dict[int, int] = {}
    for (finer, index), count in counts.items():
        coarse = index >> (finer - scale)
        merged[coarse] = merged.get(coarse, 0) + count
    return [
        ValueBucket(_bound(scale, index), _bound(scale, index + 1), count, is_exponential=True)
        for index, count in merged.items()
    ]


def quantiles(buckets: Iterable[ValueBucket], shares: Sequence[float]) -> list[float | None]:
    """For each share from 0 to 1, about below which value that part of all values lies.

    Exact is only the bucket: inside one, values are taken to spread evenly. Above the last number
    that an ordinary histogram names, that number is all that is known.
    """
    filled = sorted((one for one in buckets if one.values > 0), key=_place)
    total = sum(one.values for one in filled)
    return [_quantile(filled, share * total) if total else None for share in shares]


def _quantile(filled: list[ValueBucket], rank: float) -> float | None:
    below = 0
    for one in filled:
        if below + one.values >= rank:
            return _inside(one, (rank - below) / one.values)
        below += one.values
    return _inside(filled[-1], 1.0)


def _inside(bucket: ValueBucket, part: float) -> float | None:
    high = bucket.high
    if high is None:
        return bucket.low
    low = min(0.0, high) if bucket.low is None else bucket.low
    if bucket.is_exponential and low > 0:
        return float(low * (high / low) ** part)
    return low + (high - low) * part


def _place(bucket: ValueBucket) -> tuple[float, float]:
    low = -sys.float_info.max if bucket.low is None else bucket.low
    return low, sys.float_info.max if bucket.high is None else bucket.high


def _bound(scale: int, index: int) -> float:
    try:
        return float(2.0 ** (index * 2.0**-scale))
    except OverflowError:
        return sys.float_info.max
