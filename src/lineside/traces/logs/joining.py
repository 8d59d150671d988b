"""Puts events that came as log records back on the steps they tell of."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from lineside.traces.conventions.log_events import joined
from lineside.traces.logs import queries
from lineside.traces.mapping import map_span, received
from lineside.traces.reading import TraceReading, of_trace
from lineside.traces.span import Span

EVENTS_PER_TRACE_MAX = 10_000
# What the steps' own rows say of their place, and of their cost, stays as it was decided then.
_TOLD = ("messages_in", "messages_out", "input", "output", "raw")


class Told(NamedTuple):
    """One event that came beside its step.

    Attributes:
        only: The use case that its sender may write to; nothing where that is any.
    """

    event: dict[str, Any]
    only: str | None


Events = Mapping[str, Sequence[Told]]


def events_of_trace(reading: TraceReading, workspace: str, trace_id: str) -> Events:
    """Events of a trace that came beside it, by the id of their span; at most 10,000."""
    rows = of_trace(reading, queries.OF_TRACE, workspace, trace_id, [EVENTS_PER_TRACE_MAX])
    return _by_span(rows)


def events_of_traces(
    reading: TraceReading, workspace: str, bounds: Sequence[Any], trace_ids: Sequence[str]
) -> dict[str, Events]:
    """The same of several traces between two moments, by the id of the trace; as many in all."""
    asked = [workspace, *bounds, list(trace_ids), EVENTS_PER_TRACE_MAX * len(trace_ids)]
    by_trace: dict[str, list[dict[str, Any]]] = {}
    for row in reading.rows(queries.OF_TRACES, asked):
        by_trace.setdefault(row["trace_id"], []).append(row)
    return {trace_id: _by_span(rows) for trace_id, rows in by_trace.items()}


def with_events(span: Span, events: Events) -> Span:
    """The step as if its events had come on it; which of both arrived first is all the same.

    Whoever may write to one use case only tells nothing of the steps of another.
    """
    told_of = events.get(span.span_id, ())
    fitting = [one.event for one in told_of if one.only in (None, span.use_case)]
    raw = received(span) if fitting else None
    if raw is None:
        return span
    read = map_span(joined(raw, fitting))
    told = {name: getattr(read, name) for name in _TOLD if getattr(read, name) is not None}
    left_open = {
        name: value
        for name in Span.model_fields
        if getattr(span, name) is None and (value := getattr(read, name)) is not None
    }
    return span.model_copy(update=left_open | told | {"use_case": span.use_case})


def _by_span(rows: Sequence[dict[str, Any]]) -> Events:
    found: dict[str, list[Told]] = {}
    for row in rows:
        told = Told(orjson.loads(row["event"]), row["only"])
        found.setdefault(row["span_id"], []).append(told)
    return found
