"""OTLP in JSON: what a collector writes into a file, and what `lineside traces export` does."""

from typing import Any

from lineside.traces.importers.files import ExportFile
from lineside.traces.importers.said import Found
from lineside.traces.otlp import NotASpan, Read
from lineside.traces.otlp_json import read_document

_OTHERS = {
    "resourceLogs": "logs",
    "resource_logs": "logs",
    "resourceMetrics": "metrics",
    "resource_metrics": "metrics",
}


def recognises(entry: dict[str, Any]) -> bool:
    return bool(entry.keys() & {"resourceSpans", "resource_spans", *_OTHERS})


def read_otlp(file: ExportFile) -> Found:
    """Spans of OTLP messages, one a line or one in all."""
    return file.read(_spans)


def _spans(message: dict[str, Any]) -> Read:
    if not message.keys() & {"resourceSpans", "resource_spans"}:
        other = next((_OTHERS[name] for name in message if name in _OTHERS), None)
        raise NotASpan(f"it holds {other}, not spans" if other else "it is no OTLP traces message")
    return read_document(message)
