"""The graph of who called whom as SVG: laid out in columns on the server, from left to right. Pure.

A column is how far a node stands from where it began. A line that would lead back, as in a loop, is
laid out as if it led forward and gets its arrow at the other end, so that a loop is two lines and
never a lie. Lines over several columns keep a lane of their own between the nodes.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from lineside.traces import views

_WIDTH, _HEIGHT, _ACROSS, _APART, _LANE = 188, 46, 92, 20, 16
_EDGE = 14
_NAME_CHARACTERS_MAX = 23
_SWEEPS = 6
_OFFSET = 9


class _Lane(NamedTuple):
    """An edge on its way through the columns, and the nodes and lanes that it goes through."""

    edge: views.GraphEdge
    stops: list[int]
    is_back: bool


def graph_plot(title: str, graph: views.CallGraph, links: Sequence[str]) -> Markup:
    """Draw a graph; every node leads to its link."""
    count = len(graph.nodes)
    if not count:
        return Markup("")
    edges = [edge for edge in graph.edges if edge.source != edge.target]
    column, back = _columns(count, edges)
    columns: dict[int, list[int]] = defaultdict(list)
    for node in range(count):
        columns[column[node]].append(node)
    lanes = _lanes(edges, back, column, columns)
    _settle(columns, lanes)
    y, height = _heights(columns, count)
    parts = [_lane(lane, column, y, count) for lane in lanes]
    parts += [
        _loop(column[edge.source], y[edge.source], edge.calls)
        for edge in graph.edges
        if edge.source == edge.target
    ]
    parts += [_node(node, column[at], y[at], links[at]) for at, node in enumerate(graph.nodes)]
    width = 2 * _EDGE + (max(column.values()) + 1) * (_WIDTH + _ACROSS) - _ACROSS
    return Markup(  # noqa: S704 # every outside text in the parts went through escape
        f'<svg class="call-graph" role="group" aria-label="{escape(title)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" '
        f'font-size="13">{_ARROWS}{"".join(parts)}</svg>'
    )


_ARROWS = (
    "<defs>"
    + "".join(
        f'<marker id="{name}" class="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        '<path d="M0 0.5 8 4 0 7.5z"/></marker>'
        for name in ("arrow", "arrow-flow")
    )
    + "</defs>"
)


def _columns(
    count: int, edges: Sequence[views.GraphEdge]
) -> tuple[dict[int, int], set[tuple[int, int]]]:
    """The column of every node, and which edges lead back."""
    below: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        below[edge.source].append(edge.target)
    called = {edge.target for edge in edges}
    back: set[tuple[int, int]] = set()
    done: list[int] = []
    state: dict[int, bool] = {}
    for start in sorted(range(count), key=lambda node: (node in called, node)):
        waiting = [(start, iter(below[start]))] if start not in state else []
        state.setdefault(start, True)
        while waiting:
            node, targets = waiting[-1]
            target = next(targets, None)
            if target is None:
                waiting.pop()
                state[node] = False
                done.append(node)
            elif target not in state:
                state[target] = True
                waiting.append((target, iter(below[target])))
            elif state[target]:
                back.add((node, target))
    column = dict.fromkeys(range(count), 0)
    ahead: dict[int, list[int]] = defaultdict(list)
    for edge in edges:
        turned = (edge.source, edge.target) in back
        source, target = (edge.target, edge.source) if turned else (edge.source, edge.target)
        ahead[source].append(target)
    for node in reversed(done):
        for target in ahead[node]:
            column[target] = max(column[target], column[node] + 1)
    return column, back


def _lanes(
    edges: Sequence[views.GraphEdge],
    back: set[tuple[int, int]],
    column: dict[int, int],
    columns: dict[int, list[int]],
) -> list[_Lane]:
    """Give an edge a stop in every column that it passes."""
    lanes = []
    for edge in edges:
        ends = (edge.source, edge.target)
        is_back = ends in back
        left, right = reversed(ends) if is_back else ends
        stops = [left]
        for passed in range(column[left] + 1, column[right]):
            stop = len(column)
            column[stop] = passed
            columns[passed].append(stop)
            stops.append(stop)
        lanes.append(_Lane(edge, [*stops, right], is_back))
    return lanes


def _settle(columns: Mapping[int, list[int]], lanes: Sequence[_Lane]) -> None:
    """Order each column by the middle of its neighbours, to and fro, so that few lines cross."""
    beside: dict[int, dict[int, list[int]]] = {-1: defaultdict(list), 1: defaultdict(list)}
    for lane in lanes:
        for left, right in zip(lane.stops, lane.stops[1:], strict=False):
            beside[-1][right].append(left)
            beside[1][left].append(right)
    for sweep in range(_SWEEPS):
        side = -1 if sweep % 2 == 0 else 1
        for at in sorted(columns, reverse=side == 1):
            neighbours = columns.get(at + side)
            if neighbours is None:
                continue
            place = {node: rank / len(neighbours) for rank, node in enumerate(neighbours)}
            own = {node: rank / len(columns[at]) for rank, node in enumerate(columns[at])}
            middle = {
                node: sum(place[other] for other in others) / len(others)
                for node in columns[at]
                if (others := [one for one in beside[side][node] if one in place])
            }
            best = own | middle
            columns[at].sort(key=best.__getitem__)


def _heights(columns: Mapping[int, list[int]], count: int) -> tuple[dict[int, float], int]:
    """The middle of every node and lane, each column in the middle of the whole."""

    def tall(node: int) -> int:
        return _HEIGHT if node < count else _LANE

    needed = {
        at: sum(tall(node) + _APART for node in nodes) - _APART for at, nodes in columns.items()
    }
    whole = max(needed.values())
    y: dict[int, float] = {}
    for at, nodes in columns.items():
        top = 2 * _EDGE + (whole - needed[at]) / 2
        for node in nodes:
            y[node] = top + tall(node) / 2
            top += tall(node) + _APART
    return y, whole + 3 * _EDGE


def _left(column: int) -> float:
    return _EDGE + column * (_WIDTH + _ACROSS)


def _lane(lane: _Lane, column: Mapping[int, int], y: Mapping[int, float], count: int) -> str:
    # Beside a line that leads forward, one that leads back needs room.
    shift = _OFFSET if lane.is_back else 0
    begin = (_left(column[lane.stops[0]]) + _WIDTH, y[lane.stops[0]] + shift)
    path = f"M{begin[0]:g} {begin[1]:g}"
    label = begin
    for stop in lane.stops[1:]:
        end = (_left(column[stop]), y[stop] + shift)
        bend = (end[0] - begin[0]) / 2
        path += (
            f"C{begin[0] + bend:g} {begin[1]:g} {end[0] - bend:g} {end[1]:g} {end[0]:g} {end[1]:g}"
        )
        label = (begin[0] + (end[0] - begin[0]) * 0.72, begin[1] + (end[1] - begin[1]) * 0.84)
        if stop >= count:
            path += f"H{end[0] + _WIDTH:g}"
        begin = (end[0] + _WIDTH, end[1])
    name = "arrow-flow" if lane.edge.is_flow else "arrow"
    end_mark = f'marker-{"start" if lane.is_back else "end"}="url(#{name})"'
    kind = "call-line" + (" flow" if lane.edge.is_flow else "")
    return f'<path class="{kind}" d="{path}" fill="none" {end_mark}/>' + _times(
        label[0], label[1], lane.edge.calls
    )


def _loop(column: int, y: float, calls: int) -> str:
    x, top = _left(column) + _WIDTH - 44, y - _HEIGHT / 2
    path = f"M{x:g} {top:g}c0 -20 26 -20 26 0"
    line = f'<path class="call-line" d="{path}" fill="none" marker-end="url(#arrow)"/>'
    return line + _times(x - 12, top - 3, calls)


def _times(x: float, y: float, calls: int) -> str:
    if calls < 2:
        return ""
    return (
        f'<text class="call-times" x="{x:g}" y="{y - 4:g}" text-anchor="middle">{calls:,}×</text>'
    )


def _node(node: views.GraphNode, column: int, y: float, link: str) -> str:
    name = f"{node.folded} others" if node.folded else node.name
    if len(name) > _NAME_CHARACTERS_MAX:
        name = name[: _NAME_CHARACTERS_MAX - 1] + "…"
    x, top = _left(column), y - _HEIGHT / 2
    took = f"{node.total_ms / 1000:,.1f} s" if node.total_ms >= 1000 else f"{node.total_ms:,.0f} ms"
    words = f"{node.kind} · {node.calls:,}× · {took}"
    failed = f"{node.errors:,} failed" if node.errors else ""
    said = f"{node.kind} {node.name}: {node.calls:,} calls, {took}" + (failed and f", {failed}")
    said += f", {node.lost:,} with a missing caller" if node.lost else ""
    classes = f"call-node kind-{escape(node.kind)}" + (" wrong" if node.errors else "")
    mark = (
        f'<text class="call-failed" x="{x + _WIDTH - 10:g}" y="{top + 19:g}" '
        f'text-anchor="end">{failed}</text>'
        if failed
        else ""
    )
    cut = (
        name
        if not failed
        else name[: _NAME_CHARACTERS_MAX - 8 - (len(name) > 15)]
        + ("…" if len(name) > _NAME_CHARACTERS_MAX - 8 else "")
    )
    return (
        f'<a class="{classes}" href="{escape(link)}"><title>{escape(said)}</title>'
        f'<rect x="{x:g}" y="{top:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text class="call-name" x="{x + 10:g}" y="{top + 19:g}">{escape(cut)}</text>'
        f'<text class="call-words" x="{x + 10:g}" y="{top + 36:g}">{escape(words)}</text>{mark}</a>'
    )
