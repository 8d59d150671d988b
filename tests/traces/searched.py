"""Traces to search, and what a search finds."""

from datetime import timedelta
from typing import Any

from lineside.core import now
from lineside.traces import (
    Span,
    new_span_id,
    new_trace_id,
    record_spans,
    search,
)
from lineside.trust import Scope

START = now() - timedelta(minutes=30)


def step(trace_id: str, **values: Any) -> Span:
    fields: dict[str, Any] = {
        "trace_id": trace_id,
        "span_id": new_span_id(),
        "name": "chat",
        "started_at": START,
        "duration_ms": 100.0,
    }
    return Span(**(fields | values))


def keep(scope: Scope, *, model: dict[str, Any] | None = None, **root: Any) -> str:
    """A trace of an agent and its model call; the model's fields overlay what is usual."""
    trace_id = new_trace_id()
    first = step(trace_id, **({"name": "answer", "kind": "agent"} | root))
    usual = {"kind": "model", "model": "house-model", "tokens_in": 50, "tokens_out": 5}
    second = step(
        trace_id,
        parent_span_id=first.span_id,
        **(usual | {"started_at": first.started_at, "run_id": first.run_id} | (model or {})),
    )
    record_spans(scope, [second, first]).result()
    return trace_id


def found(scope: Scope, query: str = "", **options: Any) -> list[str]:
    page = search.list_traces(scope, search.parse_query(query), **options)
    return [row.trace_id for row in page.traces]
