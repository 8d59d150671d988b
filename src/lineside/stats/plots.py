"""Plots as SVG, drawn on the server: pure functions from numbers to markup.

Positions along x are percentages and heights are pixels, so that a plot takes the width it is given
while its text keeps its size; that is what makes one picture legible on a desk and on a phone.
Colours are `currentColor` unless a stylesheet knows the classes. Everything that comes from outside
is escaped here.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from typing import Literal, NamedTuple

from markupsafe import Markup, escape

from lineside.stats.axes import TICKS, Axis, Unit, axis, show, show_span, tick_text

Tone = Literal["ship", "hold", "more", "plain"]
_ROW_HEIGHT = 46
_LABEL_CHARACTERS_MAX = 28
_LABEL_END_CHARACTERS = 7
_ROWS_MAX = 60
_POINTS_MAX = 12
_SERIES_HEIGHT = 190
_POINT_CHARACTERS = 12


class IntervalRow(NamedTuple):
    """An estimate with its interval, as one row of a plot; an end that is None is unknown."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    note: str = ""
    tone: Tone = "plain"


class SeriesPoint(NamedTuple):
    """An estimate over releases; `is_hollow` marks one that never went out."""

    label: str
    value: float
    low: float | None
    high: float | None
    is_hollow: bool = False
    note: str = ""


class BarShare(NamedTuple):
    """A labelled part of a whole, in percent of it."""

    label: str
    percent: float


def interval_rows(
    title: str,
    rows: Sequence[IntervalRow],
    *,
    unit: Unit = "%",
    threshold: float | None = None,
    threshold_label: str = "asked for",
) -> Markup:
    """Rows of dot and interval over one axis, with a line where the threshold stands."""
    shown = rows[:_ROWS_MAX]
    values = _values(shown) + ([] if threshold is None else [threshold])
    if not _values(shown):
        return _empty(title)
    return _rows_plot(
        title,
        shown,
        axis(values, unit=unit),
        unit=unit,
        lines=[] if threshold is None else [(threshold, "threshold", threshold_label)],
    )


def difference_plot(
    title: str,
    rows: Sequence[IntervalRow],
    *,
    unit: Unit = "points",
    accepted: float | None = None,
) -> Markup:
    """Differences of candidate and baseline with their intervals, around zero.

    Args:
        accepted: The worst difference that still passes, in units of the score.
    """
    shown = rows[:_ROWS_MAX]
    if not _values(shown):
        return _empty(title)
    lines = [(0.0, "zero", "no difference")]
    if accepted:
        lines.append((accepted, "threshold", "worst that is accepted"))
    scale = axis([*_values(shown), *(line[0] for line in lines)], unit=unit, zero=True)
    return _rows_plot(title, shown, scale, unit=unit, lines=lines, signed=True)


def interval_bar(
    title: str, row: IntervalRow, *, unit: Unit = "%", threshold: float | None = None
) -> Markup:
    """One interval without text, to stand beside a number in a table or card."""
    values = [value for value in (row.value, row.low, row.high, threshold) if value is not None]
    if row.value is None:
        return Markup("")
    # Shares are compared between cards, so that all of them share the upper half of the scale.
    scale = axis([*values, 0.5, 1.0] if unit == "%" else values, unit=unit)
    marks = _threshold_mark(scale, threshold, top=2, bottom=18)
    body = _track(10) + marks + _interval(row, scale, y=10)
    return _svg(title, body, height=20, kind="bar", words=_spoken(row, unit))


