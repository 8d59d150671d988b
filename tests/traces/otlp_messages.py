"""Messages of OTLP as a sender makes them, taken in and looked at."""

import json
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lineside.traces import Span, get_trace, receive
from lineside.trust import Scope

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
MIB = 1024 * 1024


def message(*spans: dict[str, Any], **resource: str) -> bytes:
    """An OTLP message of these spans in JSON; each has good ids unless it says otherwise."""
    whole = [{"traceId": TRACE, "spanId": SPAN, "name": "step"} | span for span in spans or [{}]]
    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": attributes(**resource)},
                    "scopeSpans": [{"scope": {"name": "lib"}, "spans": whole}],
                }
            ]
        }
    ).encode()


def attributes(**values: str) -> list[dict[str, Any]]:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return [{"key": name, "value": {"stringValue": value}} for name, value in named.items()]


def protobuf(**values: Any) -> ExportTraceServiceRequest:
    """The same in protobuf, one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes.fromhex(TRACE), bytes.fromhex(SPAN), "step"
    for name, value in values.items():
        setattr(span, name, value)
    return request


def take(
    scope: Scope,
    body: bytes,
    *,
    media_type: str = receive.JSON,
    encoding: str = "",
    bytes_max: int = 20 * MIB,
    use_cases: tuple[str, ...] = ("triage",),
) -> receive.Receipt:
    receipt = receive.receive_otlp(
        scope,
        body,
        media_type=media_type,
        encoding=encoding,
        bytes_max=bytes_max,
        use_cases=use_cases,
    )
    receipt.durable.result()
    return receipt


def kept(scope: Scope, trace_id: str = TRACE) -> Span:
    (span,) = get_trace(scope, trace_id)
    return span
