"""Traces as other programs read them: OTLP JSON, as collectors write it into files."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from lineside.traces.otlp import KINDS
from lineside.traces.span import Span

_START = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS_CODES = {"ok": 1, "error": 2}
_KIND_USUAL = "internal"
_UNSET = "unset"
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
    "gen_ai.response.id": "response_id",
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

    What came in goes out as it came, with its events, links, resource and scope; what lineside
    recorded itself goes out under the names of the GenAI conventions.
    """
    groups: dict[bytes, dict[str, Any]] = {}
    for span in spans:
        raw = span.raw or {}
        resource = _object(raw.get("resource")) or {"service.name": span.service or "lineside"}
        scope = _object(raw.get("scope")) or {"name": "lineside"}
        key = orjson.dumps([resource, scope], default=str, option=orjson.OPT_SORT_KEYS)
        group = groups.setdefault(key, {"resource": resource, "scope": scope, "spans": []})
        group["spans"].append(_otlp_span(span, raw))
    return orjson.dumps({"resourceSpans": [_group(one) for one in groups.values()]}) + b"\n"


def _group(group: dict[str, Any]) -> dict[str, Any]:
    scope = group["scope"]
    said: dict[str, Any] = {
        name: str(scope[name]) for name in ("name", "version") if scope.get(name)
    }
    said["attributes"] = _attributes(_object(scope.get("attributes")))
    return {
        "resource": {"attributes": _attributes(group["resource"])},
        "scopeSpans": [{"scope": said, "spans": group["spans"]}],
    }


def _otlp_span(span: Span, raw: dict[str, Any]) -> dict[str, Any]:
    began = (span.started_at - _START) // timedelta(microseconds=1) * 1000
    ended = began + round(span.duration_ms * 1_000_000)
    was_set = str(raw.get("status_code") or "").lower() != _UNSET
    is_plain = span.status == "ok" and raw and not was_set
    status: dict[str, Any] = {"code": 0 if is_plain else _STATUS_CODES[span.status]}
    if span.error:
        status["message"] = span.error
    kind = raw.get("span_kind")
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id or "",
        "name": span.name,
        "kind": KINDS.index(kind if kind in KINDS else _KIND_USUAL),
        "startTimeUnixNano": str(raw.get("start_ns", began)),
        "endTimeUnixNano": str(raw.get("end_ns", ended)),
        "attributes": _attributes(_object(raw.get("attributes")) or _own(span)),
        "events": [_event(one) for one in raw.get("events") or () if isinstance(one, dict)],
        "links": [_link(one) for one in raw.get("links") or () if isinstance(one, dict)],
        "status": status,
    }


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event.get("time_ns") or 0),
        "name": str(event.get("name") or ""),
        "attributes": _attributes(_object(event.get("attributes"))),
    }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    return {
        "traceId": str(link.get("trace_id") or ""),
        "spanId": str(link.get("span_id") or ""),
        "attributes": _attributes(_object(link.get("attributes"))),
    }


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


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
