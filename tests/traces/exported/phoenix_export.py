"""Makes `phoenix_*.json`: `python tests/traces/exported/phoenix_export.py http://127.0.0.1:6006`,
where Phoenix 20.26.1 listens and its client is installed."""

import json
import sys
import time
from pathlib import Path

import httpx
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from phoenix.client import Client

HERE = Path(__file__).parent
ANSWER = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o-mini",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Where is my parcel?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "It arrives tomorrow",
    "llm.token_count.prompt": 40,
    "llm.token_count.completion": 8,
    "llm.cost.total": 0.001,
    "session.id": "chat-7",
    "tag.tags": ["parcels", "urgent"],
}


def main(base: str) -> None:
    named = {"service.name": "helpdesk", "openinference.project.name": "helpdesk"}
    tracing = TracerProvider(resource=Resource.create(named))
    tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces")))
    with tracing.get_tracer("app").start_as_current_span("chat", attributes=ANSWER) as span:
        span_id = format(span.get_span_context().span_id, "016x")
    time.sleep(3)
    client = Client(base_url=base)
    client.spans.add_span_annotation(
        span_id=span_id,
        annotation_name="tone",
        annotator_kind="LLM",
        label="kind",
        score=0.9,
        identifier="second rater",
        metadata={"model": "judge-1"},
        sync=True,
    )
    project = f"{base}/v1/projects/helpdesk"
    for name, path in {
        "otlp": "/spans/otlpv1",
        "traces": "/traces?include_spans=true",
        "annotations": f"/span_annotations?span_ids={span_id}",
    }.items():
        found = httpx.get(project + path).raise_for_status().json()
        (HERE / f"phoenix_{name}.json").write_text(json.dumps(found) + "\n")


main(sys.argv[1])
