"""Who is surely ahead of whom, when many are compared over the same cases."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf
from typing import TYPE_CHECKING, Any

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.clusters import clustered_error
from lineside.stats.ends import difference_ends, mean_ends
from lineside.stats.intervals import Interval, mean_interval
from lineside.stats.paired import PairedDifference, paired_difference
from lineside.stats.pivots import critical, upper_tail
from lineside.stats.samples import (
    Codes,
    Numbers,
    check_confidence,
    is_binary,
    read_clusters,
    read_values,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENTRIES_MAX = 60
DRAWS = 20_000


@dataclass(frozen=True)
class LeaderboardEntry:
    """One of those compared.

    Args:
        mean: Its mean over the cases it scored; the intervals of all entries hold all their truths
            at once, whatever the cases that failed would have scored.
        rank_best: The best rank it may truly have, 1 being the first.
        rank_worst: The worst rank it may truly have.
        tied_with: Those of which neither it is surely better nor they.
        failed: Cases that gave it no score.
    """

    name: str
    mean: Interval
    rank_best: int
    rank_worst: int
    tied_with: tuple[str, ...]
    failed: int = 0


@dataclass(frozen=True)
class LeaderboardPair:
    """Two of those compared: the first of them has the higher mean.

    Args:
        difference: Second as baseline, first as candidate, over the cases that both scored; the
            intervals of all pairs hold at once, failed cases counted both ways.
        p_adjusted: Two-sided, adjusted for having looked at all pairs, and at this one repeatedly.
        is_tie: The interval holds 0.
    """

    first: str
    second: str
    difference: PairedDifference
    p_adjusted: float
    is_tie: bool


@dataclass(frozen=True)
class Leaderboard:
    """All entries, best mean first, and what is sure of their order.

    Args:
        pair_confidence: The level each pair's interval has on its own, so that all hold at
            `confidence`; higher for entries that were looked at several times.
        n: Independent units: clusters where there are clusters, else cases.
    """

    entries: tuple[LeaderboardEntry, ...]
    pairs: tuple[LeaderboardPair, ...]
    confidence: float
    pair_confidence: float
    n: int


def leaderboard(
    scores: Mapping[str, Iterable[float | None]],
    *,
    lower_is_better: bool = False,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = None,
    looks: Mapping[str, int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Leaderboard:
    """Rank releases or models over the same cases, showing as ties what the data cannot tell apart.

    All pairs are compared at once by the maximum of their t statistics, drawn from the multivariate
    t distribution with the correlations observed (Hothorn, Bretz and Westfall, "Simultaneous
    inference in general parametric models", Biometrical Journal 50, 2008; with independent entries
    it is Tukey's method). Each pair is then `paired_difference` at the level so found, and an
    entry's ranks count those surely better and surely worse (Mogstad, Romano, Shaikh and Wilhelm,
    "Inference for ranks", Review of Economic Studies 91, 2024): all true ranks lie within their
    ranges with a chance of at least `confidence`.

    Cases that an entry failed count both ways, as in a gate: it is ahead of another only if it
    would be with all of its own at the bottom and all of the other's at the top, and never where
    scores have no bounds. They come after those with as good a mean and fewer of them.

    Args:
        scores: The scores of each entry; position i is the same case in all of them, and None one
            that failed.
        lower_is_better: For cost or latency: the lowest mean comes first.
        bounds: Lowest and highest possible score, as in `mean_interval`.
        looks: How often an entry has been asked anew and looked at; 1 where it is left out. Its own
            interval is as wide as that takes, and that of a pair as often as either has changed, so
            that asking anew until an entry is ahead does not pay (Bonferroni over the looks).
        draws: Draws of the largest statistic; 20,000 place a 95 % level within a tenth of a point.

    Raises:
        Invalid: `bad_count` for fewer than 2 entries or more than 60, `lengths_differ`,
            `too_few_cases` below 2 independent units, and what `mean_interval` raises.
    """
    check_confidence(confidence)
    rows = {name: _read(name, row) for name, row in scores.items()}
    if not 2 <= len(rows) <= ENTRIES_MAX:
        raise Invalid("bad_count", f"A leaderboard has 2 to {ENTRIES_MAX} entries: {len(rows)}")
    sizes = {name: row.size for name, row in rows.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise Invalid("lengths_differ", f"All entries must score the same cases: {listed}")
    sign = -1 if lower_is_better else 1
    known = np.concatenate([row[~np.isnan(row)] for row in rows.values()])
    if bounds is None and is_binary(known):
        bounds = (0.0, 1.0)
    names = sorted(rows, key=lambda name: (-sign * _at_worst(rows[name], bounds, sign), name))
    table = np.stack([rows[name] for name in names])
    whole = ~np.isnan(table).any(axis=0)
    codes = read_clusters(clusters, table.shape[1])
    codes = None if codes is None else np.unique(codes[whole], return_inverse=True)[1]
    units, df = _units(table[:, whole], codes)
    drawn = _Simultaneous(_covariance(table[:, whole], codes), df, draws=draws, seed=seed)

    seen = [max(1, (looks or {}).get(name, 1)) for name in names]
    at_once = drawn.level(drawn.pairs_max, confidence)
    pairs = tuple(
        _pair(
            (names[one], names[two]),
            _difference(table[two], table[one], _each(at_once, times), clusters, bounds),
            drawn,
            times,
            sign=sign,
        )
        for one, two in combinations(range(len(names)), 2)
        for times in [seen[one] + seen[two] - 1]
    )
    alone = drawn.level(drawn.means_max, confidence)
    means = [
        _mean(row, _each(alone, times), clusters, bounds)
        for row, times in zip(table, seen, strict=True)
    ]
    entries = tuple(
        _entry(name, mean, pairs, failed=int(np.isnan(row).sum()))
        for name, mean, row in zip(names, means, table, strict=True)
    )
    return Leaderboard(entries, pairs, confidence, at_once, units)


def _read(name: str, row: Iterable[float | None]) -> Numbers:
    """The scores of an entry; a case that failed is not a number."""
    values = list(row)
    read_values([value for value in values if value is not None], name=f"scores of {name}")
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _at_worst(row: Numbers, bounds: tuple[float, float] | None, sign: int) -> float:
    """The mean with all failed cases as bad as can be, where that is known."""
    failed = np.isnan(row)
    worst = inf if bounds is None else bounds[0] if sign > 0 else bounds[1]
    return float(row[~failed].mean() if abs(worst) == inf else np.where(failed, worst, row).mean())


def _each(level: float, times: int) -> float:
    """The level of each of so many looks, for all of them to hold at `level`."""
    return level if times == 1 else 1 - (1 - level) / times


def _some(clusters: Sequence[Hashable] | None, kept: NDArray[Any]) -> list[Hashable] | None:
    return None if clusters is None else [clusters[at] for at in kept.nonzero()[0].tolist()]


def _mean(
    row: Numbers,
    confidence: float,
    clusters: Sequence[Hashable] | None,
    bounds: tuple[float, float] | None,
) -> Interval:
    kept = ~np.isnan(row)
    mean = mean_interval(
        row[kept],
        confidence=confidence,
        clusters=_some(clusters, kept),
        method="auto" if is_binary(row[kept]) else "t",
        bounds=bounds,
    )
    ends = mean_ends(mean, int((~kept).sum()), bounds=bounds)
    return replace(mean, low=ends.low, high=ends.high)


def _difference(
    before: Numbers,
    after: Numbers,
    confidence: float,
    clusters: Sequence[Hashable] | None,
    bounds: tuple[float, float] | None,
) -> tuple[PairedDifference, float]:
    """The difference with its ends, and its p-value."""
    kept = ~np.isnan(before) & ~np.isnan(after)
    found = paired_difference(
        before[kept],
        after[kept],
        confidence=confidence,
        clusters=_some(clusters, kept),
        method="auto" if is_binary(np.concatenate([before[kept], after[kept]])) else "t",
        bounds=bounds,
    )
    # McNemar's exact p-value could contradict the interval, which ties are read from.
    ends = difference_ends(found, int((~kept).sum()), bounds=bounds)
    return replace(found, low=ends.low, high=ends.high), ends.p_value


class _Simultaneous:
    """Draws of how far off all means may be at once."""

    def __init__(self, covariance: Numbers, df: float, *, draws: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        size = covariance.shape[0]
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        scale = np.sqrt(rng.chisquare(df, draws) / df)
        off = (rng.standard_normal((draws, size)) @ root.T) / scale[:, None]
        self.df = df
        self.means_max = np.zeros(draws)
        self.pairs_max = np.zeros(draws)
        own = np.diag(covariance)
        for at in range(size):
            if own[at] > 0:
                away = np.abs(off[:, at]) / np.sqrt(own[at])
                self.means_max = np.maximum(self.means_max, away)
            for to in range(at):
                spread = own[at] + own[to] - 2 * covariance[at, to]
                if spread > 1e-12 * (own[at] + own[to]):
                    away = np.abs(off[:, at] - off[:, to]) / np.sqrt(spread)
                    self.pairs_max = np.maximum(self.pairs_max, away)

    def level(self, largest: Numbers, confidence: float) -> float:
        """Return the level that one interval needs for all to hold at once."""
        reach = float(np.quantile(largest, confidence))
        return max(confidence, 1 - 2 * upper_tail(reach, self.df))

    def adjusted(self, p_value: float) -> float:
        """Return the chance that some pair stands out as much by luck."""
        reach = critical(max(p_value, 1e-15) / 2, self.df)
        return max(p_value, float((self.pairs_max >= reach).mean()))


def _pair(
    names: tuple[str, str],
    found: tuple[PairedDifference, float],
    drawn: _Simultaneous,
    times: int,
    *,
    sign: int,
) -> LeaderboardPair:
    difference, p_value = found
    is_tie = not (difference.low > 0 if sign > 0 else difference.high < 0)
    p_adjusted = min(1.0, drawn.adjusted(p_value) * times)
    return LeaderboardPair(*names, difference, p_adjusted, is_tie)


def _entry(
    name: str, mean: Interval, pairs: tuple[LeaderboardPair, ...], *, failed: int
) -> LeaderboardEntry:
    ahead = sum(pair.second == name and not pair.is_tie for pair in pairs)
    tied = tuple(
        pair.second if pair.first == name else pair.first
        for pair in pairs
        if pair.is_tie and name in {pair.first, pair.second}
    )
    return LeaderboardEntry(name, mean, 1 + ahead, 1 + ahead + len(tied), tied, failed)


def _covariance(table: Numbers, codes: Codes | None) -> Numbers:
    """Return the covariance of the means, of whole clusters where there are clusters."""
    away = table - table.mean(axis=1, keepdims=True)
    cases = table.shape[1]
    if codes is None:
        return np.asarray(away @ away.T / (cases * (cases - 1)))
    sums = np.stack([np.bincount(codes, weights=row) for row in away])
    share = np.bincount(codes) / cases
    return np.asarray((sums / (1 - share)) @ sums.T / cases**2)


def _units(table: Numbers, codes: Codes | None) -> tuple[int, float]:
    cases = table.shape[1]
    units, df = cases, cases - 1.0
    if codes is not None:
        error = clustered_error(table[0], codes)
        units, df = error.count, error.df
    if units < 2:
        raise Invalid(
            "too_few_cases",
            f"A leaderboard needs at least 2 independent cases or clusters: {units}",
        )
    return units, df