def series_with_intervals(
    title: str,
    points: Sequence[SeriesPoint],
    *,
    unit: Unit = "%",
    threshold: float | None = None,
) -> Markup:
    """Estimates with error bars, oldest left; hollow points were refused."""
    shown = points[-_POINTS_MAX:]
    if not shown:
        return _empty(title)
    rows = [IntervalRow(point.label, point.value, point.low, point.high) for point in shown]
    values = _values(rows) + ([] if threshold is None else [threshold])
    scale = axis(values, unit=unit)
    xs = [_spread(at, len(shown)) for at in range(len(shown))]
    parts = [_grid_line(scale, tick) for tick in scale.ticks]
    line_y = None if threshold is None else _height_of(scale, threshold)
    if line_y is not None:
        parts.append(_line("threshold", "0%", line_y, "100%", line_y, dash=True))
    parts += [_grid_text(scale, tick, unit, avoid=line_y) for tick in scale.ticks]
    parts.append(_connections(shown, xs, scale))
    parts += [_point(point, x, scale, unit) for point, x in zip(shown, xs, strict=True)]
    parts.append(_point_labels(shown, xs))
    words = "; ".join(_spoken(row, unit) for row in rows)
    return _svg(title, "".join(parts), height=_SERIES_HEIGHT + 30, kind="series", words=words)


def share_bar(title: str, shares: Sequence[BarShare]) -> Markup:
    """One bar cut into labelled parts of a whole."""
    if not shares:
        return _empty(title)
    parts, start = [], 0.0
    for at, share in enumerate(shares):
        parts.append(
            f'<rect class="share share-{at % 4}" x="{start:g}%" y="0" width="{share.percent:g}%" '
            f'height="30" fill="currentColor" fill-opacity="{0.75 if at == 0 else 0.35}">'
            f"<title>{escape(share.label)}: {share.percent:g} %</title></rect>"
        )
        if share.percent >= 18:
            words = f"{share.label} · {share.percent:g} %"
            parts.append(
                f'<text class="share-text share-text-{at % 4}" x="{start + share.percent / 2:g}%" '
                f'y="20" text-anchor="middle">{escape(words)}</text>'
            )
        start += share.percent
    spoken = ", ".join(f"{share.label} {share.percent:g} %" for share in shares)
    return _svg(title, "".join(parts), height=30, kind="shares", words=spoken)


def level_bar(
    title: str, value: float, *, mark: float | None = None, mark_label: str = ""
) -> Markup:
    """How far a share fills its bar, with a mark it has to reach."""
    inside = min(1.0, max(0.0, value))
    is_below = mark is not None and inside < mark
    parts = [
        _round_bar("level-back", 100, faint=True),
        _round_bar(f"level {'below' if is_below else 'above'}", inside * 100),
    ]
    if mark is not None:
        at = min(1.0, max(0.0, mark)) * 100
        parts.append(_line("mark", f"{at:g}%", 3, f"{at:g}%", 25))
        parts.append(_text("axis-text", at, 41, mark_label))
    spoken = f"{inside * 100:.0f} %" + (f", {mark_label}" if mark is not None else "")
    return _svg(title, "".join(parts), height=46 if mark_label else 28, kind="levels", words=spoken)


def _rows_plot(
    title: str,
    rows: Sequence[IntervalRow],
    scale: Axis,
    *,
    unit: Unit,
    lines: Sequence[tuple[float, str, str]],
    signed: bool = False,
) -> Markup:
    bottom = len(rows) * _ROW_HEIGHT
    parts = []
    for tick in scale.ticks:
        x = f"{scale.place(tick):g}%"
        parts.append(_line("grid", x, 24, x, bottom + 2, faint=True))
    for value, kind, _label in lines:
        x = f"{scale.place(value):g}%"
        parts.append(_line(kind, x, 20, x, bottom + 2, dash=kind == "threshold"))
    for at, row in enumerate(rows):
        top = at * _ROW_HEIGHT
        parts.append(_row_text(row, top + 15, unit, signed=signed))
        parts.append(f"<g>{_track(top + 30)}{_interval(row, scale, y=top + 30)}")
        parts.append(f"<title>{escape(_spoken(row, unit, signed=signed))}</title></g>")
    parts.append(_axis_text(scale, bottom + 18, unit, signed=signed))
    height = bottom + 24
    for value, kind, label in lines:
        height += 17
        words = f"{'┆' if kind == 'threshold' else '│'} {label}"
        if kind == "threshold":
            words += f": {show(value, unit, signed=signed)}"
        parts.append(f'<text class="axis-text {kind}-text" x="0" y="{height - 5}">')
        parts.append(f"{escape(words)}</text>")
    spoken = "; ".join(_spoken(row, unit, signed=signed) for row in rows)
    return _svg(title, "".join(parts), height=height, kind="rows", words=spoken)


