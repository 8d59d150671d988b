"""Spans that are out of the ordinary, sent to a server, and what is kept of them."""

import json
from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient

from lineside.store import Store

MIB = 1024 * 1024
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


def in_protobuf(trace_id: str, change: Callable[[Span], object] = lambda _: None) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="step")
    span.trace_id, span.span_id = bytes.fromhex(trace_id), b"spanspan"
    change(span)
    return bytes(request.SerializeToString())


def in_json(*spans: dict[str, Any]) -> bytes:
    whole = [{"spanId": "ab" * 8, "name": "step"} | span for span in spans]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": whole}]}]}).encode()


def found(client: TestClient, trace_id: str, **headers: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/traces/{trace_id}", headers=headers)
    return answer.json() if answer.status_code == 200 else []


def kept(client: TestClient, store: Store, trace_id: str) -> dict[str, Any]:
    """The one step of a trace, which reads the same while it waits and in the lake."""
    (waiting,) = found(client, trace_id)
    store.flusher.flush()
    (in_lake,) = found(client, trace_id)
    assert in_lake == waiting
    return in_lake
