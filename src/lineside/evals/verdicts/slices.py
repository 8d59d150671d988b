"""Slices in which two runs differ, looked for and corrected for having looked at many."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from lineside.core import Record
from lineside.evals.compare import Pairing
from lineside.evals.measures import Sides
from lineside.evals.sheet import places_by_slice
from lineside.evals.slicewise import differences_by_slice
from lineside.stats import clusters as clustering
from lineside.stats import multiplicity, np, pivots

CASES_MIN = 10
SLICES_MAX = 200
_UNITS_MIN = 3


class SliceEffect(Record):
    """How the candidate differs from the baseline within one slice.

    Attributes:
        low: None where the cases of the slice cannot bound the truth, as is `high`.
        p_adjusted: Against no difference within; of those below 0.05 at most that part are false.
        p_unlike_rest: The same against "the slice differs by as much as all other cases".
        is_clear: Whether the difference within stands out after the correction.
        is_unlike_rest: Whether the slice fares surely better or worse than the rest.
    """

    slice: str
    value: str
    cases: int
    baseline: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    p_adjusted: float
    p_unlike_rest: float
    is_clear: bool
    is_unlike_rest: bool


class SliceSearch(Record):
    """Every slice that was large enough to be judged, the surest differences first.

    Attributes:
        too_small: How many slices have fewer than 10 scored cases.
        left_out: How many more there were than are looked at.
    """

    effects: list[SliceEffect]
    too_small: int
    left_out: int


def find_slices(pairing: Pairing, unit: str, *, alpha: float = 0.05) -> SliceSearch:
    """Look through all slices of the cases, and say which differences cannot be luck.

    The correction is that of Benjamini and Yekutieli, because slices overlap. A slice's interval is
    its own, at 95 %.

    Args:
        unit: Of the score.
    """
    after, sides = pairing.after, Sides.of(pairing, unit)
    differences = differences_by_slice(pairing, unit)
    members = {
        (name, value): places
        for name, values in places_by_slice(after.slices, after.slice_codes).items()
        for value, places in values.items()
    }
    large = {key: places for key, places in members.items() if len(places) >= CASES_MIN}
    kept = sorted(large, key=lambda key: -len(large[key]))[:SLICES_MAX]
    codes = None if after.clusters is None else codes_of(after.clusters)
    within = [differences[name][value] for name, value in kept]
    change = sides.after - sides.before
    unlike = [p_unlike_rest(change, large[key], codes) for key in kept]
    p_within = multiplicity.benjamini_yekutieli([found.p_value for found in within])
    p_unlike = multiplicity.benjamini_yekutieli(unlike)
    effects = [
        SliceEffect(
            slice=name,
            value=value,
            cases=found.cases,
            baseline=float(pairing.before[large[name, value]].mean()),
            candidate=float(after.values[large[name, value]].mean()),
            difference=found.value,
            low=found.low if isfinite(found.low) else None,
            high=found.high if isfinite(found.high) else None,
            p_adjusted=p_inside,
            p_unlike_rest=p_rest,
            is_clear=p_inside < alpha,
            is_unlike_rest=p_rest < alpha,
        )
        for (name, value), found, p_inside, p_rest in zip(
            kept, within, p_within, p_unlike, strict=True
        )
    ]
    effects.sort(key=lambda one: (min(one.p_unlike_rest, one.p_adjusted), one.slice, one.value))
    return SliceSearch(
        effects=effects, too_small=len(members) - len(large), left_out=len(large) - len(kept)
    )


def codes_of(keys: Sequence[str]) -> np.ndarray | None:
    """A number per case that is equal within a cluster; nothing where each stands for itself."""
    codes = np.unique(keys, return_inverse=True)[1]
    return codes if codes.max(initial=-1) + 1 < len(keys) else None


def p_unlike_rest(change: np.ndarray, rows: np.ndarray, codes: np.ndarray | None) -> float:
    """How likely a slice differs by so much from all other cases by luck, by whole clusters.

    The larger p-value of two t-tests. Welch's takes each side's own spread, and so takes a slice
    whose few cases all came out alike for known; the other takes the spread of all cases, which is
    that of each side if the slice is like the rest.
    """
    inside = np.zeros(change.size, dtype=bool)
    inside[rows] = True
    if (~inside).sum() < CASES_MIN:
        return 1.0
    parts = [_mean(change[chosen], _of(codes, chosen)) for chosen in (inside, ~inside)]
    spread = sum(variance for _, variance, _ in parts)
    pooled, units = _pooled(change, inside, codes)
    if pooled == 0 or not isfinite(spread) or units < _UNITS_MIN:
        return 1.0
    difference = abs(parts[0][0] - parts[1][0])
    p_value = 2 * pivots.upper_tail(difference / float(np.sqrt(pooled)), units - 2.0)
    if spread > 0:
        freedom = spread**2 / sum(variance**2 / df for _, variance, df in parts if variance)
        p_welch = 2 * pivots.upper_tail(difference / float(np.sqrt(spread)), freedom)
        p_value = max(p_value, p_welch)
    return min(1.0, p_value)


def _pooled(change: np.ndarray, inside: np.ndarray, codes: np.ndarray | None) -> tuple[float, int]:
    """Squared error of the difference if both sides are alike, and the independent units."""
    rest = change - change.mean()
    sums = rest if codes is None else np.bincount(codes, weights=rest)
    of_case = float(sums @ sums) / change.size * sums.size / max(1, sums.size - 1)
    return of_case * (1 / inside.sum() + 1 / (~inside).sum()), sums.size


def _of(codes: np.ndarray | None, chosen: np.ndarray) -> np.ndarray | None:
    return None if codes is None else np.unique(codes[chosen], return_inverse=True)[1]


def _mean(change: np.ndarray, codes: np.ndarray | None) -> tuple[float, float, float]:
    """Mean, squared error and degrees of freedom."""
    if codes is None:
        return float(change.mean()), float(change.var(ddof=1)) / change.size, change.size - 1.0
    error = clustering.clustered_error(change, codes)
    return float(change.mean()), error.variance, error.df
