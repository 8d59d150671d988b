"""The statistic behind an estimate: its interval and its p-values both come from here.

Reading both from one place is what keeps them from contradicting each other: an end of the interval
equals the threshold exactly where the one-sided p-value is `(1 - confidence) / 2`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import Protocol


class Pivot(Protocol):
    """An estimate that can say how far the truth may lie from it."""

    @property
    def value(self) -> float: ...

    def low(self, tail: float) -> float:
        """Return the end below which the truth lies with a chance of at most `tail`."""

    def high(self, tail: float) -> float:
        """Return the end above which the truth lies with a chance of at most `tail`."""

    def p_above(self, limit: float) -> float:
        """Return the one-sided p-value against "the truth is at or below the limit"."""

    def p_below(self, limit: float) -> float:
        """Return the one-sided p-value against "the truth is at or above the limit"."""

    def scaled(self, factor: float) -> "Pivot":
        """Return what it would say with `factor` times as many cases and the same estimate."""


def critical(tail: float, df: float | None) -> float:
    """Return the quantile that leaves `tail` above it: Student's t with df, normal without."""
    from scipy.special import ndtri, stdtrit

    return float(-ndtri(tail)) if df is None else float(-stdtrit(df, tail))


def upper_tail(statistic: float, df: float | None) -> float:
    """Return the chance of a statistic at least this large: Student's t with df, normal without."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-statistic)) if df is None else float(stdtr(df, -statistic))


def grown_df(df: float | None, factor: float) -> float | None:
    """Return the degrees of freedom with `factor` times as many cases, or clusters of them."""
    return None if df is None else (df + 1) * factor - 1


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses zero, the nearer end if it does not."""
    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    for _ in range(60):
        middle = (low + high) / 2
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class MeanPivot:
    """A mean with its standard error, which may differ below and above (skewed bootstrap).

    An infinite error means that nothing is known but the value; zero, that nothing varied.
    """

    value: float
    error_low: float
    error_high: float
    df: float | None = None

    def low(self, tail: float) -> float:
        return self.value - self._half(tail, self.error_low, self.error_high)

    def high(self, tail: float) -> float:
        return self.value + self._half(tail, self.error_high, self.error_low)

    def p_above(self, limit: float) -> float:
        return self._tail(self.value - limit, self.error_low, self.error_high)

    def p_below(self, limit: float) -> float:
        return self._tail(limit - self.value, self.error_high, self.error_low)

    def scaled(self, factor: float) -> "MeanPivot":
        root = sqrt(factor)
        return MeanPivot(
            self.value, self.error_low / root, self.error_high / root, grown_df(self.df, factor)
        )

    def _half(self, tail: float, near: float, far: float) -> float:
        quantile = critical(tail, self.df)
        error = near if quantile >= 0 else far
        return 0.0 if error == 0 or quantile == 0 else quantile * error

    def _tail(self, away: float, near: float, far: float) -> float:
        error = near if away >= 0 else far
        if error == 0:
            return 0.0 if away > 0 else 1.0
        return upper_tail(away / error, self.df)


@dataclass(frozen=True)
class RatePivot:
    """A share of yes among n, by the score test, whose inversion is Wilson's interval (1927).

    Args:
        n: The effective count: cases, or fewer where cases of a cluster resemble each other.
    """

    value: float
    n: float
    df: float | None = None

    def low(self, tail: float) -> float:
        return self._end(-critical(tail, self.df))

    def high(self, tail: float) -> float:
        return self._end(critical(tail, self.df))

    def p_above(self, limit: float) -> float:
        return self._tail(limit, sign=1)

    def p_below(self, limit: float) -> float:
        return self._tail(limit, sign=-1)

    def scaled(self, factor: float) -> "RatePivot":
        return RatePivot(self.value, self.n * factor, grown_df(self.df, factor))

    def _end(self, z: float) -> float:
        # At 0 and 1 the formula is exact but rounding is not.
        if (self.value == 0 and z <= 0) or (self.value == 1 and z >= 0):
            return self.value
        square = z * z / self.n
        spread = z * sqrt((self.value * (1 - self.value) + square / 4) / self.n)
        return min(1.0, max(0.0, (self.value + square / 2 + spread) / (1 + square)))

    def _tail(self, limit: float, *, sign: int) -> float:
        away = sign * (self.value - limit)
        error = sqrt(max(0.0, limit * (1 - limit)) / self.n)
        if error == 0:
            return 0.0 if away > 0 else 1.0
        return upper_tail(away / error, self.df)


