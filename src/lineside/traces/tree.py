"""The steps of a trace in the order a reader wants them: each under the one that began it. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from lineside.traces.span import Span


class Step(NamedTuple):
    """One step in its place.

    Attributes:
        number: Its place in the tree, from 1.
        depth: How many steps stand above it.
        offset_ms: From the start of the trace to its own, in milliseconds.
        is_longest: Whether it lies on the path that the end of the whole trace waited for.
    """

    span: Span
    number: int
    depth: int
    offset_ms: float
    is_longest: bool


def tree_of(spans: Sequence[Span]) -> list[Step]:
    """Put every step below its parent, those of one parent in the order they began.

    A step whose parent is missing stands at the top; so does the first one of a ring, which only a
    program that mixes up its ids can send.
    """
    ordered = sorted(spans, key=lambda span: (span.started_at, span.span_id))
    known = {span.span_id for span in ordered}
    below: dict[str | None, list[Span]] = {}
    for span in ordered:
        parent = span.parent_span_id if span.parent_span_id in known else None
        below.setdefault(parent, []).append(span)
    tops = sorted(below.get(None, []), key=lambda span: span.parent_span_id is not None)
    longest = _longest(tops, below)
    start = ordered[0].started_at if ordered else None
    steps: list[Step] = []
    seen: set[str] = set()
    for top in (*tops, *ordered):
        waiting = [(top, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id in seen or start is None:
                continue
            seen.add(span.span_id)
            offset_ms = (span.started_at - start) / timedelta(milliseconds=1)
            is_longest = span.span_id in longest
            steps.append(Step(span, len(steps) + 1, depth, offset_ms, is_longest))
            waiting += [(child, depth + 1) for child in reversed(below.get(span.span_id, []))]
    return steps


def length_ms(spans: Sequence[Span]) -> float:
    """From the first start to the last end, in milliseconds."""
    if not spans:
        return 0.0
    start = min(span.started_at for span in spans)
    return max(
        (span.started_at - start) / timedelta(milliseconds=1) + span.duration_ms for span in spans
    )


def _longest(tops: Sequence[Span], below: dict[str | None, list[Span]]) -> set[str]:
    """Ids from the top that ends last down to where it ends: each time the child that ends last."""
    path: set[str] = set()
    level = list(tops)
    while level:
        last = max(level, key=_end)
        if last.span_id in path:
            break
        path.add(last.span_id)
        level = below.get(last.span_id, [])
    return path


def _end(span: Span) -> float:
    return span.started_at.timestamp() * 1000 + span.duration_ms
