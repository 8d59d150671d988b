"""Whether some slice of the cases is served worse than another."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.intervals import Interval, mean_interval, pivot_of
from lineside.stats.pivots import Pivot, bisect
from lineside.stats.samples import check_confidence, read_values


@dataclass(frozen=True)
class SliceGap:
    """The largest gap between the means of two slices, and how sure we are of it.

    With fewer than two slices large enough there is no gap: `value`, `low`, `high`, `best` and
    `worst` are None. The observed gap itself leans high, because the extremes were picked; the
    interval allows for that.

    Args:
        best: The slice with the highest mean.
        worst: The slice with the lowest mean.
        slices: The mean of every slice that was large enough, each at `confidence` on its own.
        left_out: Slices with fewer than `min_cases` cases, and how many each has.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    best: str | None
    worst: str | None
    slices: Mapping[str, Interval]
    left_out: Mapping[str, int]
    min_cases: int

    @property
    def n(self) -> int:
        return sum(interval.n for interval in self.slices.values())


@dataclass(frozen=True)
class GapPivot:
    """The largest gap as a statistic, from the independent estimates of the slices.

    A pair's ends come from the ends of its two slices by the method of variance estimates recovery
    (Newcombe, Statistics in Medicine 17, 1998, pages 873-890, method 10; Zou and Donner, Statistics
    in Medicine 27, 2008). The high end is the highest of all pairs and needs no correction: the
    truly extreme pair is one of them, and its own end covers it. The low end is the highest low end
    of all ordered pairs, each at `tail` divided by their number (Bonferroni), because any of them
    could jump up by luck.
    """

    parts: tuple[Pivot, ...]

    @property
    def value(self) -> float:
        means = [part.value for part in self.parts]
        return max(means) - min(means)

    def low(self, tail: float) -> float:
        return max(0.0, self._pairs_low(tail / self._ordered_pairs))

    def high(self, tail: float) -> float:
        return self._pairs_high(tail)

    def p_above(self, limit: float) -> float:
        p_pair = self._solve(lambda tail: self._pairs_low(tail) - limit)
        return min(1.0, p_pair * self._ordered_pairs)

    def p_below(self, limit: float) -> float:
        return self._solve(lambda tail: limit - self._pairs_high(tail))

    def scaled(self, factor: float) -> GapPivot:
        return GapPivot(tuple(part.scaled(factor) for part in self.parts))

    @property
    def _ordered_pairs(self) -> int:
        return len(self.parts) * (len(self.parts) - 1)

    def _pairs_low(self, tail: float) -> float:
        return self._extreme(tail, sign=-1)

    def _pairs_high(self, tail: float) -> float:
        return self._extreme(tail, sign=1)

    def _extreme(self, tail: float, *, sign: int) -> float:
        """Return the highest low (sign -1) or high (sign 1) end over all ordered pairs."""
        mean = np.array([part.value for part in self.parts])
        down = mean - np.array([part.low(tail) for part in self.parts])
        up = np.array([part.high(tail) for part in self.parts]) - mean
        first, second = (up, down) if sign > 0 else (down, up)
        reach = np.hypot(first[:, None], second[None, :])
        ends = mean[:, None] - mean[None, :] + sign * reach
        np.fill_diagonal(ends, -np.inf)
        return float(ends.max())

    def _solve(self, clearance: Callable[[float], float]) -> float:
        """Return the smallest tail at which the end still clears; 1 where a coin toss would do."""
        if clearance(0.5) < 0:
            return 1.0
        # Tails are searched by exponent: they span from certainty to a coin toss.
        exponent = bisect(lambda power: clearance(10.0**power), -15.0, float(np.log10(0.5)))
        return float(10.0**exponent)


def gap_pivot(gap: SliceGap) -> GapPivot:
    return GapPivot(tuple(pivot_of(interval) for interval in gap.slices.values()))


def slice_gap(
    values: Iterable[float],
    slices: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    min_cases: int = 10,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
) -> SliceGap:
    """Say how far apart the best and the worst slice are, honest about having picked them.

    Both ends come from intervals over all pairs (see `GapPivot`); resampling the largest gap would
    centre on a value that is too high. The interval is cautious: with many equal slices it covers
    far more often than `confidence`. Slices are taken as independent; clusters are respected within
    a slice.

    Args:
        slices: The slice of each case, such as its channel.
        min_cases: Slices with fewer cases are left out and named, never judged.
        bounds: Lowest and highest possible score, as in `mean_interval`.

    Raises:
        Invalid: `lengths_differ`, `bad_count`, and what `mean_interval` raises.
    """
    check_confidence(confidence)
    row = read_values(values)
    if len(slices) != row.size:
        raise Invalid("lengths_differ", f"There are {row.size} values but {len(slices)} slices")
    if min_cases < 2:
        raise Invalid("bad_count", f"A slice needs at least 2 cases to be judged: {min_cases}")
    members: dict[str, list[int]] = {}
    for at, name in enumerate(slices):
        members.setdefault(str(name), []).append(at)
    intervals = {
        name: mean_interval(
            row[rows],
            confidence=confidence,
            clusters=None if clusters is None else [clusters[at] for at in rows],
            bounds=bounds,
            seed=seed,
        )
        for name, rows in members.items()
        if len(rows) >= min_cases
    }
    left_out = {name: len(rows) for name, rows in members.items() if len(rows) < min_cases}
    if len(intervals) < 2:
        return SliceGap(None, None, None, confidence, None, None, intervals, left_out, min_cases)
    pivot = GapPivot(tuple(pivot_of(interval) for interval in intervals.values()))
    tail = (1 - confidence) / 2
    return SliceGap(
        value=pivot.value,
        low=pivot.low(tail),
        high=pivot.high(tail),
        confidence=confidence,
        best=max(intervals, key=lambda name: intervals[name].value),
        # Of equal slices the last one, so that two are named.
        worst=min(reversed(intervals), key=lambda name: intervals[name].value),
        slices=intervals,
        left_out=left_out,
        min_cases=min_cases,
    )