@dataclass(frozen=True)
class BoundedPivot:
    """The mean of bounded scores of which hardly any differ, by the idea of Wilson's test (1927).

    A spread hardly seen cannot be trusted, so it is taken from the hypothesis: if the truth lies
    further down, part of the cases score worst of all, and none of them was drawn by chance. Of 0/1
    scores it is Wilson's test itself; where nothing differs it bounds as his does at 0 of n, times
    the range of the score.

    Args:
        variance: Mean square of the scores around their mean.
        n: The effective count: cases, or fewer where cases of a cluster resemble each other.
        lowest: The least value a single case can have, as `highest` is the largest.
    """

    value: float
    variance: float
    n: float
    lowest: float
    highest: float
    df: float | None = None

    def low(self, tail: float) -> float:
        quantile = critical(tail, self.df)
        return self._down(quantile) if quantile >= 0 else self._up(-quantile)

    def high(self, tail: float) -> float:
        quantile = critical(tail, self.df)
        return self._up(quantile) if quantile >= 0 else self._down(-quantile)

    def p_above(self, limit: float) -> float:
        return self._tail(self.value - limit)

    def p_below(self, limit: float) -> float:
        return 1 - self._tail(self.value - limit)

    def scaled(self, factor: float) -> "BoundedPivot":
        return replace(self, n=self.n * factor, df=grown_df(self.df, factor))

    def _down(self, quantile: float) -> float:
        return max(self.lowest, self.value - self._away(quantile, self.value - self.lowest))

    def _up(self, quantile: float) -> float:
        return min(self.highest, self.value + self._away(quantile, self.highest - self.value))

    def _away(self, quantile: float, room: float) -> float:
        """How far off the truth may lie: `n * away ** 2` is the variance there, times `q ** 2`."""
        if room <= 0:
            return 0.0
        square, pull = quantile * quantile, room - self.variance / room
        root = sqrt((square * pull) ** 2 + 4 * (self.n + square) * square * self.variance)
        return (square * pull + root) / (2 * (self.n + square))

    def _tail(self, away: float) -> float:
        room = self.value - self.lowest if away > 0 else self.highest - self.value
        far = abs(away)
        if far == 0:
            return 0.5
        # So many of the cases score worst; the variance is that of the mixture.
        left = 1 - far / room if far < room else 0.0
        error = sqrt(left * (self.variance + far * room) / self.n)
        beyond = 0.0 if error == 0 else upper_tail(far / error, self.df)
        return beyond if away > 0 else 1 - beyond


@dataclass(frozen=True)
class PairedRatePivot:
    """The difference of two rates over the same cases, by Tango's score test (1998).

    Counts may be fractions: those of clustered cases are divided by their design effect.
    """

    wins: float
    losses: float
    n: float
    df: float | None = None

    @property
    def value(self) -> float:
        return (self.wins - self.losses) / self.n

    def low(self, tail: float) -> float:
        quantile = critical(tail, self.df)
        return bisect(lambda limit: quantile - self.statistic(limit), -1.0, 1.0)

    def high(self, tail: float) -> float:
        quantile = critical(tail, self.df)
        return bisect(lambda limit: -quantile - self.statistic(limit), -1.0, 1.0)

    def p_above(self, limit: float) -> float:
        return upper_tail(self.statistic(limit), self.df)

    def p_below(self, limit: float) -> float:
        return upper_tail(-self.statistic(limit), self.df)

    def scaled(self, factor: float) -> "PairedRatePivot":
        wins, losses = self.wins * factor, self.losses * factor
        return PairedRatePivot(wins, losses, self.n * factor, grown_df(self.df, factor))

    def statistic(self, limit: float) -> float:
        """Return Tango's statistic for "the truth is the limit"; it falls as the limit rises."""
        away, variance = self.wins - self.losses - self.n * limit, self.variance(limit)
        if variance <= 1e-15:
            return 0.0 if abs(away) < 1e-12 else inf if away > 0 else -inf
        return away / sqrt(variance)

    def variance(self, limit: float) -> float:
        """Return that of wins less losses, if the truth is the limit."""
        # The loss rate which makes the observed table likeliest when the difference is the limit.
        b = (2 * self.n - self.wins + self.losses) * limit - self.wins - self.losses
        c = -self.losses * limit * (1 - limit)
        loss_rate = (sqrt(max(0.0, b * b - 8 * self.n * c)) - b) / (4 * self.n)
        return self.n * (2 * loss_rate + limit * (1 - limit))
