"""Charts of a score: its mean where it is a number, the shares of its labels where it has them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lineside.stats import axes
from lineside.traces import search
from lineside.web.chart_cards import ChartCard, ChartSlot, LegendEntry, quoted, slots_of
from lineside.web.time_plots import Bucket, TimePlot, lines, stacked_bars, stretch_said
from lineside.web.trace_form import TraceForm

_LABELS_SPLIT_MAX = 3

Scored = search.scored.ScoredTraces
Values = Callable[[Mapping[str | None, Scored]], tuple[float | None, ...]]


class _Drawn(NamedTuple):
    """One chart of a score.

    Attributes:
        asks: The condition that its traces meet.
        series: Name, tone, the form's fields that let only its traces through, and the condition
            that they meet; nothing where there is no way to ask.
    """

    title: str
    unit: axes.Unit
    figure: str
    coverage: str
    asks: str
    series: Sequence[tuple[str, str, dict[str, str], str | None]]
    values: Values
    is_stacked: bool
    is_split: bool


def score_cards(
    form: TraceForm,
    over: search.Chart,
    chart: search.scored.ScoreChart,
    legend: Sequence[LegendEntry],
) -> list[ChartCard]:
    """What is drawn of a score beside the other charts; nothing where no trace carries it."""
    drawn = []
    if chart.whole.valued:
        drawn.append(_mean(over, chart, legend))
    if chart.whole.labels and legend:
        frequent = [one for one in chart.whole.labels if one != search.OTHERS]
        drawn += [_label(over, chart, legend, one) for one in frequent[:_LABELS_SPLIT_MAX]]
    elif chart.whole.labels:
        drawn.append(_labels(over, chart))
    slots = slots_of(form, over)
    return [_card(form, slots, chart, one) for one in drawn]


def _mean(
    over: search.Chart, chart: search.scored.ScoreChart, legend: Sequence[LegendEntry]
) -> _Drawn:
    asks = f'score.{quoted(chart.score)} != ""'
    return _Drawn(
        title=f"Score {chart.score}: mean",
        unit="",
        figure=axes.show(chart.whole.mean, ""),
        coverage=_covered(over, chart, chart.whole.valued),
        asks=asks,
        series=_by_name(legend, asks) or [("Mean", "series-0", {}, None)],
        values=_each(over, lambda one: one.mean),
        is_stacked=False,
        is_split=bool(legend),
    )


def _label(
    over: search.Chart,
    chart: search.scored.ScoreChart,
    legend: Sequence[LegendEntry],
    label: str,
) -> _Drawn:
    """The share of one label, by name."""
    asks = f"score.{quoted(chart.score)} = {quoted(label)}"
    named = sum(chart.whole.labels.values())
    more = len(chart.whole.labels) - _LABELS_SPLIT_MAX
    told = f"; the {_LABELS_SPLIT_MAX} most frequent labels are drawn" if more > 0 else ""
    return _Drawn(
        title=f"Score {chart.score}: {label}",
        unit="%",
        figure=axes.show(chart.whole.labels[label] / named, "%"),
        coverage=_covered(over, chart, named) + told,
        asks=asks,
        series=_by_name(legend, asks),
        values=_each(over, lambda one: _share(one, label)),
        is_stacked=False,
        is_split=True,
    )


def _labels(over: search.Chart, chart: search.scored.ScoreChart) -> _Drawn:
    """The shares of all labels, on top of each other."""
    score, found = quoted(chart.score), chart.whole.labels
    names = sorted(found, key=lambda one: one == search.OTHERS)
    named = sum(found.values())

    def values(of: Mapping[str | None, Scored]) -> tuple[float | None, ...]:
        one = of.get(None)
        return tuple(_share(one, name) if one else None for name in names)

    return _Drawn(
        title=f"Score {chart.score}: labels",
        unit="%",
        figure=f"{axes.show(found[names[0]] / named, '%')} {names[0]}",
        coverage=_covered(over, chart, named),
        asks=f'score.{score} != ""',
        series=[
            (name, "series-others", {}, None)
            if name == search.OTHERS
            else (name, f"series-{at}", {}, f"score.{score} = {quoted(name)}")
            for at, name in enumerate(names)
        ],
        values=values,
        is_stacked=True,
        is_split=False,
    )


def _card(
    form: TraceForm, slots: Sequence[ChartSlot], chart: search.scored.ScoreChart, drawn: _Drawn
) -> ChartCard:
    held = {moment.start: {one.name: one for one in moment.of} for moment in chart.moments}
    names = [(name, tone) for name, tone, _, _ in drawn.series]
    buckets, rows = [], []
    for slot in slots:
        of = held.get(slot.start, {})
        values = drawn.values(of)
        count = sum(one.scored for one in of.values())
        when = stretch_said(slot.start, slot.end)
        texts = tuple("–" if value is None else axes.show(value, drawn.unit) for value in values)
        told = tuple(f"{name}: {text}" for (name, _), text in zip(names, texts, strict=True))
        known = [one for one, value in zip(told, values, strict=True) if value is not None]
        address = form.address(changes=_asking(form, slot.fields, drawn.asks)) if count else None
        buckets.append(
            Bucket(
                slot.start,
                slot.end,
                values,
                address=address,
                addresses=tuple(
                    form.address(changes=_asking(form, fields | slot.fields, asks))
                    if asks
                    else None
                    for _, _, fields, asks in drawn.series
                ),
                told=tuple(f"{when} UTC. {one}" for one in told),
                said=f"{when} UTC, {count:,} traces with the score. {'; '.join(known)}",
            )
        )
        if address:
            rows.append((when, address, texts))
    brush = form.address(changes=_asking(form, {"since": "", "from": "", "to": ""}, drawn.asks))
    plot = TimePlot(drawn.title, drawn.unit, tuple(tone for _, tone in names), buckets, brush)
    return ChartCard(
        title=drawn.title,
        figure=drawn.figure,
        coverage=drawn.coverage,
        picture=stacked_bars(plot) if drawn.is_stacked else lines(plot),
        names=tuple(names),
        rows=tuple(rows),
        is_split=drawn.is_split,
        is_wide=True,
    )


def _by_name(
    legend: Sequence[LegendEntry], asks: str
) -> list[tuple[str, str, dict[str, str], str | None]]:
    return [(one.name, one.tone, one.fields, asks if one.fields else None) for one in legend]


def _each(over: search.Chart, value: Callable[[Scored], float | None]) -> Values:
    """One value for each name that the charts are split by."""
    return lambda of: tuple(value(of[name]) if name in of else None for name in over.names)


def _share(one: Scored, label: str) -> float | None:
    """Of the traces with a label, those with this one."""
    named = sum(one.labels.values())
    return one.labels.get(label, 0) / named if named else None


def _covered(over: search.Chart, chart: search.scored.ScoreChart, counted: int) -> str:
    traces = chart.whole.traces
    unit = "traces, each counted for every model of it" if over.by == "model" else "traces"
    if chart.is_cut:
        unit = f"the newest {unit} that meet this"
    if counted == traces:
        return f"All {traces:,} {unit} carry it"
    # One that is missing among thousands is not rounded away.
    share = min(counted / traces, 0.999)
    said = axes.show(share, "%")
    return f"{counted:,} of {traces:,} {unit} carry it ({said}); the rest is not in it"


def _asking(form: TraceForm, fields: Mapping[str, str], line: str) -> dict[str, str]:
    """The fields, with one more condition in the query line."""
    query = fields.get("q", form.asked["q"])
    return {**fields, "q": f"{query} and {line}" if query else line}
