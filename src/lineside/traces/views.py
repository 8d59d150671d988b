"""One trace as people look at it: its outline, its graph, beside another, and to take along."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from lineside.core import Invalid, NotFound
from lineside.traces import search
from lineside.traces.copies import as_case, as_curl
from lineside.traces.diff import (
    PartDiff,
    StepPair,
    TextPiece,
    align,
    part_diffs,
    text_diff,
)
from lineside.traces.graph import CallGraph, GraphEdge, GraphNode, Hint, graph_of
from lineside.traces.outline import Outline
from lineside.traces.record import (
    Traffic,
    get_outline,
    get_steps,
    graph_hints,
    payload_digests,
)
from lineside.traces.span import Span
from lineside.traces.tree import AnySpan, Step, above, children_of, length_ms, tree_of
from lineside.trust import Scope

__all__ = [
    "CallGraph",
    "GraphEdge",
    "GraphNode",
    "Hint",
    "Outline",
    "Paid",
    "PartDiff",
    "Step",
    "StepPair",
    "TextPiece",
    "TraceDiff",
    "Traffic",
    "Wait",
    "above",
    "align",
    "as_case",
    "as_curl",
    "call_graph",
    "children_of",
    "copied",
    "diff_traces",
    "first_failures",
    "get_outline",
    "get_steps",
    "graph_of",
    "length_ms",
    "longest_waits",
    "outline_tree",
    "paying",
    "previous_trace",
    "talking",
    "telling",
    "text_diff",
    "tree_of",
]

TEXTS_MAX = 40
"""How many changed steps of a diff are read whole; the others are only said to have changed."""

_PAYING_KINDS = ("model", "embedding", "reranker")
_TALKS = ("model", "agent")
_TALKS_READ = 2


class Paid(NamedTuple):
    """What the model steps of a trace took.

    Attributes:
        cost_known: Share of them whose cost is known, 0 to 1.
    """

    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    cost_known: float


class Wait(NamedTuple):
    """Steps of one kind and name on the critical path.

    Attributes:
        longest: The step among them that was waited for longest.
        path_ms: How long the end waited for all of them themselves, in milliseconds.
    """

    longest: Step[Outline]
    calls: int
    path_ms: float


class TraceDiff(NamedTuple):
    """Two traces side by side.

    Attributes:
        duration_ms: Of the first and of the second; `paid` likewise.
        parts: Where the payloads of changed steps differ, by the number of the pair in `pairs`
            from 0; of the first 40 changed pairs.
    """

    pairs: list[StepPair]
    duration_ms: tuple[float, float]
    paid: tuple[Paid, Paid]
    parts: dict[int, list[PartDiff]]

    def number_of(self, standing: str) -> int:
        """How many pairs are `same`, `changed`, `added` or `removed`."""
        return sum(pair.standing == standing for pair in self.pairs)


def outline_tree(scope: Scope, trace_id: str) -> list[Step[Outline]]:
    """The steps of a trace in tree order, without their payloads.

    Raises:
        NotFound: No trace has the id.
    """
    with _no_search_for_cycles():
        outline = get_outline(scope, trace_id)
        if not outline:
            raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
        return tree_of(outline)


def first_failures(steps: Sequence[Step[Outline]]) -> list[Step[Outline]]:
    """The steps that failed, those that ended first in front: from there the error spread."""
    failed = [step for step in steps if step.span.status == "error"]
    return sorted(failed, key=lambda step: (step.offset_ms + step.span.duration_ms, -step.depth))


def longest_waits(steps: Sequence[Step[Outline]]) -> list[Wait]:
    """What the end of the trace waited for, by kind and name, longest first."""
    waits: dict[tuple[str, str], Wait] = {}
    for step in steps:
        if step.path_ms is None:
            continue
        key = step.span.kind, step.span.name
        wait = waits.get(key) or Wait(step, 0, 0.0)
        longest = max(wait.longest, step, key=lambda one: one.path_ms or 0.0)
        waits[key] = Wait(longest, wait.calls + 1, wait.path_ms + step.path_ms)
    return sorted(waits.values(), key=lambda wait: -wait.path_ms)


def paying(spans: Iterable[Outline]) -> Paid:
    """Sum what the model steps took; where there are none, what the first step says."""
    spans = list(spans)
    paid = [span for span in spans if span.kind in _PAYING_KINDS] or spans[:1]
    costs = [span.cost_usd for span in paid if span.cost_usd is not None]
    return Paid(
        _sum(span.tokens_in for span in paid),
        _sum(span.tokens_out for span in paid),
        sum(costs) if costs else None,
        len(costs) / len(paid) if paid else 0.0,
    )


def call_graph(scope: Scope, trace_id: str, steps: Sequence[Step[Outline]]) -> CallGraph:
    """Who called whom; where steps say themselves who went before whom, that is taken."""
    return graph_of(steps, graph_hints(scope, trace_id))


def diff_traces(scope: Scope, left_id: str, right_id: str) -> TraceDiff:
    """Put two traces side by side: steps, figures, and the texts of the first that changed.

    Raises:
        NotFound: One of them is not there.
    """
    left, right = outline_tree(scope, left_id), outline_tree(scope, right_id)
    digests = payload_digests(scope, left_id), payload_digests(scope, right_id)
    pairs = align(left, right, digests=digests)
    changed = [
        (at, pair.left.span.span_id, pair.right.span.span_id)
        for at, pair in enumerate(pairs)
        if pair.standing == "changed" and pair.left and pair.right
    ][:TEXTS_MAX]
    lefts = get_steps(scope, left_id, [one for _, one, _ in changed]) if changed else {}
    rights = get_steps(scope, right_id, [other for *_, other in changed]) if changed else {}
    parts = {
        at: part_diffs(lefts[one], rights[other])
        for at, one, other in changed
        if one in lefts and other in rights
    }
    spans = [[step.span for step in steps] for steps in (left, right)]
    return TraceDiff(
        pairs,
        (_whole_ms(left), _whole_ms(right)),
        (paying(spans[0]), paying(spans[1])),
        parts,
    )


def previous_trace(scope: Scope, root: Span, *, of: str) -> str:
    """Id of the trace before this one with the same `name` or `session`.

    Raises:
        NotFound: There is none.
        Invalid: The trace has no session.
    """
    value = {"name": root.name, "session": root.session_id}.get(of)
    if not value:
        raise Invalid("no_session", f"Trace `{root.trace_id}` has no {of[:20]} to go by")
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    filters = search.read_filters(f'{of} = "{quoted}"', use_case=root.use_case)
    before = f"{root.started_at.replace(tzinfo=None).isoformat()}~{root.trace_id}"
    page = search.list_traces(scope, filters, limit=1, before=before)
    if not page.traces:
        raise NotFound(
            "no_trace_before",
            f"No trace before this one has the {of} `{value[:80]}`",
            hint="Give the id of the trace to compare with.",
        )
    return page.traces[0].trace_id


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Let the garbage collector rest while a tree is made.

    Of 50,000 steps it looks through a few hundred thousand small objects again and again, which
    takes a third of the time, and none of them can be part of a cycle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _whole_ms(steps: Sequence[Step[Outline]]) -> float:
    root = steps[0].span
    return length_ms([step.span for step in steps]) if root.parent_span_id else root.duration_ms


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def talking(steps: Sequence[Step[AnySpan]]) -> list[str]:
    """Ids of the last models and agents: what they were told and said mostly holds all of it."""
    found = []
    for kind in _TALKS:
        spans = (step.span for step in reversed(steps))
        of_kind = (span for span in spans if span.kind == kind)
        found += [span.span_id for span in islice(of_kind, _TALKS_READ)]
    return found


def telling(spans: Iterable[Span | None]) -> Span | None:
    """The step whose conversation tells most: the first of these that has one."""
    return next((span for span in spans if span and (span.messages_in or span.messages_out)), None)


def copied(steps: Sequence[Step[Span]]) -> Span:
    """The step that is taken along for a whole trace: its first.

    Where that says nothing of what came in, as plain programs of OpenTelemetry leave it, the step
    whose conversation tells most stands for it.
    """
    root = steps[0].span
    if root.input not in (None, "") or root.messages_in:
        return root
    by_id = {step.span.span_id: step.span for step in steps}
    return telling(by_id[span_id] for span_id in talking(steps)) or root
