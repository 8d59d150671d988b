"""Two groups of calls that different people made: rates, means and ratios, from sums alone.

Live traffic is not paired: each call is answered by one arm. What is read of it are sums over
callers, since calls of one caller resemble each other, so that ten million calls cost no memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, log, log1p, sqrt

from lineside.stats.intervals import CONSTANT_CASES_MIN
from lineside.stats.pivots import MeanPivot, bisect, grown_df

_TAIL_MIN = 1e-12


@dataclass(frozen=True)
class ClusterSums:
    """What is known of one measure in one group, as sums over its callers.

    Args:
        units: Callers, who are independent of each other.
        count: Values; a caller may have given several.
        total: Sum of the values.
        squares: Sum of the squares of the callers' totals.
        cross: Sum of each caller's total times their count.
        counts: Sum of the squares of the callers' counts.
    """

    units: int
    count: int
    total: float
    squares: float
    cross: float
    counts: float

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def variance(self) -> float:
        """That of the mean, with callers as the units; infinite where it cannot be known."""
        if self.units < 2:
            return inf
        mean = self.mean
        spread = self.squares - 2 * mean * self.cross + mean * mean * self.counts
        return self.units / (self.units - 1) * max(0.0, spread) / self.count**2


@dataclass(frozen=True)
class ExactRatePivot:
    """A share of yes among n, by the binomial distribution itself.

    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934). Where few
    errors are expected the score test sounds alarms several times too often; this one never does.

    Args:
        n: The effective count, which need not be whole: calls, divided by the design effect.
    """

    value: float
    n: float

    def low(self, tail: float) -> float:
        from scipy.special import betaincinv

        yes = self.value * self.n
        return 0.0 if yes <= 0 else float(betaincinv(yes, self.n - yes + 1, tail))

    def high(self, tail: float) -> float:
        from scipy.special import betaincinv

        yes = self.value * self.n
        return 1.0 if yes >= self.n else float(betaincinv(yes + 1, self.n - yes, 1 - tail))

    def p_above(self, limit: float) -> float:
        from scipy.special import betainc

        yes = self.value * self.n
        return 1.0 if yes <= 0 else float(betainc(yes, self.n - yes + 1, limit))

    def p_below(self, limit: float) -> float:
        from scipy.special import betaincc

        yes = self.value * self.n
        return 1.0 if yes >= self.n else float(betaincc(yes + 1, self.n - yes, limit))

    def scaled(self, factor: float) -> "ExactRatePivot":
        return ExactRatePivot(self.value, self.n * factor)


@dataclass(frozen=True)
class RateDifferencePivot:
    """The rate of one group less that of another, from the exact limits of both.

    The method of variance estimates recovery: Zou and Donner, "Construction of confidence limits
    about effect measures", Statistics in Medicine 27 (2008); it has a width at no errors, too.
    """

    one: ExactRatePivot
    other: ExactRatePivot

    @property
    def value(self) -> float:
        return self.one.value - self.other.value

    def low(self, tail: float) -> float:
        below = self.one.value - self.one.low(tail)
        return self.value - sqrt(below**2 + (self.other.high(tail) - self.other.value) ** 2)

    def high(self, tail: float) -> float:
        above = self.one.high(tail) - self.one.value
        return self.value + sqrt(above**2 + (self.other.value - self.other.low(tail)) ** 2)

    def p_above(self, limit: float) -> float:
        return _tail_where(lambda tail: self.low(tail) - limit)

    def p_below(self, limit: float) -> float:
        return _tail_where(lambda tail: limit - self.high(tail))

    def scaled(self, factor: float) -> "RateDifferencePivot":
        return RateDifferencePivot(self.one.scaled(factor), self.other.scaled(factor))


@dataclass(frozen=True)
class ChangePivot:
    """How much larger one amount is than another, as a part of it: 0.25 is a quarter more.

    Args:
        logs: The difference of the logarithms.
    """

    logs: MeanPivot

    @property
    def value(self) -> float:
        return exp(self.logs.value) - 1

    def low(self, tail: float) -> float:
        return _change(self.logs.low(tail))

    def high(self, tail: float) -> float:
        return _change(self.logs.high(tail))

    def p_above(self, limit: float) -> float:
        return self.logs.p_above(log1p(limit))

    def p_below(self, limit: float) -> float:
        return self.logs.p_below(log1p(limit))

    def scaled(self, factor: float) -> "ChangePivot":
        return ChangePivot(self.logs.scaled(factor))


def exact_rate(sums: ClusterSums) -> ExactRatePivot:
    """A rate among calls; callers who fail again and again count for fewer calls than they made.

    Where every call ended alike, nothing shows how much the calls of a caller resemble each other,
    so that each caller counts once.
    """
    simple = sums.mean * (1 - sums.mean) / sums.count
    if simple <= 0 or sums.units < 2:
        return ExactRatePivot(sums.mean, sums.units)
    effect = max(1.0, sums.variance / simple)
    return ExactRatePivot(sums.mean, max(1.0, sums.count / effect))


def mean_pivot(sums: ClusterSums) -> MeanPivot:
    """A mean, whose spread is that between callers."""
    error = _error(sums)
    return MeanPivot(sums.mean, error, error, max(1, sums.units - 1))


def mean_difference(one: ClusterSums, other: ClusterSums) -> MeanPivot:
    """The mean of one group less that of another (Welch, Biometrika 34, 1947)."""
    return _difference(one.mean - other.mean, _error(one), _error(other), one, other)


def change_of_logs(one: ClusterSums, other: ClusterSums) -> ChangePivot:
    """How much larger the typical amount is, given sums of logarithms: geometric means compared.

    One call that took a minute does not hide what happens to all others.
    """
    return ChangePivot(mean_difference(one, other))


def change_of_means(one: ClusterSums, other: ClusterSums) -> ChangePivot | None:
    """How much larger the mean amount is, by the delta method; None unless both are above 0."""
    if min(one.mean, other.mean) <= 0:
        return None
    errors = _error(one) / one.mean, _error(other) / other.mean
    return ChangePivot(_difference(log(one.mean / other.mean), *errors, one, other))


def _difference(
    value: float, error: float, other_error: float, one: ClusterSums, other: ClusterSums
) -> MeanPivot:
    total = error**2 + other_error**2
    df = max(1.0, float(min(one.units, other.units) - 1))
    if 0 < total < inf:
        parts = error**4 / (one.units - 1) + other_error**4 / (other.units - 1)
        df = total**2 / parts
    root = sqrt(total)
    return MeanPivot(value, root, root, grown_df(df, 1.0))


def _error(sums: ClusterSums) -> float:
    error = sqrt(sums.variance)
    if error == 0 and sums.units < CONSTANT_CASES_MIN:
        return inf  # a spread that was never seen is unknown
    return error


def _change(logs: float) -> float:
    return inf if logs > 700 else exp(logs) - 1


def _tail_where(clears: Callable[[float], float]) -> float:
    """The smallest tail at which an end of an interval clears a limit: the p-value it stands for.

    Args:
        clears: By how much the end clears the limit; it rises with the tail.
    """
    if clears(0.5) < 0:
        return 1.0
    if clears(_TAIL_MIN) >= 0:
        return _TAIL_MIN
    return exp(bisect(lambda power: clears(exp(power)), log(_TAIL_MIN), log(0.5)))