def _row_text(row: IntervalRow, y: int, unit: Unit, *, signed: bool) -> str:
    label, room = row.label, _LABEL_CHARACTERS_MAX - len(row.note)
    if len(label) > room:
        # The end is kept too: candidates of one minute differ in it alone.
        label = label[: room - 1 - _LABEL_END_CHARACTERS] + "…" + label[-_LABEL_END_CHARACTERS:]
    note = f'<tspan class="note" dx="8">{escape(row.note)}</tspan>' if row.note else ""
    return (
        f'<text class="label" x="0" y="{y}">{escape(label)}{note}</text>'
        f'<text class="value" x="100%" y="{y}" text-anchor="end">'
        f"{escape(show(row.value, unit, signed=signed))}</text>"
    )


def _interval(row: IntervalRow, scale: Axis, *, y: int) -> str:
    if row.value is None:
        return ""
    low = scale.start if row.low is None else row.low
    high = scale.end if row.high is None else row.high
    x = scale.place(row.value)
    return (
        f'<line class="range tone-{row.tone}" x1="{scale.place(low):g}%" '
        f'x2="{scale.place(high):g}%" y1="{y}" y2="{y}" stroke="currentColor" '
        'stroke-width="7" stroke-opacity=".35" stroke-linecap="round"/>'
        f'<circle class="dot tone-{row.tone}" cx="{x:g}%" cy="{y}" r="5.5" fill="currentColor"/>'
    )


def _point(point: SeriesPoint, x: float, scale: Axis, unit: Unit) -> str:
    low = point.value if point.low is None else point.low
    high = point.value if point.high is None else point.high
    top, bottom = _height_of(scale, high), _height_of(scale, low)
    y = _height_of(scale, point.value)
    row = IntervalRow(point.label, point.value, point.low, point.high)
    said = _spoken(row, unit) + (f", {point.note}" if point.note else "")
    shape = (
        f'<circle class="dot hollow" cx="{x:g}%" cy="{y:g}" r="6" fill="none" '
        'stroke="currentColor" stroke-width="2"/>'
        if point.is_hollow
        else f'<circle class="dot" cx="{x:g}%" cy="{y:g}" r="6" fill="currentColor"/>'
    )
    kind = "error hollow" if point.is_hollow else "error"
    anchor, shift = ("end", -12) if x > 70 else ("start", 12)
    return (
        f"<g>{_line(kind, f'{x:g}%', top, f'{x:g}%', bottom)}{shape}"
        f'<text class="point-text" x="{x:g}%" y="{y + 4:g}" dx="{shift}" text-anchor="{anchor}">'
        f"{escape(show(point.value, unit))}</text><title>{escape(said)}</title></g>"
    )


def _connections(points: Sequence[SeriesPoint], xs: Sequence[float], scale: Axis) -> str:
    """Thin lines between the points that went out; a refused one is no part of the story's line."""
    out = [(x, p) for x, p in zip(xs, points, strict=True) if not p.is_hollow]
    return "".join(
        _line(
            "path",
            f"{x1:g}%",
            _height_of(scale, p1.value),
            f"{x2:g}%",
            _height_of(scale, p2.value),
            faint=True,
        )
        for (x1, p1), (x2, p2) in pairwise(out)
    )


def _point_labels(points: Sequence[SeriesPoint], xs: Sequence[float]) -> str:
    parts = []
    for x, point in zip(xs, points, strict=True):
        is_roomy = len(points) <= 5 and len(point.label) <= _POINT_CHARACTERS
        label = point.label if is_roomy or not point.is_hollow else "✕"
        parts.append(_text("axis-text", x, _SERIES_HEIGHT + 22, label, at_ends=False))
    return "".join(parts)


