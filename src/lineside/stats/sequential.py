"""Looking before all cases are in, as often as one likes, without fooling oneself.

A 95 % interval that is looked at ten times leaves the truth out in nearly 20 %. Alpha spending
says how much wider it must be at each look so that all looks together are wrong in 5 %, whenever
they happen to take place. At a look, `look_at` says whether to stop; or judge a rule as ever, at
the confidence that `sequential_looks` gives for that look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, isfinite, sqrt
from typing import Literal

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.findings import Decision
from lineside.stats.intervals import Interval, pivot_of
from lineside.stats.paired import PairedDifference, paired_pivot
from lineside.stats.pivots import bisect, critical, upper_tail
from lineside.stats.samples import Numbers, check_confidence
from lineside.stats.wording import Direction

Spending = Literal["obrien_fleming", "pocock"]

LOOKS_MAX = 50
FRACTION_STEP_MIN = 1e-3
Z_MAX = 8.0


@dataclass(frozen=True)
class Look:
    """What it takes to stop at one look.

    Args:
        fraction: Information there is, as a part of that planned.
        bound: How many standard errors from a limit settle it, in either direction.
        confidence: The level of an ordinary interval that is as wide as `bound` says.
        alpha_spent: The chance of a false alarm up to here, both sides together.
        futility: At or below so many standard errors above the limit, it is no longer likely to be
            cleared; None where futility is not asked for or nothing of it is spent yet.
    """

    fraction: float
    bound: float
    confidence: float
    alpha_spent: float
    futility: float | None = None


@dataclass(frozen=True)
class LookOutcome:
    """What a look says: stop because it is settled, stop because it is futile, or go on.

    Args:
        decision: `ship` and `hold` settle it; `more` does not.
        is_futile: Not settled, yet unlikely to ship. Going on is allowed: the chance of a false
            ship does not grow.
        is_over: Nothing is left to spend: no further look counts.
        low: Ends of the repeated confidence interval: all of them over all looks hold the truth
            together, as often as the plan's confidence says.
        z: Standard errors between estimate and threshold, positive on the side that ships.
    """

    decision: Decision
    is_futile: bool
    is_over: bool
    value: float
    low: float
    high: float
    z: float
    look: Look

    @property
    def may_stop(self) -> bool:
        return self.decision != "more" or self.is_futile or self.is_over


def look_at(
    estimate: Interval | PairedDifference,
    threshold: float,
    direction: Direction,
    fractions: Sequence[float],
    *,
    confidence: float = 0.95,
    spending: Spending = "obrien_fleming",
    futility: Spending | None = None,
    power: float = 0.8,
    is_last: bool = False,
) -> LookOutcome:
    """Say at a look whether the question is settled, with the interval that looking allows.

    The interval is the repeated confidence interval of Jennison and Turnbull, "Interim analyses:
    the repeated confidence interval approach", Journal of the Royal Statistical Society B 51
    (1989): it holds whatever the reason to stop, and the decision is read from it.

    Args:
        fractions: Information at every look so far, this one last: cases scored divided by the
            cases planned (clusters by clusters). They need not have been planned.
        is_last: No look will follow; all that is left is spent here.

    Raises:
        Invalid: as `sequential_looks`; `not_finite` for an estimate without an interval.
    """
    if not (isfinite(estimate.low) and isfinite(estimate.high) and isfinite(threshold)):
        raise Invalid("not_finite", "An estimate that bounds nothing cannot be looked at")
    if direction not in {">=", "<="}:
        raise Invalid("bad_direction", f"A direction is `>=` or `<=`: `{direction}`")
    looks = sequential_looks(
        fractions,
        confidence=confidence,
        spending=spending,
        futility=futility,
        power=power,
        is_last=is_last,
    )
    look = looks[-1]
    pivot = paired_pivot(estimate) if isinstance(estimate, PairedDifference) else pivot_of(estimate)
    tail = (1 - look.confidence) / 2
    low, high = pivot.low(tail), pivot.high(tail)
    above, below = pivot.p_above(threshold), pivot.p_below(threshold)
    passing, failing = (above, below) if direction == ">=" else (below, above)
    decision: Decision = "ship" if passing <= tail else "hold" if failing < tail else "more"
    z = critical(max(min(passing, failing), 1e-300), None) * (1 if passing < failing else -1)
    return LookOutcome(
        decision=decision,
        is_futile=decision == "more" and look.futility is not None and z <= look.futility,
        is_over=is_last or look.fraction >= 1,
        value=estimate.value,
        low=low,
        high=high,
        z=z,
        look=look,
    )


def sequential_looks(
    fractions: Sequence[float],
    *,
    confidence: float = 0.95,
    spending: Spending = "obrien_fleming",
    futility: Spending | None = None,
    power: float = 0.8,
    is_last: bool = False,
) -> tuple[Look, ...]:
    """Return what it takes to stop at each look, given how much information each had.

    Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983), with
    their spending functions: `obrien_fleming` spends next to nothing early and ends within 2 % of
    the ordinary interval; `pocock` spends evenly and stops earlier at the price of a wider end.
    Bounds are symmetric. Futility is non-binding and spends `1 - power` by the same functions, at
    the effect which looks at these fractions and at 1 would find with that power (Pampallona,
    Tsiatis and Kim, Drug Information Journal 35, 2001). The integration is that of Armitage,
    McPherson and Rowe, Journal of the Royal Statistical Society A 132 (1969).

    Args:
        fractions: Rising; beyond 1 where more cases came than planned.
        is_last: Spend all that is left at the last of them, though it is below 1.

    Raises:
        Invalid: `bad_fractions`, `bad_power`, `bad_spending`, `bad_confidence`.
    """
    check_confidence(confidence)
    times = _read_fractions(fractions)
    for function in (spending, *([futility] if futility else [])):
        if function not in {"obrien_fleming", "pocock"}:
            raise Invalid("bad_spending", f"Spend by `obrien_fleming` or `pocock`: `{function}`")
    spent = _spent_by(times, (1 - confidence) / 2, spending, is_last=is_last)
    bounds = _bounds(times, spent)
    lower: list[float | None] = [None] * times.size
    if futility is not None:
        _check_power(power)
        ends, tops = times, bounds
        if times[-1] < 1 and not is_last:
            # The effect is that which one more look, at all cases, would find.
            ends = np.append(times, max(1.0, times[-1] + FRACTION_STEP_MIN))
            tops = _bounds(ends, _spent_by(ends, (1 - confidence) / 2, spending, is_last=True))
        lower = _futility(times, bounds, futility, power, drift=_drift(ends, tops, power))
    return tuple(
        Look(
            fraction=float(time),
            bound=bound,
            confidence=1 - 2 * upper_tail(bound, None),
            alpha_spent=2 * float(alpha),
            futility=low,
        )
        for time, bound, alpha, low in zip(times, bounds, spent, lower, strict=True)
    )


def information_factor(
    fractions: Sequence[float],
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    spending: Spending = "obrien_fleming",
) -> float:
    """Return how many times the cases of a plan with one look these looks need for its power.

    Jennison and Turnbull, "Group Sequential Methods" (2000), chapter 2. The last fraction must be
    1; a plan whose looks are not known yet is close to one with as many even looks.

    Raises:
        Invalid: as `sequential_looks`, and `bad_fractions` where the last is not 1.
    """
    check_confidence(confidence)
    _check_power(power)
    times = _read_fractions(fractions)
    if times[-1] != 1:
        raise Invalid("bad_fractions", f"The last look must be at all cases: `{times[-1]}`")
    bounds = _bounds(times, _spent_by(times, (1 - confidence) / 2, spending, is_last=True))
    alone = critical((1 - confidence) / 2, None) + critical(1 - power, None)
    return (_drift(times, bounds, power) / alone) ** 2


def crossing_chances(
    fractions: Sequence[float],
    upper: Sequence[float],
    lower: Sequence[float] | None = None,
    *,
    drift: float = 0.0,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the chance of crossing the upper and the lower bound first at each look.

    Args:
        lower: Without it, the mirror image of `upper`.
        drift: Expected standard errors from the limit once all information is there.

    Raises:
        Invalid: `bad_fractions`, `lengths_differ`.
    """
    times = _read_fractions(fractions)
    floor = [-bound for bound in upper] if lower is None else list(lower)
    if not len(upper) == len(floor) == times.size:
        raise Invalid("lengths_differ", f"There are {times.size} looks but {len(upper)} bounds")
    walk = _Walk(drift)
    above, below = [], []
    for time, high, low in zip(times, upper, floor, strict=True):
        above.append(walk.above(time, high))
        below.append(walk.below(time, low))
        walk = walk.continued(time, low, high)
    return tuple(above), tuple(below)


