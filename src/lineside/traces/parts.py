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


def by_part(spans: Iterable[Row]) -> list[list[Row]]:
    """Rows of spans as the lake keeps them, those of one trace and one use case together."""
    found: dict[tuple[str, str, str | None], list[Row]] = {}
    for span in spans:
        place = (span["workspace"], span["trace_id"], span["use_case"])
        found.setdefault(place, []).append(span)
    return list(found.values())


def may_see(scope: Scope, use_case: str | None) -> bool:
    """Whether the use case is within the actor's limit, if there is one."""
    return scope.use_cases is None or use_case in scope.use_cases


def own_steps(scope: Scope, steps: Sequence[Owned]) -> list[Owned]:
    """Those of a trace's steps that the actor may read; all of them where there is no limit.

    The same of what was said of them.

    Raises:
        Denied: The right `read` is missing, or none of them is within the actor's limit.
    """
    own = [step for step in steps if may_see(scope, step.use_case)]
    if steps:
        scope.require("read", use_case=(own or steps)[0].use_case)
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


def indexed(part: Sequence[Row]) -> text_index.Indexed:
    """A part of a trace with its words."""
    first = min(part, key=lambda span: str(span["started_at"]))
    moment = datetime.fromisoformat(first["started_at"])
    name = words_name(first["trace_id"], first["use_case"])
    return text_index.Indexed(first["workspace"], name, moment, words_of(part))
