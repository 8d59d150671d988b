"""Plots over time as SVG: bars that stack and lines, each bucket a link. Pure.

As in `plots`, positions along x are percentages and heights are pixels. A bucket is a link to what
is behind it, so that a number can be followed without a mouse and without a script; the script only
adds dragging over several.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from markupsafe import Markup, escape

from lineside.stats import axes

HEIGHT = 150
_TOP = 16
_LABELS_MAX = 5
# Of the width of a plot on a phone, what a character of a label takes at most.
_CHARACTER_PERCENT = 2.5
_SECONDS_PER_DAY = 86_400


class Bucket(NamedTuple):
    """A stretch of time with a value for each series; one that is None is unknown.

    Attributes:
        address: Where what is behind it is shown; nothing where there is nothing behind it.
        addresses: The same of each series, where that is less than the whole bucket.
        told: What is said of each value to whoever points at it; `said` is all of it.
    """

    start: datetime
    end: datetime
    values: tuple[float | None, ...]
    address: str | None
    addresses: tuple[str | None, ...]
    told: tuple[str, ...]
    said: str


class TimePlot(NamedTuple):
    """What is drawn.

    Attributes:
        tones: A class for each series, as the stylesheet knows them.
        brush: Address of the list without its `from` and `to`, for dragging over buckets.
    """

    title: str
    unit: axes.Unit
    tones: tuple[str, ...]
    buckets: Sequence[Bucket]
    brush: str


def stacked_bars(plot: TimePlot) -> Markup:
    """A bar for each bucket, its series on top of each other; words where no bar has a height."""
    if not any(value for bucket in plot.buckets for value in bucket.values):
        is_known = any(value is not None for bucket in plot.buckets for value in bucket.values)
        words = (
            "Nothing to draw: zero all the time." if is_known else "Nothing to draw: none known."
        )
        return Markup('<p class="empty">{}</p>').format(words)
    sums = [sum(value or 0.0 for value in bucket.values) for bucket in plot.buckets]
    scale = _from_zero(sums, plot.unit)
    marks = []
    for at, bucket in enumerate(plot.buckets):
        base = 0.0
        for series, value in enumerate(bucket.values):
            if not value:
                continue
            low, high = _y(scale, base), _y(scale, base + value)
            base += value
            # What is there can be seen, however little it is beside the rest.
            height = max(low - high, 1.5)
            drawn = (
                f'<rect class="{plot.tones[series]}" x="{_x(plot, at + 0.08)}%" '
                f'width="{_x(plot, 0.84)}%" y="{low - height:.1f}" height="{height:.1f}" '
                'fill="currentColor"/>'
            )
            marks.append(_mark(bucket, series, drawn))
    return _drawn(plot, scale, "", "".join(marks))


def lines(plot: TimePlot) -> Markup:
    """A line for each series, broken where nothing is known."""
    known = [value for bucket in plot.buckets for value in bucket.values if value is not None]
    scale = _from_zero(known, plot.unit)
    paths, dots = [], []
    for series, tone in enumerate(plot.tones):
        for stretch in _stretches(plot, series):
            points = " ".join(
                f"{(at + 0.5) / len(plot.buckets) * 1000:.1f},{_y(scale, value):.1f}"
                for at, value in stretch
            )
            paths.append(f'<polyline class="{tone}" points="{points}"/>')
            for at, value in stretch:
                drawn = (
                    f'<circle class="{tone}" cx="{_x(plot, at + 0.5)}%" '
                    f'cy="{_y(scale, value):.1f}" r="3" fill="currentColor"/>'
                )
                dots.append(_mark(plot.buckets[at], series, drawn))
    body = (
        f'<svg class="lines" viewBox="0 0 1000 {HEIGHT}" width="100%" height="{HEIGHT}" '
        f'preserveAspectRatio="none" fill="none" stroke="currentColor">{"".join(paths)}</svg>'
    )
    return _drawn(plot, scale, body, "".join(dots))


def stretch_said(start: datetime, end: datetime) -> str:
    """From when to when, as short as it can be said in UTC."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if (end - start).total_seconds() >= _SECONDS_PER_DAY and start.time() == end.time():
        last = end - timedelta(days=1)
        days = f"{start.day} {start:%b %Y}"
        return days if last <= start else f"{days} to {last.day} {last:%b %Y}"
    form = "%H:%M" if start.second == end.second == 0 else "%H:%M:%S"
    until = f"{end:{form}}" if end.date() == start.date() else f"{end.day} {end:%b} {end:{form}}"
    return f"{start.day} {start:%b} {start:{form}} to {until}"