class _Walk:
    """Where the estimate may stand, given that no look so far has stopped.

    A standardised estimate times the root of its information is a random walk with normal steps.
    Its density is kept on Gauss-Legendre nodes between the last bounds.
    """

    def __init__(
        self,
        drift: float,
        time: float = 0.0,
        nodes: Numbers | None = None,
        mass: Numbers | None = None,
    ) -> None:
        self.drift = drift
        self.time = time
        self.nodes = np.zeros(1) if nodes is None else nodes
        self.mass = np.ones(1) if mass is None else mass

    def above(self, time: float, z: float) -> float:
        return self._beyond(time, z, sign=1)

    def below(self, time: float, z: float) -> float:
        return self._beyond(time, z, sign=-1)

    def continued(self, time: float, low: float, high: float) -> _Walk:
        """Return the walk among those that this look does not stop."""
        spread, centre = sqrt(time - self.time), self.drift * time
        bottom = max(low * sqrt(time), centre - Z_MAX * sqrt(time))
        top = min(high * sqrt(time), centre + Z_MAX * sqrt(time))
        if top <= bottom:
            return _Walk(self.drift, time, np.zeros(1), np.zeros(1))
        # Nodes at a third of a step's deviation integrate it to nine digits.
        places, weights = _nodes(max(2, ceil(3 * (top - bottom) / spread / 32)))
        nodes = (top + bottom) / 2 + (top - bottom) / 2 * places
        step = nodes[:, None] - self.nodes[None, :] - self.drift * (time - self.time)
        density = np.exp(-0.5 * (step / spread) ** 2) / (spread * sqrt(2 * np.pi))
        return _Walk(self.drift, time, nodes, density @ self.mass * weights * (top - bottom) / 2)

    def _beyond(self, time: float, z: float, *, sign: int) -> float:
        from scipy.special import ndtr

        away = z * sqrt(time) - self.nodes - self.drift * (time - self.time)
        return float(self.mass @ ndtr(-sign * away / sqrt(time - self.time)))


