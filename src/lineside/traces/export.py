"""Traces as other programs read them: OTLP JSON, as collectors write it into files."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from lineside.traces.span import Span

_START = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS_CODES = {"ok": 1, "error": 2}
_SPAN_KIND_INTERNAL = 1
_NAMES = {
    "lineside.usecase": "use_case",
    "lineside.release": "release",
    "lineside.arm": "arm",
    "lineside.kind": "kind",
    "session.id": "session_id",
    "user.id": "user_id",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "model_asked",
    "gen_ai.response.model": "model",
    "gen_ai.agent.name": "agent_name",
    "gen_ai.tool.name": "tool_name",
    "gen_ai.usage.input_tokens": "tokens_in",
    "gen_ai.usage.output_tokens": "tokens_out",
    "lineside.cost_usd": "cost_usd",
}
_TEXTS = {
    "gen_ai.input.messages": "messages_in",
    "gen_ai.output.messages": "messages_out",
    "input.value": "input",
    "output.value": "output",
}


def otlp_line(spans: Sequence[Span]) -> bytes:
    """One trace as a line of OTLP JSON, the form of an `ExportTraceServiceRequest`.

    What came in as attributes goes out as it came; what lineside recorded itself goes out under
    the names of the GenAI conventions.
    """
    by_service: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        by_service.setdefault(span.service or "lineside", []).append(_otlp_span(span))
    resources = [
        {
            "resource": {"attributes": _attributes({"service.name": service})},
            "scopeSpans": [{"scope": {"name": "lineside"}, "spans": found}],
        }
        for service, found in by_service.items()
    ]
    return orjson.dumps({"resourceSpans": resources}) + b"\n"


def _otlp_span(span: Span) -> dict[str, Any]:
    received = (span.raw or {}).get("attributes")
    attributes = received if isinstance(received, dict) and received else _own(span)
    began = (span.started_at - _START) // timedelta(microseconds=1) * 1000
    status: dict[str, Any] = {"code": _STATUS_CODES[span.status]}
    if span.error:
        status["message"] = span.error
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id or "",
        "name": span.name,
        "kind": _SPAN_KIND_INTERNAL,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(began + round(span.duration_ms * 1_000_000)),
        "attributes": _attributes(attributes),
        "status": status,
    }


def _own(span: Span) -> dict[str, Any]:
    fields = span.model_dump(mode="json")
    said = {name: fields[field] for name, field in _NAMES.items() if fields[field] is not None}
    texts = {
        name: orjson.dumps(fields[field]).decode()
        for name, field in _TEXTS.items()
        if fields[field] is not None
    }
    return said | texts


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _attributes(value)}}
    return {}