def _drawn(plot: TimePlot, scale: axes.Axis, body: str, marks: str) -> Markup:
    grid = "".join(
        f'<line class="grid" x1="0%" x2="100%" y1="{_y(scale, tick):.1f}" '
        f'y2="{_y(scale, tick):.1f}" stroke="currentColor" stroke-opacity=".18"/>'
        for tick in scale.ticks
    )
    texts = "".join(
        f'<text class="axis-text" x="0" y="{_y(scale, tick) - 4:.1f}">'
        f"{escape(_tick_text(tick, plot.unit, scale))}</text>"
        for tick in scale.ticks
        if tick
    )
    # The numbers of the axis stand over bars, which are wide, and under the points of lines.
    start = plot.buckets[0].start.timestamp()
    width = plot.buckets[0].end.timestamp() - start
    return Markup(  # noqa: S704 # every outside text went through escape
        f'<svg class="plot plot-time" role="group" aria-label="{escape(plot.title)}" width="100%" '
        f'height="{HEIGHT + 24}" font-size="12" data-brush="{escape(plot.brush)}" '
        f'data-start="{start:.0f}" data-width="{width:.0f}" data-count="{len(plot.buckets)}" '
        f'data-height="{HEIGHT}">'
        f"{grid}{texts if body else ''}{body}{_links(plot)}{marks}{'' if body else texts}"
        f"{_time_texts(plot)}</svg>"
    )


def _mark(bucket: Bucket, series: int, drawn: str) -> str:
    """What is drawn of a value, as a link where it stands for less than its bucket.

    The keyboard goes from bucket to bucket; that is where everything is said.
    """
    address = bucket.addresses[series]
    if address is None:
        return drawn
    return (
        f'<a href="{escape(address)}" tabindex="-1" aria-hidden="true">{drawn}'
        f"<title>{escape(bucket.told[series])}</title></a>"
    )


def _links(plot: TimePlot) -> str:
    parts = []
    for at, bucket in enumerate(plot.buckets):
        area = (
            f'<rect class="area" x="{_x(plot, at)}%" width="{_x(plot, 1)}%" y="0" '
            f'height="{HEIGHT}" fill="currentColor" fill-opacity="0"/>'
        )
        if bucket.address:
            parts.append(
                f'<a href="{escape(bucket.address)}" aria-label="{escape(bucket.said)}" '
                f'data-bucket="{at}">{area}<title>{escape(bucket.said)}</title></a>'
            )
    return "".join(parts)


def _time_texts(plot: TimePlot) -> str:
    """When some of the buckets begin: days where they are days, else the time as well."""
    spread = plot.buckets[-1].end - plot.buckets[0].start
    places = [
        at
        for at, bucket in enumerate(plot.buckets)
        if spread < timedelta(days=2) or bucket.start.astimezone(UTC).time() == time.min
    ]
    places = places or list(range(len(plot.buckets)))
    parts = []
    taken = 0.0
    for at in places[:: max(1, -(-len(places) // _LABELS_MAX))]:
        start = plot.buckets[at].start.astimezone(UTC)
        day = f"{start.day} {start:%b}" + (f" {start:%Y}" if spread > timedelta(days=300) else "")
        words = day if spread >= timedelta(days=2) else f"{day} {start:%H:%M}"
        if spread <= timedelta(hours=20):
            words = f"{start:%H:%M:%S}" if spread <= timedelta(minutes=3) else f"{start:%H:%M}"
        # One at the right edge would stand outside.
        anchor = "end" if at > len(plot.buckets) * 0.88 else "start"
        width = len(words) * _CHARACTER_PERCENT
        left = at / len(plot.buckets) * 100 - (width if anchor == "end" else 0)
        if left < taken:
            continue
        taken = left + width
        parts.append(
            f'<text class="axis-text" x="{_x(plot, at)}%" y="{HEIGHT + 18}" '
            f'text-anchor="{anchor}">{escape(words)}</text>'
        )
    return "".join(parts)


def _tick_text(tick: float, unit: axes.Unit, scale: axes.Axis) -> str:
    text = axes.tick_text(tick, unit, scale)
    if unit in ("", "%"):
        return text
    # Money stands before each number; any other unit once, at the top.
    return (
        f"{unit}{text}" if unit == "$" else text + (f" {unit}" if tick == scale.ticks[-1] else "")
    )


def _stretches(plot: TimePlot, series: int) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = [[]]
    for at, bucket in enumerate(plot.buckets):
        value = bucket.values[series]
        if value is None:
            found.append([])
        else:
            found[-1].append((at, value))
    return [stretch for stretch in found if stretch]


def _from_zero(values: Sequence[float], unit: axes.Unit) -> axes.Axis:
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low < 0:
        return axes.axis([low, max(high, 0.0)], unit=unit)
    return axes.axis([0.0, high or (0.04 if unit == "%" else 1.0)], unit=unit)


def _x(plot: TimePlot, place: float) -> str:
    return f"{place / len(plot.buckets) * 100:.3f}"


def _y(scale: axes.Axis, value: float) -> float:
    return _TOP + (HEIGHT - _TOP) * (1 - scale.place(value) / 100)
