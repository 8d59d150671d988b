"""Effects of different units over one axis, better to the right, as SVG. Pure.

As in `plots`, positions along x are percentages and heights are pixels.
"""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from lineside.stats import axes, plots

_ROW_HEIGHT = 50
_REACH_LEAST, _REACH_MAX = 0.05, 1.0
_ROWS_MAX = 30


class ForestRow(NamedTuple):
    """One effect, as parts of what it is measured against; above 0 is better.

    Attributes:
        shown: The effect in its own unit, as people read it.
        value: None where it cannot stand on the common axis, as when the baseline is 0.
        low: Ends of its own interval; `wide_low` and `wide_high` those that hold for all at once.
        accepted: The worst that is accepted, below 0; nothing where nothing was asked.
        is_deciding: Whether the axis has to show all of it.
        said: All of it in words.
    """

    label: str
    note: str
    shown: str
    value: float | None
    low: float | None
    high: float | None
    wide_low: float | None
    wide_high: float | None
    accepted: float | None
    is_deciding: bool
    tone: plots.Tone
    said: str


def forest_plot(title: str, rows: Sequence[ForestRow]) -> Markup:
    """Each effect with its interval; what reaches far beyond the deciding ones is cut."""
    shown = rows[:_ROWS_MAX]
    reach = 4 * max((abs(end) for row in shown if row.is_deciding for end in _ends(row)), default=0)
    reach = min(_REACH_MAX, max(_REACH_LEAST, reach))
    ends = [min(reach, max(-reach, end)) for row in shown for end in _ends(row)]
    scale = axes.axis([*ends, -0.01, 0.01], unit="points", zero=True)
    bottom = len(shown) * _ROW_HEIGHT
    parts = [_upright("grid", scale.place(tick), 22, bottom) for tick in scale.ticks]
    parts.append(_upright("zero", scale.place(0.0), 18, bottom))
    for at, row in enumerate(shown):
        parts.append(_row(row, scale, at * _ROW_HEIGHT))
    for tick in scale.ticks if len(scale.ticks) <= axes.TICKS + 1 else scale.ticks[::2]:
        x = scale.place(tick)
        anchor = "start" if x < 12 else "end" if x > 88 else "middle"
        words = f"{axes.tick_text(tick, 'points', scale, signed=True)} %"
        parts.append(
            f'<text class="axis-text" x="{x:g}%" y="{bottom + 18}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )
    parts.append(
        f'<text class="axis-text" x="0" y="{bottom + 38}">← worse</text>'
        f'<text class="axis-text" x="100%" y="{bottom + 38}" text-anchor="end">better →</text>'
    )
    said = "; ".join(row.said for row in shown)
    return Markup(  # noqa: S704 # every outside text in the parts went through escape
        f'<svg class="plot plot-rows" role="img" width="100%" height="{bottom + 46}" '
        'overflow="visible" xmlns="http://www.w3.org/2000/svg" font-size="13">'
        f"<title>{escape(title)}</title><desc>{escape(said)}</desc>{''.join(parts)}</svg>"
    )


def _ends(row: ForestRow) -> list[float]:
    ends = (row.value, row.wide_low, row.wide_high, row.accepted)
    return [end for end in ends if end is not None]


def _row(row: ForestRow, scale: axes.Axis, top: int) -> str:
    y = top + 32
    words = (
        f'<text class="label" x="0" y="{top + 16}">{escape(row.label)}'
        f'<tspan class="note" dx="8">{escape(row.note)}</tspan></text>'
        f'<text class="value" x="100%" y="{top + 16}" text-anchor="end">{escape(row.shown)}</text>'
    )
    track = _flat("track", 0, 100, y, 'stroke-opacity=".18"')
    if row.value is None:
        return f"<g>{words}{track}<title>{escape(row.said)}</title></g>"
    low, high = (scale.place(_end(end, scale, at)) for at, end in enumerate((row.low, row.high)))
    wide = [
        scale.place(_end(end, scale, at)) for at, end in enumerate((row.wide_low, row.wide_high))
    ]
    marks = (
        _flat(f"whisker tone-{row.tone}", wide[0], wide[1], y, 'stroke-width="2"')
        + _flat(
            f"range tone-{row.tone}",
            low,
            high,
            y,
            'stroke-width="7" stroke-opacity=".35" stroke-linecap="round"',
        )
        + f'<circle class="dot tone-{row.tone}" cx="{scale.place(row.value):g}%" cy="{y}" r="5.5" '
        'fill="currentColor"/>'
    )
    if not scale.start <= row.value <= scale.end:
        edge, sign, anchor = ("100%", "▶", "end") if row.value > 0 else ("0", "◀", "start")
        marks = (
            f'<text class="axis-text tone-{row.tone}" x="{edge}" y="{y + 5}" '
            f'text-anchor="{anchor}">{sign}</text>'
        )
    if row.accepted is not None:
        marks += _upright("threshold", scale.place(row.accepted), y - 9, y + 9, dash=True)
    return f"<g>{words}{track}{marks}<title>{escape(row.said)}</title></g>"


def _end(end: float | None, scale: axes.Axis, at: int) -> float:
    return (scale.start, scale.end)[at] if end is None else end


def _flat(kind: str, start: float, end: float, y: int, more: str) -> str:
    return (
        f'<line class="{kind}" x1="{start:g}%" x2="{end:g}%" y1="{y}" y2="{y}" '
        f'stroke="currentColor" {more}/>'
    )


def _upright(kind: str, x: float, top: int, bottom: int, *, dash: bool = False) -> str:
    extra = ' stroke-dasharray="4 4"' if dash else ""
    extra += ' stroke-opacity=".18"' if kind == "grid" else ""
    return (
        f'<line class="{kind}" x1="{x:g}%" x2="{x:g}%" y1="{top}" y2="{bottom}" '
        f'stroke="currentColor"{extra}/>'
    )
