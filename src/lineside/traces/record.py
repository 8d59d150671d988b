"""Writing spans down, and finding them again."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import orjson

from lineside.core import Record, now
from lineside.store import intake
from lineside.traces import clocks, privacy, queries
from lineside.traces.graph import Hint, hint_of
from lineside.traces.logs.joining import events_of_trace, with_events
from lineside.traces.logs.queries import DIGESTS as EVENT_DIGESTS
from lineside.traces.outline import Outline, outlines_of
from lineside.traces.parts import Owners, may_see, own_steps, sent_id, told_apart
from lineside.traces.payloads import Whole
from lineside.traces.reading import of_trace, open_reading
from lineside.traces.row import JSON_COLUMNS, span_row
from lineside.traces.span import Span
from lineside.trust import Scope

STEPS_WHOLE_MAX = 500
HINTS_MAX = 5_000


def record_spans(scope: Scope, spans: Sequence[Span]) -> "Future[None]":
    """Keep spans; the returned future is done once a killed process can no longer lose them.

    Raises:
        Invalid: A rule of masking could not be applied; nothing was kept.
        Unavailable: Too much waits for the lake already, or the disk is full.
    """
    return scope.store.inbox.put_soon(_envelope(scope, spans))


def keep_spans(scope: Scope, spans: Sequence[Span]) -> "asyncio.Future[None]":
    """The same for who is on an event loop."""
    return scope.store.inbox.keep(_envelope(scope, spans))


def _envelope(scope: Scope, spans: Sequence[Span]) -> intake.Envelope:
    # Not `model_dump`: to copy what is about to be written would take longer than to write it.
    masker = privacy.masker_of(scope.store, scope.workspace)
    rows = [
        span_row(
            scope.workspace, vars(span) if masker is None else privacy.masked_span(masker, span)
        )
        for span in spans
    ]
    arrived_at = clocks.written(now())
    for row in rows:
        row["arrived_at"] = arrived_at
    payload = orjson.dumps(rows)
    return intake.Envelope(scope.workspace, queries.SPANS.name, len(rows), payload)


def get_trace(scope: Scope, trace_id: str, *, whole: bool = True) -> list[Span]:
    """All steps of a trace in the order they began; empty when there is none.

    Of several use cases, a limited actor gets the steps of those within the limit.

    Args:
        whole: Put back what was too long to stay in its step, 64 MiB of it at most; else, and
            for the rest, `{"$blob": digest, …}` stands in its place.
    """
    spans = own_steps(scope, load_trace(scope, trace_id, whole=whole))
    return told_apart(spans, _renamed)


def load_trace(scope: Scope, trace_id: str, *, whole: bool = False) -> list[Span]:
    """The same for the room's own work, which has its own right to ask for."""
    with open_reading(scope) as reading:
        rows = of_trace(reading, queries.TRACE, scope.workspace, trace_id)
        events = events_of_trace(reading, scope.workspace, trace_id) if rows else {}
    if whole:
        rows = list(map(Whole(scope.store.payloads.get).row, rows))
    return [with_events(span_of(row), events) for row in rows]


def latest_calls(
    scope: Scope,
    *,
    use_case: str | None = None,
    release: str | None = None,
    limit: int = 50,
) -> list[Span]:
    """The newest served calls, newest first; test runs do not count."""
    scope.require("read", use_case=use_case)
    parameters = [scope.workspace, use_case, use_case, release, release, limit]
    with open_reading(scope) as reading:
        return [span_of(row) for row in reading.rows(queries.LATEST_CALLS, parameters)]


class Traffic(Record):
    """What one arm of a use case served over a stretch of time.

    Attributes:
        calls: Served calls, failed ones included.
        errors: Calls that ended in an error, without `refused` ones: those failed by what their
            caller sent or may.
        handed_off: Calls whose answer was given to a person to decide.
        latency_ms_p50: Half of the calls were quicker, in milliseconds.
        cost_usd: Sum over the calls with a known cost.
        cost_known: Share of calls whose cost is known, 0 to 1.
    """

    use_case: str
    release: str | None
    arm: str | None
    calls: int
    errors: int
    refused: int = 0
    handed_off: int
    latency_ms_p50: float
    latency_ms_p95: float
    cost_usd: float | None
    cost_known: float


