"""What a program's telemetry held, as plain JSON: spans, and log records beside them."""

from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Recording:
    """Where an instrumentation sends its spans and log records; `taken` empties it."""

    def __init__(self) -> None:
        self._instrumentors: list[Any] = []
        resource = Resource.create({"service.name": "helpdesk"})
        self._spans, self._logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.tracing = TracerProvider(resource=resource)
        self.tracing.add_span_processor(SimpleSpanProcessor(self._spans))
        self.logging = LoggerProvider(resource=resource)
        self.logging.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    def begin(self, instrumentor: Any) -> None:
        """Let a package record from here on, until `end`."""
        instrumentor.instrument(tracer_provider=self.tracing, logger_provider=self.logging)
        self._instrumentors.append(instrumentor)

    def end(self) -> None:
        while self._instrumentors:
            self._instrumentors.pop().uninstrument()

    def taken(self) -> dict[str, Any]:
        spans = [_span(span) for span in self._spans.get_finished_spans()]
        logs = [_log(log) for log in self._logs.get_finished_logs()]
        self._spans.clear()
        self._logs.clear()
        return {"spans": spans, "logs": logs}


def _span(span: Any) -> dict[str, Any]:
    return {
        "trace_id": format(span.context.trace_id, "032x"),
        "span_id": format(span.context.span_id, "016x"),
        "parent_span_id": format(span.parent.span_id, "016x") if span.parent else None,
        "name": span.name,
        "span_kind": span.kind.name.lower(),
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "status_code": span.status.status_code.name,
        "status_message": span.status.description or "",
        "attributes": _plain(span.attributes),
        "events": [
            {"name": one.name, "time_ns": one.timestamp, "attributes": _plain(one.attributes)}
            for one in span.events
        ],
        "resource": _plain(span.resource.attributes),
        "scope": _scope(span.instrumentation_scope),
        "schema_url": span.instrumentation_scope.schema_url or "",
    }


def _log(log: Any) -> dict[str, Any]:
    record = log.log_record
    return {
        "trace_id": format(record.trace_id, "032x") if record.trace_id else None,
        "span_id": format(record.span_id, "016x") if record.span_id else None,
        "time_ns": record.timestamp or record.observed_timestamp or 0,
        "event_name": record.event_name or "",
        "severity": record.severity_text or "",
        "body": _plain(record.body),
        "attributes": _plain(record.attributes),
        "resource": _plain(log.resource.attributes),
        "scope": _scope(log.instrumentation_scope),
    }


def _scope(scope: Any) -> dict[str, Any]:
    return {"name": scope.name, "version": scope.version}


def _plain(value: Any) -> Any:
    """As OTLP would carry it, where lists and maps have one form each."""
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
