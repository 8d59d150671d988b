"""`/traces/charts`: what many traces come to over time, and the way to the traces behind it."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.core import Invalid
from lineside.stats import axes
from lineside.traces import search
from lineside.trust import Scope
from lineside.web.chart_cards import ChartCard, ChartSlot, LegendEntry, quoted, slots_of
from lineside.web.render import page
from lineside.web.score_cards import score_cards
from lineside.web.time_plots import Bucket, TimePlot, lines, stacked_bars, stretch_said
from lineside.web.trace_form import TraceForm, form_values, read_trace_form
from lineside.web.trace_measures import FIRST_TOKEN, MEASURES, Measure

GROUP_WORDS = {
    "use_case": "Use case",
    "release": "Release",
    "model": "Model",
    "arm": "Arm",
    "service": "Service",
    "name": "Name",
    "session": "Session",
    "user": "User",
    "key": "API key",
    "team": "Team",
}
_FIRST_SINCE = "7d"
_ATTRIBUTE = "attribute."


def charts(request: Request) -> Response:
    """Volume, errors, latency, cost, tokens and a score of what the form lets through."""
    scope: Scope = request.app.state.local
    form = read_trace_form(request)
    by, typed = asked_group(request)
    score = request.query_params.get("of", "").strip()
    refused, found, since = form.refused, None, ""
    if form.filters is not None:
        try:
            found, since = _found(scope, form, by)
        except Invalid as error:
            refused = error
    cards, legend = drawing(form, found) if found else ([], [])
    of_score = _of_score(scope, form, found, score, legend) if found and score else []
    values = form_values(form, action="/traces/charts", beside=["by", "attribute", "of"]) | {
        "refused": refused,
        "extra": [("by", request.query_params.get("by", "")), ("attribute", typed), ("of", score)],
    }
    return page(
        request,
        "trace_charts.html",
        status_code=422 if refused else 200,
        by=by or "",
        attribute=typed,
        groups=GROUP_WORDS,
        cards=[*cards[:1], *of_score, *cards[1:]],
        score=score,
        scores=search.scored.score_names(scope, since=found.since) if found else [],
        cut=_cut_said(found) if found else None,
        is_rounded=found is not None and found.is_rounded,
        ahead=found.ahead if found else 0,
        is_unscored=bool(score and cards and not of_score),
        legend=legend,
        span=stretch_said(found.since, found.until) if found else None,
        width=_width_said(found.width_seconds) if found else None,
        is_by_model=by == "model",
        is_first_since=since == _FIRST_SINCE,
        **values,
    )


def asked_group(request: Request) -> tuple[str | None, str]:
    """What the charts are split by; an attribute stands in a field of its own."""
    by = request.query_params.get("by", "").strip()
    attribute = request.query_params.get("attribute", "").strip()
    if by.startswith(_ATTRIBUTE):
        by, attribute = "attribute", by.removeprefix(_ATTRIBUTE)
    if by == "attribute":
        return (f"{_ATTRIBUTE}{attribute}" if attribute else None), attribute
    return by or None, ""


def drawing(form: TraceForm, chart: search.Chart) -> tuple[list[ChartCard], list[LegendEntry]]:
    """All charts of one chart's figures, and what their colours stand for."""
    slots = slots_of(form, chart)
    legend = []
    if chart.by:
        for at, name in enumerate(chart.names):
            tone = "series-others" if name == search.OTHERS else f"series-{at}"
            fields = _named(form, chart.by, name)
            legend.append(LegendEntry(_said_name(form, chart.by, name), tone, fields))
    measures = (*MEASURES, FIRST_TOKEN) if chart.by == "model" else MEASURES
    return [_card(form, chart, measure, slots, legend) for measure in measures], legend


def _found(scope: Scope, form: TraceForm, by: str | None) -> tuple[search.Chart | None, str]:
    """The last week unless a time was asked for; all of it where nothing happened in that week."""
    assert form.filters is not None  # noqa: S101 # the caller looked
    if form.filters.since is None and form.filters.until is None:
        since = search.read_filters(since=_FIRST_SINCE).since
        week = form.filters.model_copy(update={"since": since})
        found = search.chart(scope, week, by=by)
        if found is not None:
            return found, _FIRST_SINCE
    return search.chart(scope, form.filters, by=by), ""