def traffic(scope: Scope, *, use_case: str | None = None, hours: float = 24 * 7) -> list[Traffic]:
    """Calls by use case, release and arm over the last hours."""
    scope.require("read", use_case=use_case)
    since = (now() - timedelta(hours=hours)).replace(tzinfo=None)
    with open_reading(scope) as reading:
        rows = reading.rows(queries.TRAFFIC, [scope.workspace, use_case, use_case, since])
    return [Traffic.model_validate(row) for row in rows]


def _rows(scope: Scope, query: str, trace_id: str, *parameters: Any) -> list[dict[str, Any]]:
    with open_reading(scope) as reading:
        return of_trace(reading, query, scope.workspace, trace_id, parameters)


def span_of(row: dict[str, Any]) -> Span:
    """A span from its row in the lake."""
    values = {name: value for name, value in row.items() if name in Span.model_fields}
    for column in JSON_COLUMNS:
        values[column] = orjson.loads(values[column]) if values[column] is not None else None
    values["attributes"] = values["attributes"] or {}
    values["mapping"] = values["mapping"] or 0
    values["tags"] = values.get("tags") or ()
    return Span.model_validate(values | {"started_at": _aware(values["started_at"])})


def _aware(moment: Any) -> Any:
    return moment.replace(tzinfo=now().tzinfo)


def get_outline(scope: Scope, trace_id: str) -> list[Outline]:
    """All steps of a trace without what they were told and said; 50,000 take a moment only."""
    with open_reading(scope) as reading:
        bounds = reading.stretch(scope.workspace, trace_id)
        if bounds is None:
            return []
        asked = [scope.workspace, *bounds, trace_id]
        found = outlines_of(reading.columns(queries.TRACE_OUTLINE, asked))
    return told_apart(own_steps(scope, found), Outline._replace)


def get_steps(scope: Scope, trace_id: str, span_ids: Sequence[str]) -> dict[str, Span]:
    """Some steps of a trace whole, by their ids; what is not there is left out."""
    wanted = [sent_id(span_id) for span_id in list(span_ids)[:STEPS_WHOLE_MAX]]
    with open_reading(scope) as reading:
        rows = of_trace(reading, queries.TRACE_STEPS, scope.workspace, trace_id, [wanted])
        events = events_of_trace(reading, scope.workspace, trace_id) if rows else {}
        owners = Owners()
        if scope.use_cases is not None:
            for place in of_trace(reading, queries.TRACE_PLACES, scope.workspace, trace_id):
                owners.add(*place.values())
    spans = own_steps(scope, [with_events(span_of(row), events) for row in rows], owners)
    return {span.span_id: span for span in told_apart(spans, _renamed)}


def payload_digests(scope: Scope, trace_id: str) -> dict[str, int]:
    """A number for what each step was told and said, equal where that is equal, by span id."""
    with open_reading(scope) as reading:
        rows = of_trace(reading, queries.TRACE_DIGESTS, scope.workspace, trace_id)
        beside = of_trace(reading, EVENT_DIGESTS, scope.workspace, trace_id) if rows else []
    events = {row["span_id"]: row["digest"] for row in beside}
    return {
        row["span_id"]: row["digest"] ^ events.get(row["span_id"], 0)
        for row in rows
        if row["use_case"] is None or may_see(scope, row["use_case"])
    }


def graph_hints(scope: Scope, trace_id: str) -> dict[str, Hint]:
    """What the steps themselves say of their place in the graph of agents, by span id."""
    rows = _rows(scope, queries.TRACE_HINTS, trace_id, HINTS_MAX)
    return {
        row["span_id"]: hint_of(orjson.loads(row["raw"]))
        for row in rows
        if row["use_case"] is None or may_see(scope, row["use_case"])
    }


def _renamed(span: Span, **ids: str | None) -> Span:
    return span.model_copy(update=ids)
