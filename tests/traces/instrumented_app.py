"""An app under a real instrumentation package: asks a scripted model once, prints its spans.

Run as a program, since an instrumentation changes the process it is in and reads its switches
once. Log records of the call are attached to its span as events, with their `body`.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOT_INSTALLED = 3
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 9,
        "total_tokens": 129,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
}


class Scripted(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def main(package: str) -> None:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracing = TracerProvider(resource=Resource.create({"service.name": "helpdesk"}))
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    logging = LoggerProvider()
    logging.add_log_record_processor(SimpleLogRecordProcessor(logs))
    if package == "openinference":
        from openinference.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=tracing)
    else:
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=tracing, logger_provider=logging)
    _ask()
    events = [_event(log.log_record) for log in logs.get_finished_logs()]
    json.dump([_raw(span, events) for span in spans.get_finished_spans()], sys.stdout)


def _ask() -> None:
    import openai

    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Weather in Paris?"},
        ],
        tools=[tool],
    )
    server.shutdown()


def _event(record: Any) -> dict[str, Any]:
    attributes = dict(record.attributes or {})
    if record.body is not None:
        attributes["body"] = record.body
    return {"name": record.event_name, "time_ns": record.timestamp, "attributes": attributes}


def _raw(span: Any, events: list[dict[str, Any]]) -> dict[str, Any]:
    own = [
        {"name": e.name, "time_ns": e.timestamp, "attributes": dict(e.attributes)}
        for e in span.events
    ]
    return {
        "trace_id": format(span.context.trace_id, "032x"),
        "span_id": format(span.context.span_id, "016x"),
        "name": span.name,
        "span_kind": span.kind.name,
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "status_code": span.status.status_code.name,
        "attributes": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in span.attributes.items()
        },
        "events": own + events,
        "resource": dict(span.resource.attributes),
        "scope": {
            "name": span.instrumentation_scope.name,
            "version": span.instrumentation_scope.version,
        },
    }


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except ImportError as error:
        sys.stderr.write(str(error))
        sys.exit(NOT_INSTALLED)
