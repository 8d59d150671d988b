"""How a number, an interval and a finding read to a product manager."""

from math import ceil, floor, isfinite, log10
from typing import Literal

Direction = Literal[">=", "<="]


def show(value: float | None, unit: str, *, signed: bool = False, exact: bool = False) -> str:
    """Return a number with its unit: shares with one decimal, the rest with three digits.

    Args:
        exact: Keep the digits of a number that a person chose, such as a threshold.
    """
    if value is None:
        return "unknown"
    text = number(value, unit, signed=signed, exact=exact)
    return f"{text} {'point' if unit == 'points' and text == '1' else unit}".rstrip()


def number(value: float, unit: str, *, signed: bool = False, exact: bool = False) -> str:
    scaled = value * 100 if unit in {"%", "points"} else value
    if not isfinite(scaled):
        return "unknown"
    if exact:
        text = f"{scaled:,.6f}".rstrip("0").rstrip(".")
        text = f"{scaled:.3g}" if float(text.replace(",", "")) == 0 != scaled else text
    elif unit in {"%", "points"}:
        text = f"{scaled:.1f}"
    else:
        digits = 2 - floor(log10(abs(scaled))) if scaled else 0
        text = f"{scaled:,.{min(10, max(0, digits))}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return f"+{text}" if signed and scaled > 0 and float(text.replace(",", "")) else text


def show_range(
    low: float | None, high: float | None, unit: str, confidence: float, *, signed: bool = False
) -> str:
    """Return the interval in words, without its unit, which stands with the estimate."""
    if low is None or high is None:
        return "too few scores for an interval"
    ends = f"{number(low, unit, signed=signed)} to {number(high, unit, signed=signed)}"
    return f"{show_level(confidence)} interval {ends}"


def show_level(confidence: float) -> str:
    """How sure an interval is, in four digits."""
    level = f"{confidence * 100:.4g}"
    # The first looks of a run ask for more than four digits show, and nothing is ever 100 % sure.
    return f"{'99.99+' if level == '100' else level} %"


def show_cases(count: int) -> str:
    """Return a number of cases as a person would say it: rounded up to two or three digits."""
    step = 1 if count < 100 else 10 ** (len(str(count)) - (2 if count < 1000 else 3))
    rounded = ceil(count / step) * step
    return f"{rounded:,} more case" + ("" if rounded == 1 else "s")


def show_failed(failed: int) -> str:
    return f"{failed:,} case{'' if failed == 1 else 's'} failed"


def settle(cases_needed: int | None) -> str:
    if cases_needed is None:
        return "no affordable number of cases would settle it"
    return f"about {show_cases(cases_needed)} would settle it"
