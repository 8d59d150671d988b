"""Axes on round numbers, and numbers as people read them. Pure."""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

Unit = str
"""`%` for a share, `points` for a difference of shares; else what stands behind the number."""

TICKS = 4


class Axis(NamedTuple):
    """From where to where an axis goes, and where its ticks stand."""

    start: float
    end: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value stands, in percent of the axis, kept inside it."""
        share = (value - self.start) / (self.end - self.start)
        return round(100 * min(1.0, max(0.0, share)), 3)


def show(value: float | None, unit: Unit, *, signed: bool = False) -> str:
    """Write a number with its unit, as all plots and tables of the pages do."""
    if value is None or not isfinite(value):
        return "unknown"
    sign = "+" if signed else ""
    if unit in ("%", "points"):
        text = f"{value * 100:{sign}.1f} {unit}"
    else:
        digits = 0 if value == 0 else min(6, max(0, 2 - floor(log10(abs(value)))))
        text = f"{value:{sign},.{digits}f} {unit}".rstrip()
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def show_span(low: float, high: float, unit: Unit, *, signed: bool = False) -> str:
    """Write an interval with its unit once, at its end."""
    start = show(low, unit, signed=signed).removesuffix(unit).rstrip()
    return f"{start} to {show(high, unit, signed=signed)}"


def axis(values: Sequence[float], *, unit: Unit, zero: bool = False) -> Axis:
    """An axis on round numbers around the values; shares never leave 0 to 1.

    Args:
        zero: They are differences, which leave 0 to 1; keep zero well inside, so that it can be
            seen on which side of it a value lies.
    """
    known = [value for value in values if isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if zero:
        # Both sides of zero are there, the smaller with a fifth of the larger at least.
        reach = max(abs(low), abs(high), 1e-9) / 5
        low, high = min(low, -reach), max(high, reach)
    spread = (high - low) or abs(high) or 1.0
    # A little room on both sides, so that nothing stands on the edge of the plot.
    low, high = low - spread * 0.04, high + spread * 0.04
    if not zero and low < 0 <= min(known):
        low = 0.0
    step = _round_step((high - low) * 1.05 / TICKS)
    start, end = floor(low / step) * step, ceil(high / step) * step
    if end <= start:
        end = start + step
    if unit == "%" and not zero:
        start, end = max(0.0, start), min(1.0, end)
        if end <= start:
            start, end = (0.0, step) if end <= 0 else (1.0 - step, 1.0)
    count = round((end - start) / step)
    ticks = tuple(round(start + step * at, 10) for at in range(count + 1))
    return Axis(start, end, ticks)


def tick_text(tick: float, unit: Unit, scale: Axis, *, signed: bool = False) -> str:
    factor = 100 if unit in ("%", "points") else 1
    step = (scale.ticks[1] - scale.ticks[0]) * factor if len(scale.ticks) > 1 else 1.0
    digits = max(0, -floor(log10(abs(step) * 1.0000001))) if step else 0
    # A step of 2.5 needs the digit that its power of ten does not show.
    digits += 1 if abs(step * 10**digits - round(step * 10**digits)) > 1e-6 else 0
    value = tick * factor
    sign = "+" if signed and value > 0 else ""
    text = f"{sign}{value:,.{digits}f}{' %' if unit == '%' else ''}"
    return text.replace("-", "\N{MINUS SIGN}", 1)


def _round_step(step: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** floor(log10(step)) if step > 0 and isfinite(step) else 1.0
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step * 0.999)
