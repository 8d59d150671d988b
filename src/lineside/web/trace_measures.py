"""What is drawn of many traces: how each measure reads, and how much of the traffic it covers."""

from collections.abc import Callable
from typing import NamedTuple

from lineside.stats import axes
from lineside.traces import search
from lineside.web.render import milliseconds, money


class MeasureSeries(NamedTuple):
    """One colour of a chart that is not split.

    Attributes:
        tone: A class of the stylesheet.
        status: Outcome of the traces it stands for; empty where it stands for all of them.
    """

    name: str
    tone: str
    status: str = ""


class Measure(NamedTuple):
    """One thing that is drawn of all figures.

    Attributes:
        values: One for each series, where the chart is not split.
        split: The one value of a name, where it is; `split_title` is the title then.
        figure: The number that a person takes away.
        coverage: How much of what happened the numbers speak of, given what is counted.
    """

    title: str
    unit: axes.Unit
    series: tuple[MeasureSeries, ...]
    values: Callable[[search.TraceFigures], tuple[float | None, ...]]
    split: Callable[[search.TraceFigures], float | None]
    split_title: str
    shown: Callable[[float | None], str]
    figure: Callable[[search.TraceFigures], str]
    coverage: Callable[[search.TraceFigures, str], str]
    is_stacked: bool


def _tokens(one: search.TraceFigures) -> float | None:
    known = [count for count in (one.tokens_in, one.tokens_out) if count is not None]
    return float(sum(known)) if known else None


def _whole(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}"


def _error_share(one: search.TraceFigures) -> float:
    return one.errors / one.count


def _covered(what: str, share: float, calls: int) -> str:
    if not calls:
        return "None of these has a model call"
    if share >= 1:
        return f"{what} for all {calls:,} model calls"
    # One that is missing among thousands is not rounded away.
    percent = min(99.9, share * 100) if share > 0.99 else share * 100
    digits = 1 if share > 0.99 else 0
    return f"{what} for {percent:.{digits}f} % of {calls:,} model calls; the rest is not in it"


MEASURES = (
    Measure(
        title="Volume",
        unit="",
        series=(
            MeasureSeries("Went well", "series-0"),
            MeasureSeries("Error", "series-error", "error"),
        ),
        values=lambda one: (float(one.count - one.errors), float(one.errors)),
        split=lambda one: float(one.count),
        split_title="Volume",
        shown=_whole,
        figure=lambda one: f"{one.count:,}",
        coverage=lambda one, unit: f"All {one.count:,} {unit}; test runs do not count",
        is_stacked=True,
    ),
    Measure(
        title="Error rate",
        unit="%",
        series=(MeasureSeries("Ended in an error", "series-error", "error"),),
        values=lambda one: (_error_share(one),),
        split=_error_share,
        split_title="Error rate",
        shown=lambda value: axes.show(value, "%"),
        figure=lambda one: axes.show(_error_share(one), "%"),
        coverage=lambda one, unit: f"{one.errors:,} of {one.count:,} {unit} ended in an error",
        is_stacked=False,
    ),
    Measure(
        title="Latency",
        unit="ms",
        series=(MeasureSeries("p50", "series-1"), MeasureSeries("p95", "series-0")),
        values=lambda one: (one.latency_ms_p50, one.latency_ms_p95),
        split=lambda one: one.latency_ms_p95,
        split_title="Latency p95",
        shown=milliseconds,
        figure=lambda one: (
            f"{milliseconds(one.latency_ms_p50)} p50 · {milliseconds(one.latency_ms_p95)} p95"
        ),
        coverage=lambda one, unit: f"Known for all {one.count:,} {unit}",
        is_stacked=False,
    ),
    Measure(
        title="Cost",
        unit="$",
        series=(MeasureSeries("Cost", "series-0"),),
        values=lambda one: (one.cost_usd,),
        split=lambda one: one.cost_usd,
        split_title="Cost",
        shown=money,
        figure=lambda one: money(one.cost_usd),
        coverage=lambda one, _: _covered("Cost is known", one.cost_known, one.calls),
        is_stacked=True,
    ),
    Measure(
        title="Tokens",
        unit="",
        series=(MeasureSeries("In", "series-0"), MeasureSeries("Out", "series-1")),
        values=lambda one: (one.tokens_in, one.tokens_out),
        split=_tokens,
        split_title="Tokens",
        shown=_whole,
        figure=lambda one: _whole(_tokens(one)),
        coverage=lambda one, _: _covered("Tokens were counted", one.tokens_known, one.calls),
        is_stacked=True,
    ),
)

FIRST_TOKEN = Measure(
    title="Time to first token",
    unit="ms",
    series=(MeasureSeries("p50", "series-1"),),
    values=lambda one: (one.first_chunk_ms_p50,),
    split=lambda one: one.first_chunk_ms_p50,
    split_title="Time to first token p50",
    shown=milliseconds,
    figure=lambda one: (
        "unknown"
        if one.first_chunk_ms_p50 is None
        else f"{milliseconds(one.first_chunk_ms_p50)} p50"
    ),
    coverage=lambda one, _: _covered("Reported", one.first_chunk_known, one.calls),
    is_stacked=False,
)
"""Drawn of model calls alone: a trace has no one first token."""
