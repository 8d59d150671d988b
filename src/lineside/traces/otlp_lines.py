"""Traces as other programs read them: OTLP JSON, as collectors write it into files.

What lineside alone knows of a step stands in one attribute beside the others, so that an import
gives back the same step: who kept it decided its use case, and a price table its cost.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from lineside.traces.conventions.received import RawSpan
from lineside.traces.feedback import Feedback
from lineside.traces.mapping import map_span
from lineside.traces.marks import TraceMark
from lineside.traces.otlp import KINDS, STATUSES, Refusal
from lineside.traces.otlp_json import read_document
from lineside.traces.scores.record import EVENT, TraceScore
from lineside.traces.span import Span

STEP = "lineside.span"
"""Attribute with the fields of a step that its other attributes do not say."""

SAID: dict[str, type[TraceMark] | type[Feedback]] = {
    "lineside.mark": TraceMark,
    "lineside.feedback": Feedback,
}
"""Names of log records whose body is what a person put on a trace or said of it."""

SCORE_SOURCE, SCORE_BY = "lineside.score.source", "lineside.score.by"
SCORE_IDENTIFIER, SCORE_METADATA = "lineside.score.identifier", "lineside.score.metadata"

_LINE_BYTES_MAX = 8 * 1024 * 1024
_START = datetime(1970, 1, 1, tzinfo=UTC)
_KIND_USUAL = "internal"
_OURS = {"name": "lineside"}
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


def otlp_lines(spans: Sequence[Span]) -> Iterator[bytes]:
    """Steps as lines of OTLP JSON, each in the form of an `ExportTraceServiceRequest`.

    What came in goes out as it came, with its events, links, resource and scope; what lineside
    recorded itself goes out under the names of the GenAI conventions. Steps that are long together
    stand in several lines, so that whoever reads one can hold it.
    """
    groups: dict[bytes, dict[str, Any]] = {}
    line_bytes = 0
    for span in spans:
        raw = _sent(span)
        common = {"resource": raw.resource, "scope": raw.scope, "schema_url": raw.schema_url}
        key = orjson.dumps(common, default=str, option=orjson.OPT_SORT_KEYS)
        sent = _otlp_span(raw)
        if untold := _untold(span, {"resourceSpans": [_group(common | {"spans": [sent]})]}):
            sent["attributes"] += _attributes({STEP: orjson.dumps(untold).decode()})
        item = orjson.dumps(sent)
        if groups and line_bytes + len(item) > _LINE_BYTES_MAX:
            yield _line("resourceSpans", map(_group, groups.values()))
            groups, line_bytes = {}, 0
        line_bytes += len(item)
        groups.setdefault(key, common | {"spans": []})["spans"].append(orjson.Fragment(item))
    if groups:
        yield _line("resourceSpans", map(_group, groups.values()))


def otlp_said(
    scores: Sequence[TraceScore], others: Sequence[TraceMark | Feedback]
) -> Iterator[bytes]:
    """What was said of traces as a line of OTLP JSON: a log record for each.

    A score is what OpenTelemetry calls an evaluation result. For marks and feedback it has no
    name, so that theirs are lineside's own, and their body is the record itself.
    """
    records = [*map(_score_record, scores), *map(_said_record, others)]
    if records:
        scoped = [{"scope": _OURS, "logRecords": records}]
        yield _line("resourceLogs", [{"scopeLogs": scoped}])


def restored(raw: RawSpan, *, use_case: str | None) -> Span:
    """The step that a span of OTLP was exported from; of any other span, what is read in it.

    Args:
        use_case: Of a span that was not exported here, or that no use case had claimed.
    """
    told = orjson.loads(raw.attributes.pop(STEP, "{}"))
    read = vars(map_span(raw)) | {"use_case": use_case}
    raw_told = told.pop("raw", {})
    read["raw"] = None if raw_told is None else read["raw"] | raw_told
    return Span.model_validate(read | told) if told else Span(**read)


def _line(name: str, groups: Any) -> bytes:
    return orjson.dumps({name: list(groups)}) + b"\n"


def _sent(span: Span) -> RawSpan:
    """What was received for a step, or would have been for one of our own."""
    began = (span.started_at - _START) // timedelta(microseconds=1) * 1000
    of_step: dict[str, Any] = {
        "start_ns": began,
        "end_ns": began + round(span.duration_ms * 1_000_000),
    }
    if span.raw is None:
        of_step |= {
            "status_code": span.status,
            "status_message": span.error or "",
            "attributes": _own(span),
            "resource": {"service.name": span.service or "lineside"},
            "scope": _OURS,
        }
    return RawSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=span.name,
        parent_span_id=span.parent_span_id,
        **of_step | (span.raw or {}),
    )


def _untold(span: Span, sent: dict[str, Any]) -> dict[str, Any]:
    """Fields of a step that nobody reads in what is sent of it."""
    back = next(iter(read_document(sent)))
    if isinstance(back, Refusal):
        return {}
    read, known = vars(map_span(back)), vars(span)
    names = {name for name in known if read[name] != known[name]} - {"raw", "use_case"}
    untold = span.model_dump(mode="json", include=names)
    if span.use_case is not None:
        untold["use_case"] = span.use_case
    if span.raw is None:
        untold["raw"] = None
    elif changed := {
        name: value for name, value in span.raw.items() if read["raw"].get(name) != value
    }:
        untold["raw"] = changed
    return untold


def _otlp_span(raw: RawSpan) -> dict[str, Any]:
    kind = raw.span_kind if raw.span_kind in KINDS else _KIND_USUAL
    code = str(raw.status_code or "").lower()
    status: dict[str, Any] = {"code": STATUSES.index(code) if code in STATUSES else 0}
    if raw.status_message:
        status["message"] = raw.status_message
    return {
        "traceId": raw.trace_id,
        "spanId": raw.span_id,
        "parentSpanId": raw.parent_span_id or "",
        "name": raw.name,
        "kind": KINDS.index(kind),
        "startTimeUnixNano": str(raw.start_ns),
        "endTimeUnixNano": str(raw.end_ns),
        "attributes": _attributes(_object(raw.attributes)),
        "events": [_event(one) for one in raw.events if isinstance(one, dict)],
        "links": [_link(one) for one in raw.links if isinstance(one, dict)],
        "status": status,
    }


def _group(group: dict[str, Any]) -> dict[str, Any]:
    scope = _object(group["scope"])
    said: dict[str, Any] = {
        name: str(scope[name]) for name in ("name", "version") if scope.get(name)
    }
    said["attributes"] = _attributes(_object(scope.get("attributes")))
    scoped = {"scope": said, "spans": group["spans"], "schemaUrl": str(group["schema_url"] or "")}
    return {
        "resource": {"attributes": _attributes(_object(group["resource"]))},
        "scopeSpans": [scoped],
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


def _score_record(score: TraceScore) -> dict[str, Any]:
    said = {
        "gen_ai.evaluation.name": score.name,
        "gen_ai.evaluation.score.value": score.value,
        "gen_ai.evaluation.score.label": score.label,
        "gen_ai.evaluation.explanation": score.explanation,
        "session.id": score.session_id,
        "lineside.usecase": score.use_case,
        "lineside.release": score.release,
        SCORE_SOURCE: score.source,
        SCORE_BY: score.by,
        SCORE_IDENTIFIER: score.identifier,
        SCORE_METADATA: score.metadata and orjson.dumps(score.metadata).decode(),
    }
    return {
        "eventName": EVENT,
        "timeUnixNano": _nanoseconds(score.at),
        "traceId": score.trace_id or "",
        "spanId": score.span_id or "",
        "attributes": _attributes({key: one for key, one in said.items() if one is not None}),
    }


def _said_record(said: TraceMark | Feedback) -> dict[str, Any]:
    name = next(name for name, record in SAID.items() if isinstance(said, record))
    at = said.made_at if isinstance(said, TraceMark) else said.given_at
    return {
        "eventName": name,
        "timeUnixNano": _nanoseconds(at),
        "traceId": said.trace_id,
        "body": _value(said.model_dump(mode="json")),
    }


def _nanoseconds(moment: datetime) -> str:
    return str((moment - _START) // timedelta(microseconds=1) * 1000)


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
