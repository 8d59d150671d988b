"""The steps of a trace as bars in time, and what was said in them. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lineside.traces import Message, Span, search

STEPS_SHOWN = 200
DEPTH_MAX = 12
"""Deeper steps are not indented further; the stylesheet knows so many depths."""

_BAR_MIN = 0.4
_PAYING_KINDS = ("model", "embedding", "reranker")


class Bar(NamedTuple):
    """A step with its place in time, in percent of the whole trace."""

    step: search.Step
    start: float
    width: float
    depth: int


class Paid(NamedTuple):
    """What the model steps of a trace took.

    Attributes:
        cost_known: Share of them whose cost is known, 0 to 1.
    """

    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    cost_known: float


class Talk(NamedTuple):
    """What a step was told and what it said."""

    span: Span
    messages: list[Message]


def waterfall(steps: Sequence[search.Step], length_ms: float) -> list[Bar]:
    """Place each step in time; one too short to be seen gets the least width that can."""
    whole = max(length_ms, 0.001)
    bars = []
    for step in steps:
        start = min(100 - _BAR_MIN, 100 * step.offset_ms / whole)
        width = max(_BAR_MIN, min(100 - start, 100 * step.span.duration_ms / whole))
        bars.append(Bar(step, round(start, 3), round(width, 3), min(step.depth, DEPTH_MAX)))
    return bars


def paying(spans: Sequence[Span]) -> Paid:
    """Sum what the model steps took; where there are none, what the first step says."""
    paid = [span for span in spans if span.kind in _PAYING_KINDS] or list(spans[:1])
    costs = [span.cost_usd for span in paid if span.cost_usd is not None]
    return Paid(
        _sum([span.tokens_in for span in paid]),
        _sum([span.tokens_out for span in paid]),
        sum(costs) if costs else None,
        len(costs) / len(paid) if paid else 0.0,
    )


def spoken(steps: Sequence[search.Step]) -> Talk | None:
    """The conversation that tells most of a trace: of its first step, else of its last model."""
    talks = [step.span for step in steps if step.span.messages_in or step.span.messages_out]
    if not talks:
        return None
    span = talks[0] if steps[0].span is talks[0] else talks[-1]
    return Talk(span, conversation(span))


def conversation(span: Span) -> list[Message]:
    """What a step was told, then what it said."""
    return [*(span.messages_in or ()), *(span.messages_out or ())]


def _sum(values: Sequence[Any]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
