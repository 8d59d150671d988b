"""What all charts of traces share: their cards, their legend, and the buckets they stand over."""

from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from lineside.traces import search
from lineside.web.trace_form import TraceForm, moment_typed

BUCKETS_MAX = 62


class ChartCard(NamedTuple):
    """A chart as the page shows it, with what it covers, and its numbers as a table."""

    title: str
    figure: str
    coverage: str
    picture: Markup
    names: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    is_split: bool
    is_wide: bool = False


class LegendEntry(NamedTuple):
    """What one colour stands for.

    Attributes:
        fields: Of the form, that let only its traces through; none where there is no way to ask.
    """

    name: str
    tone: str
    fields: dict[str, str]


class ChartSlot(NamedTuple):
    """A bucket, even one in which nothing happened.

    Attributes:
        fields: Of the form, that let only its traces through.
        of: Figures by what the chart is split by.
    """

    start: datetime
    end: datetime
    fields: dict[str, str]
    of: dict[str | None, search.TraceFigures]


def quoted(text: str) -> str:
    """A text as one value of a query line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def slots_of(form: TraceForm, chart: search.Chart) -> list[ChartSlot]:
    """Every bucket from the first moment to the last, those in which nothing happened too."""
    width = timedelta(seconds=chart.width_seconds)
    held = {moment.start: {one.name: one for one in moment.of} for moment in chart.moments}
    start = min(held)
    start -= width * max(0, -((chart.since - start) // width))
    slots: list[ChartSlot] = []
    while len(slots) < BUCKETS_MAX and (start <= chart.until or not slots):
        end = start + width
        # A bucket at an edge of what was asked holds only what was asked.
        begin = max(start, chart.since) if form.filters and form.filters.since else start
        last = min(end, form.filters.until) if form.filters and form.filters.until else end
        changes = {"since": "", "from": moment_typed(begin), "to": moment_typed(last)}
        slots.append(ChartSlot(start, end, changes, held.get(start, {})))
        start = end
    return slots
