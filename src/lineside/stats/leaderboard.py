"""Who is surely ahead of whom, when many are compared over the same cases."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.clusters import clustered_error
from lineside.stats.intervals import Interval, mean_interval
from lineside.stats.paired import PairedDifference, paired_difference, paired_pivot
from lineside.stats.pivots import critical, upper_tail
from lineside.stats.samples import (
    Codes,
    Numbers,
    check_confidence,
    is_binary,
    read_clusters,
    read_values,
)

ENTRIES_MAX = 60
DRAWS = 20_000


@dataclass(frozen=True)
class LeaderboardEntry:
    """One of those compared.

    Args:
        mean: Its mean score; the intervals of all entries hold all their truths at once.
        rank_best: The best rank it may truly have, 1 being the first.
        rank_worst: The worst rank it may truly have.
        tied_with: Those of which neither it is surely better nor they.
    """

    name: str
    mean: Interval
    rank_best: int
    rank_worst: int
    tied_with: tuple[str, ...]


@dataclass(frozen=True)
class LeaderboardPair:
    """Two of those compared: the first of them has the higher mean.

    Args:
        difference: Second as baseline, first as candidate; the intervals of all pairs hold at once.
        p_adjusted: Two-sided, adjusted for having looked at all pairs.
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
            `confidence`.
        n: Independent units: clusters where there are clusters, else cases.
    """

    entries: tuple[LeaderboardEntry, ...]
    pairs: tuple[LeaderboardPair, ...]
    confidence: float
    pair_confidence: float
    n: int


def leaderboard(
    scores: Mapping[str, Iterable[float]],
    *,
    lower_is_better: bool = False,
    confidence: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = None,
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

    Args:
        scores: The scores of each entry; position i is the same case in all of them.
        lower_is_better: For cost or latency: the lowest mean comes first.
        bounds: Lowest and highest possible score, as in `mean_interval`.
        draws: Draws of the largest statistic; 20,000 place a 95 % level within a tenth of a point.

    Raises:
        Invalid: `bad_count` for fewer than 2 entries or more than 60, `lengths_differ`,
            `too_few_cases` below 2 independent units, and what `mean_interval` raises.
    """
    check_confidence(confidence)
    rows = {name: read_values(row, name=f"scores of {name}") for name, row in scores.items()}
    if not 2 <= len(rows) <= ENTRIES_MAX:
        raise Invalid("bad_count", f"A leaderboard has 2 to {ENTRIES_MAX} entries: {len(rows)}")
    sizes = {name: row.size for name, row in rows.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise Invalid("lengths_differ", f"All entries must score the same cases: {listed}")
    sign = -1 if lower_is_better else 1
    names = sorted(rows, key=lambda name: (-sign * rows[name].mean(), name))
    table = np.stack([rows[name] for name in names])
    codes = read_clusters(clusters, table.shape[1])
    units, df = _units(table, codes)
    drawn = _Simultaneous(_covariance(table, codes), df, draws=draws, seed=seed)

    at_once = drawn.level(drawn.pairs_max, confidence)
    pairs = tuple(
        _pair(
            (names[one], names[two]),
            paired_difference(
                table[two],
                table[one],
                confidence=at_once,
                clusters=clusters,
                method="auto" if is_binary(table[[one, two]]) else "t",
                bounds=bounds,
            ),
            drawn,
            sign=sign,
        )
        for one, two in combinations(range(len(names)), 2)
    )
    alone = drawn.level(drawn.means_max, confidence)
    means = [
        mean_interval(
            row,
            confidence=alone,
            clusters=clusters,
            method="auto" if is_binary(row) else "t",
            bounds=bounds,
        )
        for row in table
    ]
    entries = tuple(_entry(name, mean, pairs) for name, mean in zip(names, means, strict=True))
    return Leaderboard(entries, pairs, confidence, at_once, units)


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
    names: tuple[str, str], difference: PairedDifference, drawn: _Simultaneous, *, sign: int
) -> LeaderboardPair:
    is_tie = not (difference.low > 0 if sign > 0 else difference.high < 0)
    # McNemar's exact p-value could contradict the interval, which ties are read from.
    pivot = paired_pivot(difference)
    p_value = min(1.0, 2 * min(pivot.p_above(0.0), pivot.p_below(0.0)))
    return LeaderboardPair(*names, difference, drawn.adjusted(p_value), is_tie)


def _entry(name: str, mean: Interval, pairs: tuple[LeaderboardPair, ...]) -> LeaderboardEntry:
    ahead = sum(pair.second == name and not pair.is_tie for pair in pairs)
    tied = tuple(
        pair.second if pair.first == name else pair.first
        for pair in pairs
        if pair.is_tie and name in {pair.first, pair.second}
    )
    return LeaderboardEntry(name, mean, 1 + ahead, 1 + ahead + len(tied), tied)


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
