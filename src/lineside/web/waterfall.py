"""The steps of a trace as rows with bars in time, and what was said in them. Pure."""

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lineside.traces import Message, Span, views

ROWS_MAX = 200
"""Rows of a page; a trace of more begins with about 60, the others are one click away."""
ROWS_FIRST = 60
CHILDREN_SHOWN, CHILDREN_OPENED = 25, 8
DEPTH_MAX = 12
"""Deeper steps are not indented further; the stylesheet knows so many depths."""

_BAR_MIN = 0.4
_SOUGHT_MAX = 5
_LONG_SHARE = 0.01

OutlineStep = views.Step[views.Outline]


class Row(NamedTuple):
    """A step with its place in time, in percent of the whole trace.

    Attributes:
        is_open: Whether rows for what is below it follow.
    """

    step: OutlineStep
    start: float
    width: float
    depth: int
    is_open: bool


class Gap(NamedTuple):
    """Steps of one parent that are not shown: so many, from the so-manieth child on.

    Attributes:
        under: Id of their parent; empty at the top.
    """

    under: str
    first: int
    size: int
    depth: int


class Talk(NamedTuple):
    """What a step was told and what it said."""

    span: Span
    messages: list[Message]


def unfold(
    steps: Sequence[OutlineStep],
    whole_ms: float,
    *,
    under: int = 0,
    first: int = 1,
    chosen: int = 0,
    within: bool = False,
) -> list[Row | Gap]:
    """Choose the rows to show of a trace, however many steps it has.

    All of them where they fit. Else what lies on the way to the first failed steps and to those
    that the end waited for longest is opened before the rest, and of many children the first are
    shown, with those among the rest that one looks for.

    Args:
        whole_ms: Length of the trace.
        under: Number of the step whose children are paged through; 0 for the top.
        first: From which child on, counted from 1.
        chosen: Number of a step that must be seen; 0 for none.
        within: Only what is below `under`.
    """
    ways = {number for at in (under, chosen) if at for number in views.above(steps, at)}
    forced = ways | ({under} if under else set())
    fits = not within and len(steps) <= ROWS_MAX
    sought = set() if fits else _sought(steps)
    top = under if within else 0
    opened: dict[int, list[int]] = {}
    waiting: list[tuple[bool, bool, int, int]] = [(False, False, 0, top)]
    rows = 0
    while waiting and len(opened) < ROWS_MAX:
        is_spare, is_plain, _, number = heapq.heappop(waiting)
        children = views.children_of(steps, number)
        if fits:
            shown = children
        elif number == under and (first > 1 or within):
            start = max(0, first - 1)
            shown = children[start : start + 4 * CHILDREN_SHOWN]
        else:
            begun = children[: CHILDREN_OPENED if is_spare else CHILDREN_SHOWN]
            kept = {*begun, *forced, *sought, chosen}
            shown = [child for child in children if child in kept]
        rows_max = ROWS_MAX if fits or not is_plain else ROWS_FIRST
        if is_spare and rows + len(shown) > rows_max:
            continue
        opened[number] = shown
        rows += len(shown)
        for child in shown:
            step = steps[child - 1]
            if step.below:
                key = (child not in forced, child not in sought, step.depth, child)
                heapq.heappush(waiting, key)
    return _rows(steps, whole_ms, opened, top)


def spoken(spans: Iterable[Span | None]) -> Talk | None:
    """The conversation that tells most: the first of these steps that has one."""
    span = views.telling(spans)
    return Talk(span, conversation(span)) if span else None


def conversation(span: Span) -> list[Message]:
    """What a step was told, then what it said."""
    return [*(span.messages_in or ()), *(span.messages_out or ())]


def _sought(steps: Sequence[OutlineStep]) -> set[int]:
    """What one looks for in a long trace, and the way there: the first failures, the long waits."""
    failed = views.first_failures(steps)[:_SOUGHT_MAX]
    whole_ms = max(step.offset_ms + step.span.duration_ms for step in steps)
    long = (step for step in steps if (step.path_ms or 0.0) > _LONG_SHARE * whole_ms)
    waits = heapq.nlargest(_SOUGHT_MAX, long, key=lambda step: step.path_ms or 0.0)
    ends = [step.number for step in (*failed, *waits)]
    return {number for end in ends for number in (end, *views.above(steps, end))}


def _rows(
    steps: Sequence[OutlineStep], whole_ms: float, opened: dict[int, list[int]], top: int
) -> list[Row | Gap]:
    found: list[Row | Gap] = []
    waiting: list[int | Gap] = list(reversed(_with_gaps(steps, opened[top], top)))
    while waiting:
        one = waiting.pop()
        if isinstance(one, Gap):
            found.append(one)
            continue
        found.append(_row(steps[one - 1], whole_ms, is_open=one in opened))
        if one in opened:
            waiting += reversed(_with_gaps(steps, opened[one], one))
    return found


def _with_gaps(steps: Sequence[OutlineStep], shown: Sequence[int], parent: int) -> list[int | Gap]:
    under = steps[parent - 1].span.span_id if parent else ""
    depth = min(steps[parent - 1].depth + 1 if parent else 0, DEPTH_MAX)
    kept, found, missing = set(shown), list[int | Gap](), 0
    children = views.children_of(steps, parent)
    for place, child in enumerate([*children, 0], start=1):
        if child and child not in kept:
            missing += 1
            continue
        if missing:
            found.append(Gap(under, place - missing, missing, depth))
        missing = 0
        found += [child] if child else []
    return found


def _row(step: OutlineStep, whole_ms: float, *, is_open: bool) -> Row:
    """A step in its place in time; one too short to be seen gets the least width that can."""
    whole = max(whole_ms, 0.001)
    start = max(0.0, min(100 - _BAR_MIN, 100 * step.offset_ms / whole))
    width = max(_BAR_MIN, min(100 - start, 100 * step.span.duration_ms / whole))
    return Row(step, round(start, 3), round(width, 3), min(step.depth, DEPTH_MAX), is_open)
