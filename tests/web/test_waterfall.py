"""Which rows of a trace a page begins with, and where the boxes of a graph stand."""

import re
from datetime import timedelta

from lineside.core import now
from lineside.traces import views
from lineside.web.call_graph import graph_plot
from lineside.web.waterfall import Gap, Row, unfold

START = now()


def trace_of(parents: int, children: int, *, failed: tuple[int, int]) -> list[views.Outline]:
    def step(span_id: str, parent: str | None, at: int, status: str = "ok") -> views.Outline:
        starts = START + timedelta(milliseconds=at)
        return views.Outline(span_id, parent, span_id, "tool", status, None, starts, 1.0)

    spans = [step("root", None, 0)]
    for one in range(parents):
        spans.append(step(f"{one}", "root", one * children))
        spans += [
            step(
                f"{one}.{at}",
                f"{one}",
                one * children + at,
                "error" if (one, at) == failed else "ok",
            )
            for at in range(children)
        ]
    return spans


def names(rows: list[Row | Gap]) -> list[str]:
    return [row.step.span.name if isinstance(row, Row) else f"+{row.size}" for row in rows]


def test_a_short_trace_is_shown_whole() -> None:
    steps = views.tree_of(trace_of(3, 40, failed=(9, 9)))

    rows = unfold(steps, 120.0)

    assert len(rows) == len(steps) == 124
    assert not any(isinstance(row, Gap) for row in rows)


def test_of_a_long_trace_the_way_to_a_failed_step_is_open() -> None:
    steps = views.tree_of(trace_of(400, 100, failed=(333, 77)))

    shown = names(unfold(steps, 40_000.0))

    assert "333.77" in shown
    assert shown[:2] == ["root", "0"]
    assert len(shown) <= 120
    assert shown[-1] == "+66", "those after the one with the failure"


def test_children_come_in_pages_wherever_they_stand() -> None:
    steps = views.tree_of(trace_of(400, 100, failed=(999, 0)))
    under = next(step.number for step in steps if step.span.name == "7")

    page = names(unfold(steps, 40_000.0, under=under, first=26, within=True))
    whole = names(unfold(steps, 40_000.0, under=under, first=26))
    chosen = names(unfold(steps, 40_000.0, chosen=under + 60))

    assert (page[0], page[1], page[-1]) == ("+25", "7.25", "7.99")
    assert "7.25" in whole
    assert "7.59" in chosen


def test_a_loop_is_drawn_to_and_fro_and_names_are_escaped() -> None:
    nodes = [views.GraphNode("agent", name, 2, 0, 5.0, 0, 1) for name in ("<a>", "b", "c")]
    edges = [
        views.GraphEdge(0, 1, 3, is_flow=False),
        views.GraphEdge(1, 2, 1, is_flow=True),
        views.GraphEdge(2, 0, 1, is_flow=True),
        views.GraphEdge(1, 1, 4, is_flow=False),
    ]

    plot = str(graph_plot("Calls", views.CallGraph(nodes, edges), ["?a", "?b", "?c"]))

    assert "&lt;a&gt;" in plot
    assert "<a>" not in plot
    assert plot.count('marker-end="url(#') + plot.count('marker-start="url(#') == 4
    assert plot.count('marker-start="url(#arrow-flow)"') == 1, "the one that leads back"
    columns = [float(x) for x in re.findall(r'<rect x="([\d.]+)"', plot)]
    assert columns == sorted(set(columns)), "each a column further"
    assert "3×" in plot
    assert "4×" in plot
