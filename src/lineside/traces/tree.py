"""The steps of a trace in the order a reader wants them: each under the one that began it. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar


class Timed(Protocol):
    """What a step must say of itself to get its place: whole spans and outlines do."""

    @property
    def span_id(self) -> str: ...
    @property
    def parent_span_id(self) -> str | None: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def duration_ms(self) -> float: ...
    @property
    def status(self) -> str: ...
    @property
    def kind(self) -> str: ...


AnySpan = TypeVar("AnySpan", bound=Timed)
_MS = timedelta(milliseconds=1)


class Step(NamedTuple, Generic[AnySpan]):
    """One step in its place.

    Attributes:
        number: Its place in the tree, from 1; the steps below it have the next `below` numbers.
        parent: Number of the step that it stands under; 0 at the top.
        depth: How many steps stand above it.
        offset_ms: From the start of the trace to its own, in milliseconds.
        path_ms: How long the end of the trace waited for this step itself and for none below it,
            in milliseconds; nothing where it did not wait for the step at all.
        below: How many steps stand below it, at any depth; `errors_below` of them failed.
    """

    span: AnySpan
    number: int
    parent: int
    depth: int
    offset_ms: float
    path_ms: float | None
    below: int
    errors_below: int

    @property
    def is_longest(self) -> bool:
        """Whether it lies on the path that the end of the whole trace waited for."""
        return self.path_ms is not None


def tree_of(spans: Sequence[AnySpan]) -> list[Step[AnySpan]]:
    """Put every step below its parent, those of one parent in the order they began.

    A step whose parent is missing stands at the top; so does the first one of a ring, which only a
    program that mixes up its ids can send.
    """
    ordered = sorted(spans, key=lambda span: (span.started_at, span.span_id))
    if not ordered:
        return []
    known = {span.span_id for span in ordered}
    below: dict[str | None, list[AnySpan]] = {}
    for span in ordered:
        parent = span.parent_span_id if span.parent_span_id in known else None
        below.setdefault(parent, []).append(span)
    tops = sorted(below.get(None, []), key=lambda span: span.parent_span_id is not None)
    start = ordered[0].started_at
    offset_ms = {span.span_id: (span.started_at - start) / _MS for span in ordered}
    path = _path(tops, below, offset_ms)
    placed, parents, depths = _placed([*tops, *ordered], below)
    counts, errors = [0] * len(placed), [0] * len(placed)
    for at in range(len(placed) - 1, -1, -1):
        if number := parents[at]:
            counts[number - 1] += counts[at] + 1
            errors[number - 1] += errors[at] + (placed[at].status == "error")
    offsets = [offset_ms[span.span_id] for span in placed]
    waits = [path.get(span.span_id) for span in placed]
    numbers = range(1, len(placed) + 1)
    columns = (placed, numbers, parents, depths, offsets, waits, counts, errors)
    return list(map(Step, *columns))


def length_ms(spans: Sequence[Timed]) -> float:
    """From the first start to the last end, in milliseconds."""
    if not spans:
        return 0.0
    start = min(span.started_at for span in spans)
    return max((span.started_at - start) / _MS + span.duration_ms for span in spans)


def children_of(steps: Sequence[Step[AnySpan]], number: int) -> list[int]:
    """Numbers of the steps right under one, in order; of those at the top for 0."""
    child = number + 1
    last = number + steps[number - 1].below if number else len(steps)
    found = []
    while child <= last:
        found.append(child)
        child += steps[child - 1].below + 1
    return found


def above(steps: Sequence[Step[AnySpan]], number: int) -> list[int]:
    """Numbers of the steps above one, the nearest first."""
    found = []
    while number and (number := steps[number - 1].parent):
        found.append(number)
    return found


def _placed(
    tops: Sequence[AnySpan], below: dict[str | None, list[AnySpan]]
) -> tuple[list[AnySpan], list[int], list[int]]:
    """Every span once; beside it, in lists of their own, the number of its parent and its depth."""
    placed: list[AnySpan] = []
    parents: list[int] = []
    depths: list[int] = []
    seen: set[str] = set()
    for top in tops:
        waiting = [(top, 0, 0)]
        while waiting:
            span, parent, depth = waiting.pop()
            span_id = span.span_id
            if span_id in seen:
                continue
            seen.add(span_id)
            placed.append(span)
            parents.append(parent)
            depths.append(depth)
            if children := below.get(span_id):
                number = len(placed)
                waiting += [(child, number, depth + 1) for child in reversed(children)]
    return placed, parents, depths


def _path(
    tops: Sequence[AnySpan],
    below: dict[str | None, list[AnySpan]],
    offset_ms: dict[str, float],
) -> dict[str, float]:
    """The steps that the end waited for, by id, each with the time that is its own.

    Read backwards from the end of a step: the child that ended last was waited for, before it the
    one that had ended last when that one began, and so on; what no child fills is the step's own.
    """

    def end(span: AnySpan) -> float:
        return offset_ms[span.span_id] + span.duration_ms

    path: dict[str, float] = {}
    last_ms = max((end(top) for top in tops), default=0.0)
    waiting: list[tuple[AnySpan | None, float, float]] = [(None, 0.0, last_ms)]
    while waiting:
        span, from_ms, to_ms = waiting.pop()
        if span is not None and span.span_id in path:
            continue
        own_ms, cursor = 0.0, to_ms
        children = tops if span is None else below.get(span.span_id, [])
        for child in sorted(children, key=end, reverse=True) if children else ():
            ended = min(end(child), to_ms)
            if ended > cursor or offset_ms[child.span_id] >= cursor:
                continue
            own_ms += cursor - ended
            cursor = max(offset_ms[child.span_id], from_ms)
            waiting.append((child, cursor, ended))
            if cursor <= from_ms:
                break
        if span is not None:
            path[span.span_id] = own_ms + cursor - from_ms
    return path
