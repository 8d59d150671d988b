"""Quality against cost, as SVG: what nothing else beats stands on a line. Pure.

As in `plots`, positions along x are percentages and heights are pixels.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup, escape

from lineside.stats import axes

_HEIGHT, _TOP, _BOTTOM = 250, 18, 230
_LEFT, _RIGHT = 12.0, 94.0
_POINTS_MAX = 30


class FrontierPoint(NamedTuple):
    """One candidate: its mark on the plot, its name, what a case costs, and how good it is."""

    mark: str
    name: str
    cost_usd: float
    value: float
    low: float | None
    high: float | None
    is_on_frontier: bool


def frontier_plot(title: str, points: Sequence[FrontierPoint], *, unit: axes.Unit) -> Markup:
    """Cheaper to the left, better above; the bars are intervals. Empty without a point."""
    shown = points[:_POINTS_MAX]
    if not shown:
        return Markup("")
    ends = [end for point in shown for end in (point.value, point.low, point.high)]
    up = axes.axis([end for end in ends if end is not None], unit=unit)
    along = axes.axis([0.0, *(point.cost_usd for point in shown)], unit="")
    parts = [_grid(up, tick, unit) for tick in up.ticks]
    ticks = along.ticks if len(along.ticks) <= axes.TICKS + 1 else along.ticks[::2]
    parts += [
        f'<text class="axis-text" x="{_x(along, tick):g}%" y="{_BOTTOM + 18}" '
        f'text-anchor="middle">{escape(axes.tick_text(tick, "", along))}</text>'
        for tick in ticks
    ]
    parts.append(
        f'<text class="axis-text" x="100%" y="{_BOTTOM + 38}" text-anchor="end">USD a case →</text>'
    )
    best = sorted((point for point in shown if point.is_on_frontier), key=lambda one: one.cost_usd)
    for one, other in pairwise(best):
        parts.append(
            f'<line class="path" x1="{_x(along, one.cost_usd):g}%" y1="{_y(up, one.value):g}" '
            f'x2="{_x(along, other.cost_usd):g}%" y2="{_y(up, other.value):g}" '
            'stroke="currentColor" stroke-opacity=".5"/>'
        )
    parts += [_point(point, along, up, unit) for point in shown]
    said = "; ".join(_said(point, unit) for point in shown)
    return Markup(  # noqa: S704 # every outside text in the parts went through escape
        f'<svg class="plot plot-series" role="img" width="100%" height="{_HEIGHT + 24}" '
        'overflow="visible" xmlns="http://www.w3.org/2000/svg" font-size="13">'
        f"<title>{escape(title)}</title><desc>{escape(said)}</desc>{''.join(parts)}</svg>"
    )


def _point(point: FrontierPoint, along: axes.Axis, up: axes.Axis, unit: axes.Unit) -> str:
    x, y = _x(along, point.cost_usd), _y(up, point.value)
    bar = ""
    if point.low is not None and point.high is not None:
        bar = (
            f'<line class="error" x1="{x:g}%" x2="{x:g}%" y1="{_y(up, point.high):g}" '
            f'y2="{_y(up, point.low):g}" stroke="currentColor" stroke-opacity=".45"/>'
        )
    shape = (
        f'<circle class="dot" cx="{x:g}%" cy="{y:g}" r="6" fill="currentColor"/>'
        if point.is_on_frontier
        else f'<circle class="dot-beaten" cx="{x:g}%" cy="{y:g}" r="6" fill="none" '
        'stroke="currentColor" stroke-width="2"/>'
    )
    return (
        f'<g>{bar}{shape}<text class="point-text" x="{x:g}%" y="{y + 4:g}" dx="11">'
        f"{escape(point.mark)}</text><title>{escape(_said(point, unit))}</title></g>"
    )


def _grid(up: axes.Axis, tick: float, unit: axes.Unit) -> str:
    y, text = _y(up, tick), escape(axes.tick_text(tick, unit, up))
    return (
        f'<line class="grid" x1="0%" x2="100%" y1="{y:g}" y2="{y:g}" stroke="currentColor" '
        'stroke-opacity=".18"/>'
        f'<text class="axis-text" x="0" y="{y - 4:g}">{text}</text>'
    )


def _x(along: axes.Axis, cost_usd: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * along.place(cost_usd) / 100, 3)


def _y(up: axes.Axis, value: float) -> float:
    return round(_TOP + (_BOTTOM - _TOP) * (1 - up.place(value) / 100), 2)


def _said(point: FrontierPoint, unit: axes.Unit) -> str:
    place = "on the frontier" if point.is_on_frontier else "beaten by another"
    return (
        f"{point.mark} {point.name}: {axes.show(point.value, unit)} "
        f"at {axes.show(point.cost_usd, 'USD')} "
        f"a case, {place}"
    )
