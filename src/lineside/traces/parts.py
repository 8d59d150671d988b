"""A trace as each use case has it: its own steps, and none of another's. Pure.

A trace id is known to everybody it is handed on to, so that anybody may send steps under it. What a
use case did in a trace is therefore a trace of its own wherever use cases are looked at, whatever
the others sent, and in whatever order; see decisions/0015.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from lineside.store import text_index
from lineside.traces.arrivals import trace_key
from lineside.traces.rollup import words_of
from lineside.trust import Scope

_OF_USE_CASE = "/"
_APART = "~"

Row = dict[str, Any]
Part = tuple[int, str | None]
"""The key of a trace, and the use case whose part of it is meant; nothing for every part."""


class OfUseCase(Protocol):
    """A step of a trace, or what was said of one."""

    @property
    def use_case(self) -> str | None: ...


class Placed(OfUseCase, Protocol):
    """A step in any of its forms."""

    @property
    def span_id(self) -> str: ...
    @property
    def parent_span_id(self) -> str | None: ...


Owned = TypeVar("Owned", bound=OfUseCase)
AnyStep = TypeVar("AnyStep", bound=Placed)


PartKey = tuple[str, str, str | None]
"""Workspace, trace id and use case of a part."""


def by_part(
    spans: Iterable[Row], above: Callable[[Sequence[Row]], Iterable[Row]] = lambda _: ()
) -> dict[PartKey, list[Row]]:
    """Rows of spans as the lake keeps them, those of one trace and one use case together.

    A step of no use case is of the one that the step above it is of: only who may write to all of
    them can send such a step. Where what is above is not here, it is of none.

    Args:
        above: Finds the steps above some that are not among the spans.
    """
    traces: dict[tuple[str, str], list[Row]] = {}
    for span in spans:
        traces.setdefault((span["workspace"], span["trace_id"]), []).append(span)
    lost = [
        span
        for of_trace in traces.values()
        for span in _unplaced(of_trace)
        if span["parent_span_id"] is not None
    ]
    beside: dict[tuple[str, str], list[Row]] = {}
    for span in above(lost) if lost else ():
        beside.setdefault((span["workspace"], span["trace_id"]), []).append(span)
    found: dict[PartKey, list[Row]] = {}
    for place, of_trace in traces.items():
        owners = Owners()
        for span in (*beside.get(place, ()), *of_trace):
            owners.add(span["span_id"], span.get("parent_span_id"), span["use_case"])
        for span in of_trace:
            owner = owners.of(span["parent_span_id"], span["use_case"])
            found.setdefault((*place, owner), []).append(span)
    return found


def _unplaced(of_trace: Sequence[Row]) -> list[Row]:
    """Steps of no use case, of which what is above is not among these."""
    there = {span["span_id"] for span in of_trace}
    return [
        span
        for span in of_trace
        if span["use_case"] is None and span["parent_span_id"] not in there
    ]


class Owners:
    """Of which use case each step of a trace is, from those that say it and what is above."""

    def __init__(self) -> None:
        self._above: dict[str, tuple[str | None, str | None]] = {}
        self._doubtful: set[str] = set()

    def add(self, span_id: str, parent_id: str | None, use_case: str | None) -> None:
        """Take a step into account."""
        known = self._above.setdefault(span_id, (parent_id, use_case))
        if known[1] != use_case:
            # Several sent a step of this id: what is below it may be of either.
            self._doubtful.add(span_id)

    def of(self, parent_id: str | None, use_case: str | None) -> str | None:
        """The use case that a step belongs to, by its own and by what is above it."""
        seen: set[str] = set()
        while use_case is None and parent_id in self._above and parent_id not in seen:
            if parent_id in self._doubtful:
                return None
            seen.add(parent_id)
            parent_id, use_case = self._above[parent_id]
        return use_case


def may_see(scope: Scope, use_case: str | None) -> bool:
    """Whether the use case is within the actor's limit, if there is one."""
    return scope.use_cases is None or use_case in scope.use_cases


def own_steps(
    scope: Scope, steps: Sequence[AnyStep], owners: Owners | None = None
) -> list[AnyStep]:
    """Those of a trace's steps that the actor may read; all of them where there is no limit.

    Args:
        owners: Whose the steps before these are, where they are some of a trace in order.

    Raises:
        Denied: The right `read` is missing, or none of them is within the actor's limit.
    """
    if scope.use_cases is None:
        if steps:
            scope.require("read")
        return list(steps)
    owners = owners or Owners()
    for step in steps:
        owners.add(step.span_id, step.parent_span_id, step.use_case)
    whose = [owners.of(step.parent_span_id, step.use_case) for step in steps]
    allowed = [use_case for use_case in whose if may_see(scope, use_case)]
    if steps:
        scope.require("read", use_case=(allowed or whose)[0])
    return [step for step, use_case in zip(steps, whose, strict=True) if may_see(scope, use_case)]


def own_words(scope: Scope, said: Sequence[Owned]) -> list[Owned]:
    """The same of what was said of steps."""
    own = [one for one in said if may_see(scope, one.use_case)]
    if said:
        scope.require("read", use_case=(own or said)[0].use_case)
    return own


def told_apart(steps: Sequence[AnyStep], rename: Callable[..., AnyStep]) -> list[AnyStep]:
    """Steps of which several use cases sent one under the same id, each with an id of its own.

    Args:
        rename: Gives a step with another `span_id` and `parent_span_id`.
    """
    twice = {id_ for id_, times in Counter(step.span_id for step in steps).items() if times > 1}
    if not twice:
        return list(steps)
    there = {(step.span_id, step.use_case) for step in steps}

    def name(id_: str | None, use_case: str | None) -> str | None:
        is_meant = id_ in twice and (id_, use_case) in there
        return f"{id_}{_APART}{use_case or ''}" if is_meant else id_

    return [
        rename(
            step,
            span_id=name(step.span_id, step.use_case),
            parent_span_id=name(step.parent_span_id, step.use_case),
        )
        for step in steps
    ]


def sent_id(span_id: str) -> str:
    """The id that a step was sent with, from the one it was told apart by."""
    return span_id.partition(_APART)[0]


def words_name(trace_id: str, use_case: str | None) -> str:
    """Under which name the words of a part are kept.

    What no use case has may be given to one later, so that its words are found in any part.
    """
    return trace_id if use_case is None else f"{trace_id}{_OF_USE_CASE}{use_case}"


def whole_name(name: str) -> str:
    """Under which name the words are kept that may be of any part of the same trace."""
    return name.partition(_OF_USE_CASE)[0]


def part_of_words(name: str) -> Part:
    """The part that some words are of."""
    trace_id, sign, use_case = name.partition(_OF_USE_CASE)
    return trace_key(trace_id), use_case if sign else None


def indexed(part: PartKey, spans: Sequence[Row]) -> text_index.Indexed:
    """A part of a trace with its words."""
    workspace, trace_id, use_case = part
    moment = datetime.fromisoformat(min(span["started_at"] for span in spans))
    return text_index.Indexed(workspace, words_name(trace_id, use_case), moment, words_of(spans))
