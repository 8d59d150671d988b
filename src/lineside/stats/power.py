"""How many cases it takes to be sure."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt

from lineside.core import Invalid
from lineside.stats.arrays import np
from lineside.stats.pivots import PairedRatePivot, Pivot, critical, upper_tail
from lineside.stats.samples import check_confidence

CASES_MAX = 100_000
EXACT_CASES_MAX = 5_000


def cases_needed_for_rate(
    rate: float,
    threshold: float,
    *,
    confidence: float = 0.95,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> int | None:
    """Say how many cases, all told, it takes until Wilson's interval leaves the threshold behind.

    If the true rate is `rate`, that many cases settle the question with a chance of `power`: the
    low end clears a threshold below the rate, or the high end misses one above it. Up to 5,000
    cases the chance is the exact binomial one, and holds for every larger count too (it goes up and
    down in small steps); beyond, the normal formula of Fleiss, Levin and Paik, "Statistical Methods
    for Rates and Proportions" (2003), section 2.5, without continuity correction.

    Returns:
        None where no count up to `cases_max` will do, as when the rate equals the threshold.
    """
    _check(confidence, power)
    if not (0 <= rate <= 1 and 0 < threshold < 1):
        raise Invalid(
            "bad_rate", f"Rate and threshold must lie within 0 to 1: `{rate}`, `{threshold}`"
        )
    if rate == threshold:
        return None
    if rate < threshold:
        rate, threshold = 1 - rate, 1 - threshold
    z_alpha, z_beta = critical((1 - confidence) / 2, None), critical(1 - power, None)
    under_threshold = z_alpha * sqrt(threshold * (1 - threshold))
    under_rate = z_beta * sqrt(rate * (1 - rate))
    needed = ceil(((under_threshold + under_rate) / (rate - threshold)) ** 2)
    if needed <= EXACT_CASES_MAX:
        needed = _exact_rate_cases(rate, threshold, z_alpha, power=power, about=needed)
    return needed if needed <= cases_max else None


def _exact_rate_cases(
    rate: float, threshold: float, z_alpha: float, *, power: float, about: int
) -> int:
    from scipy.special import bdtrc

    n = np.arange(1, 2 * about + 100)
    # The fewest successes whose Wilson interval clears; the tiny step back absorbs rounding.
    least = np.ceil(n * threshold + z_alpha * np.sqrt(n * threshold * (1 - threshold)) - 1e-9)
    # `bdtrc` counts strictly more; more successes than cases have no chance.
    chance = np.where(least > n, 0.0, bdtrc(np.minimum(least, n) - 1, n, rate))
    short = np.flatnonzero(chance < power)
    return int(n[short[-1]]) + 1 if short.size else 1


def cases_needed_for_difference(
    sd: float,
    margin: float,
    *,
    true_difference: float = 0.0,
    confidence: float = 0.95,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> int | None:
    """Say how many paired cases it takes to show that a candidate is not worse by the margin.

    The power of the one-sided paired t test from the noncentral t distribution (Cohen, "Statistical
    Power Analysis for the Behavioral Sciences", 1988; Julious, Statistics in Medicine 23, 2004).

    Args:
        sd: Standard deviation of the differences per case. For 0/1 scores it is
            `sqrt(discordant - difference ** 2)`, with the share of cases on which the two disagree.
        margin: The largest loss that is acceptable, above 0.
        true_difference: Presumed candidate minus baseline, higher being better.

    Returns:
        None where no count up to `cases_max` will do.
    """
    _check(confidence, power)
    if sd < 0 or margin <= 0:
        raise Invalid(
            "bad_margin",
            f"The margin must be above 0 and the deviation not below: `{margin}`, `{sd}`",
        )
    room = margin + true_difference
    if room <= 0:
        return None
    return cases_for_mean(sd / room, tail=(1 - confidence) / 2, power=power, cases_max=cases_max)


def cases_for_mean(
    spread: float, *, tail: float, power: float, cases_max: int = CASES_MAX
) -> int | None:
    """Return the fewest cases whose t interval reaches `1 / spread` deviations with that power."""
    if spread == 0:
        return 2
    return _fewest(lambda cases: _t_power(cases, spread, tail) >= power, 2, cases_max)


def cases_needed_for_paired_rates(
    discordant: float,
    margin: float,
    *,
    true_difference: float = 0.0,
    confidence: float = 0.95,
    power: float = 0.8,
    cases_per_cluster: float = 1.0,
    design_effect: float = 1.0,
    cases_max: int = CASES_MAX,
) -> int | None:
    """Say how many paired cases of 0 and 1 it takes to show that a candidate is not worse.

    For the verdict's own test: where few cases differ, Tango's interval is wider than that of the
    t test, so that `cases_needed_for_difference` would name too few. The normal formula with the
    variance of the score test at the margin and that of the truth (Liu, Hsueh, Hsieh and Chen,
    Statistics in Medicine 21, 2002); a few cases more than needed where hardly any case differs.

    Args:
        discordant: Share of cases on which the two disagree.
        margin: The largest loss that is acceptable, above 0.
        design_effect: By how much related cases count for less.

    Returns:
        None where no count up to `cases_max` will do.
    """
    from scipy.special import ndtr

    _check(confidence, power)
    if not (abs(true_difference) <= discordant <= 1 and 0 < margin < 1):
        raise Invalid(
            "bad_margin",
            "The margin must lie within 0 to 1 and the share that differs between the difference "
            f"and 1: `{margin}`, `{discordant}`, `{true_difference}`",
        )
    room = margin + true_difference
    if room <= 0:
        return None
    wins, losses = (discordant + true_difference) / 2, (discordant - true_difference) / 2
    at_margin = sqrt(PairedRatePivot(wins, losses, 1.0).variance(-margin))
    at_truth = sqrt(discordant - true_difference**2)

    def is_enough(cases: int) -> bool:
        df = None if cases_per_cluster == 1 else cases / cases_per_cluster - 1
        needed = critical((1 - confidence) / 2, df) * at_margin
        away = sqrt(cases / design_effect) * room - needed
        return away >= 0 if at_truth == 0 else bool(ndtr(away / at_truth) >= power)

    return _fewest(is_enough, ceil(2 * cases_per_cluster), cases_max)


def cases_needed_for_bounded_scores(
    sd: float,
    margin: float,
    *,
    true_difference: float = 0.0,
    confidence: float = 0.95,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> int | None:
    """Say how many paired cases it takes where hardly any differ, of scores from 0 to 1.

    For the verdict's own test of such scores (see `BoundedPivot`): the normal formula with the
    variance at the margin and that of the truth, as in `cases_needed_for_paired_rates`.

    Returns:
        None where no count up to `cases_max` will do.
    """
    from scipy.special import ndtr

    _check(confidence, power)
    away, room = margin + true_difference, 1 + true_difference
    if away <= 0:
        return None
    at_margin = sqrt(max(0.0, 1 - away / room) * (sd**2 + away * room))
    needed = critical((1 - confidence) / 2, None) * at_margin

    def is_enough(cases: int) -> bool:
        spare = sqrt(cases) * away - needed
        return spare >= 0 if sd == 0 else bool(ndtr(spare / sd) >= power)

    return _fewest(is_enough, 2, cases_max)


def cases_to_settle(
    pivot: Pivot,
    limit: float,
    *,
    cases: int,
    confidence: float,
    power: float = 0.8,
    cases_max: int = CASES_MAX,
) -> int | None:
    """Return how many cases, on top of those there are, would put the limit outside the interval.

    It presumes that the estimate is the truth and that the further cases are like the present ones:
    the interval is widened by the quantile of `power` and shrunk with the square root of the cases.
    """
    tail = _tail_for(confidence, power)

    def is_settled(total: int) -> bool:
        more = pivot.scaled(total / cases)
        return bool(more.low(tail) > limit or more.high(tail) < limit)

    if pivot.value == limit or cases_max <= cases:
        return None
    total = _fewest(is_settled, cases, cases_max)
    return None if total is None else max(1, total - cases)


def _fewest(is_enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """The fewest cases from which on it is enough; None where even the most are not."""
    if high < low or not is_enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _tail_for(confidence: float, power: float) -> float:
    _check(confidence, power)
    return upper_tail(critical((1 - confidence) / 2, None) + critical(1 - power, None), None)


def _t_power(n: int, spread: float, tail: float) -> float:
    from scipy.special import nctdtr, ndtr

    quantile, away = critical(tail, n - 1), sqrt(n) / spread
    # The noncentral series is lost far out; there the normal distribution is exact enough.
    if away > 30:
        return float(ndtr(away - quantile))
    return 1.0 - float(nctdtr(n - 1, away, quantile))


def _check(confidence: float, power: float) -> None:
    check_confidence(confidence)
    if not 0.5 <= power < 1:
        raise Invalid("bad_power", f"Power must lie between 0.5 and 1: `{power}`")