def _of_score(
    scope: Scope,
    form: TraceForm,
    found: search.Chart,
    score: str,
    legend: Sequence[LegendEntry],
) -> list[ChartCard]:
    chart = search.scored.score_chart(scope, form.filters, score=score, over=found)
    return score_cards(form, found, chart, legend)


def _card(
    form: TraceForm,
    chart: search.Chart,
    measure: Measure,
    slots: Sequence[ChartSlot],
    legend: Sequence[LegendEntry],
) -> ChartCard:
    names = [(entry.name, entry.tone) for entry in legend] or [
        (series.name, series.tone) for series in measure.series
    ]
    unit = "model calls" if chart.by == "model" else "traces"
    buckets, rows = [], []
    for slot in slots:
        values = _values(measure, slot, chart.names if legend else None)
        when = stretch_said(slot.start, slot.end)
        texts = tuple(measure.shown(value) if slot.of else "–" for value in values)
        told = tuple(f"{name}: {text}" for (name, _), text in zip(names, texts, strict=True))
        known = [one for one, value in zip(told, values, strict=True) if value is not None]
        buckets.append(
            Bucket(
                slot.start,
                slot.end,
                values,
                address=form.address(changes=slot.fields) if slot.of else None,
                addresses=tuple(
                    form.address(changes=fields | slot.fields) if fields else None
                    for fields in ([e.fields for e in legend] or _fields_of(measure))
                ),
                told=tuple(f"{when} UTC. {one}" for one in told),
                said=f"{when} UTC, {_count(slot)} {unit}. {'; '.join(known or told)}",
            )
        )
        if slot.of:
            rows.append((when, form.address(changes=slot.fields), texts))
    title = measure.split_title if legend else measure.title
    base = form.address(changes={"since": "", "from": "", "to": ""})
    plot = TimePlot(title, measure.unit, tuple(tone for _, tone in names), buckets, base)
    return ChartCard(
        title=title,
        figure=measure.figure(chart.whole),
        coverage=measure.coverage(chart.whole, unit),
        picture=stacked_bars(plot) if measure.is_stacked else lines(plot),
        names=tuple(names),
        rows=tuple(rows),
        is_split=bool(legend),
    )


def _count(slot: ChartSlot) -> str:
    return f"{sum(one.count for one in slot.of.values()):,}"


def _fields_of(measure: Measure) -> list[dict[str, str]]:
    return [{"status": one.status} if one.status else {} for one in measure.series]


def _values(
    measure: Measure, slot: ChartSlot, names: Sequence[str | None] | None
) -> tuple[float | None, ...]:
    if names is None:
        return measure.values(slot.of[None]) if slot.of else (None,) * len(measure.series)
    return tuple(measure.split(slot.of[name]) if name in slot.of else None for name in names)


def _named(form: TraceForm, by: str, name: str | None) -> dict[str, str]:
    """What must be asked beside, so that only traces of one name of a split are left."""
    if name == search.OTHERS or (name is None and (by == "model" or by.startswith(_ATTRIBUTE))):
        return {}
    if name is None and by == "use_case":
        return {by: search.UNCLAIMED}
    if name is not None and by in form.asked:
        return {by: name}
    line = f"{by} = {quoted(name or '')}"
    return {"q": f"{form.asked['q']} and {line}" if form.asked["q"] else line}


def _said_name(form: TraceForm, by: str, name: str | None) -> str:
    if name is None:
        return "Unclaimed" if by == "use_case" else "Unknown"
    return form.labels.get(name, name) if by == "release" else name


def _cut_said(chart: search.Chart) -> str | None:
    """What of the time is drawn, where not all of it is."""
    if chart.read_since <= chart.since:
        return None
    share = min((chart.until - chart.read_since) / (chart.until - chart.since), 0.999)
    return (
        f"More than {search.WORDS_TRACES_MAX:,} traces of this time hold these words. The newest "
        f"{search.WORDS_TRACES_MAX:,} are drawn: those since "
        f"{chart.read_since:%Y-%m-%d %H:%M} UTC, {axes.show(share, '%')} of the time."
    )


def _width_said(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return unit if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"


ROUTES = [Route("/traces/charts", charts)]