@cache
def _nodes(blocks: int) -> tuple[Numbers, Numbers]:
    places, weights = np.polynomial.legendre.leggauss(min(1_024, 32 * blocks))
    return places, weights


def _bounds(times: Numbers, spent: Numbers) -> list[float]:
    """Return the symmetric bounds that spend on each side what is to be spent by each look."""
    walk, bounds, before = _Walk(0.0), list[float](), 0.0
    for time, after in zip(times, spent, strict=True):
        share = after - before
        bound = Z_MAX
        if share > 1e-14:
            bound = bisect(lambda z: share - walk.above(time, z), 0.0, Z_MAX)  # noqa: B023 # called at once
        bounds.append(bound)
        walk, before = walk.continued(time, -bound, bound), after
    return bounds


def _futility(
    times: Numbers, bounds: list[float], spending: Spending, power: float, *, drift: float
) -> list[float | None]:
    spent = _spent_by(times, 1 - power, spending, is_last=False)
    walk, lower, before = _Walk(drift), list[float | None](), 0.0
    for time, high, after in zip(times, bounds, spent, strict=True):
        share, low = after - before, -Z_MAX
        if share > 1e-14:
            low = bisect(lambda z: walk.below(time, z) - share, -Z_MAX, high)  # noqa: B023 # called at once
        lower.append(low if low > -Z_MAX else None)
        walk, before = walk.continued(time, low, high), after
    return lower


def _drift(times: Numbers, bounds: list[float], power: float) -> float:
    floor = [-Z_MAX] * times.size

    def shortfall(drift: float) -> float:
        return sum(crossing_chances(times.tolist(), bounds, floor, drift=drift)[0]) - power

    low, high = 0.0, 12.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if shortfall(middle) < 0 else (low, middle)
    return (low + high) / 2


def _spent_by(times: Numbers, alpha: float, spending: Spending, *, is_last: bool) -> Numbers:
    """Return the part of a one-sided alpha that is spent by each fraction of the information."""
    part = np.minimum(times, 1.0)
    if is_last:
        part = np.append(part[:-1], 1.0)
    if spending == "pocock":
        return np.asarray(alpha * np.log1p((np.e - 1) * part))
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(-critical(alpha / 2, None) / np.sqrt(part)))


def _read_fractions(fractions: Sequence[float]) -> Numbers:
    times = np.asarray(list(fractions), dtype=float)
    if not 1 <= times.size <= LOOKS_MAX:
        raise Invalid("bad_fractions", f"Looks must be 1 to {LOOKS_MAX}: {times.size}")
    steps = np.diff(times, prepend=0.0)
    if not (np.isfinite(times).all() and (steps >= FRACTION_STEP_MIN).all()):
        raise Invalid(
            "bad_fractions",
            f"Fractions must rise from look to look by at least {FRACTION_STEP_MIN}: "
            f"{', '.join(f'{time:g}' for time in times)}",
            hint="Pass cases scored divided by cases planned, for every look so far",
        )
    return times


def _check_power(power: float) -> None:
    if not 0.5 <= power < 1:
        raise Invalid("bad_power", f"Power must lie between 0.5 and 1: `{power}`")