def _grid_line(scale: Axis, tick: float) -> str:
    y = _height_of(scale, tick)
    return _line("grid", "0%", y, "100%", y, faint=True)


def _grid_text(scale: Axis, tick: float, unit: Unit, *, avoid: float | None) -> str:
    """A tick's label above its line, or below it where another line runs through that place."""
    y = _height_of(scale, tick) - 4
    if avoid is not None and y - 13 <= avoid <= y + 3:
        y += 18
    return f'<text class="axis-text" x="0" y="{y:g}">{escape(tick_text(tick, unit, scale))}</text>'


def _axis_text(scale: Axis, y: int, unit: Unit, *, signed: bool) -> str:
    ticks = scale.ticks if len(scale.ticks) <= TICKS + 2 else scale.ticks[::2]
    return "".join(
        _text("axis-text", scale.place(tick), y, tick_text(tick, unit, scale, signed=signed))
        for tick in ticks
    )


def _round_bar(kind: str, percent: float, *, faint: bool = False) -> str:
    extra = ' fill-opacity=".12"' if faint else ""
    return (
        f'<rect class="{kind}" x="0" y="8" width="{percent:.2f}%" height="12" rx="6" '
        f'fill="currentColor"{extra}/>'
    )


def _threshold_mark(scale: Axis, threshold: float | None, *, top: int, bottom: int) -> str:
    if threshold is None:
        return ""
    x = f"{scale.place(threshold):g}%"
    return _line("threshold", x, top, x, bottom)


def _track(y: int) -> str:
    return _line("track", "0%", y, "100%", y, faint=True)


def _line(
    kind: str, x1: str, y1: float, x2: str, y2: float, *, faint: bool = False, dash: bool = False
) -> str:
    extra = ' stroke-opacity=".18"' if faint else ""
    extra += ' stroke-dasharray="4 4"' if dash else ""
    return (
        f'<line class="{kind}" x1="{x1}" y1="{y1:g}" x2="{x2}" y2="{y2:g}" '
        f'stroke="currentColor"{extra}/>'
    )


def _text(kind: str, percent: float, y: int, words: str, *, at_ends: bool = True) -> str:
    anchor = "middle"
    if at_ends:
        anchor = "start" if percent < 12 else "end" if percent > 88 else "middle"
    return (
        f'<text class="{kind}" x="{percent:g}%" y="{y}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def _svg(title: str, body: str, *, height: int, kind: str, words: str) -> Markup:
    return Markup(  # noqa: S704 # every outside text in the body went through escape
        f'<svg class="plot plot-{kind}" role="img" width="100%" height="{height}" '
        f'overflow="visible" xmlns="http://www.w3.org/2000/svg" font-size="13">'
        f"<title>{escape(title)}</title><desc>{escape(words)}</desc>{body}</svg>"
    )


def _empty(title: str) -> Markup:
    return Markup('<p class="empty">{}: nothing to draw yet</p>').format(title)


def _spoken(row: IntervalRow, unit: Unit, *, signed: bool = False) -> str:
    said = f"{row.label}: {show(row.value, unit, signed=signed)}"
    if row.low is not None and row.high is not None:
        said += f", interval {show_span(row.low, row.high, unit, signed=signed)}"
    return said + (f", {row.note}" if row.note else "")


def _values(rows: Sequence[IntervalRow]) -> list[float]:
    ends = [end for row in rows if row.value is not None for end in (row.value, row.low, row.high)]
    return [end for end in ends if end is not None and isfinite(end)]


def _spread(at: int, count: int) -> float:
    """Even places from 18 % to 88 %: left of them stand the ticks' labels."""
    return 50.0 if count == 1 else round(18 + 70 * at / (count - 1), 3)


def _height_of(scale: Axis, value: float) -> float:
    return round(20 + (_SERIES_HEIGHT - 20) * (1 - scale.place(value) / 100), 2)
