"""OTLP in JSON: what a collector writes into a file, and what `lineside traces export` does."""

from typing import Any

from lineside.traces.conventions.received import RawLog
from lineside.traces.conventions.values import as_dict, first_text
from lineside.traces.importers.files import ExportFile
from lineside.traces.importers.own import record_of
from lineside.traces.importers.said import Found
from lineside.traces.logs.reading import read_document as read_logs
from lineside.traces.logs.receiving import name_of, score_in, why_no_score
from lineside.traces.mapping import moment_of
from lineside.traces.otlp import NotASpan, Refusal, refused
from lineside.traces.otlp_json import read_document
from lineside.traces.otlp_lines import (
    SAID,
    SCORE_BY,
    SCORE_IDENTIFIER,
    SCORE_METADATA,
    SCORE_SOURCE,
)
from lineside.traces.scores.record import EVENT, TraceScore

_SPANS = {"resourceSpans", "resource_spans"}
_LOGS = {"resourceLogs", "resource_logs"}
_METRICS = {"resourceMetrics", "resource_metrics"}


def recognises(entry: dict[str, Any]) -> bool:
    return bool(entry.keys() & (_SPANS | _LOGS | _METRICS))


def read_otlp(file: ExportFile) -> Found:
    """Spans of OTLP messages, one a line or one in all, and what log records say of their traces.

    Of log records, scores are read, and marks and feedback as lineside exports them.
    """
    return file.read(_items)


def _items(message: dict[str, Any]) -> Found:
    if message.keys() & _SPANS:
        yield from read_document(message)
    elif message.keys() & _LOGS:
        for log in read_logs(message):
            yield log if isinstance(log, Refusal) else _said(log)
    else:
        is_known = message.keys() & _METRICS
        raise NotASpan("it holds metrics, not spans" if is_known else "it is no OTLP message")


def _said(log: RawLog) -> Any:
    name = name_of(log)
    try:
        if name in SAID:
            return record_of(SAID[name], log.body)
        if name == EVENT:
            return _score(log)
    except NotASpan as error:
        return refused(str(error), name, log.span_id or "")
    return refused("it is a log record that says no score", name, log.span_id or "")


def _score(log: RawLog) -> TraceScore:
    fields = score_in(log)
    if fields is None:
        raise NotASpan(why_no_score(log) or "it is no score")
    said = {
        "source": first_text(log.attributes, SCORE_SOURCE),
        "by": first_text(log.attributes, SCORE_BY) or first_text(log.resource, "service.name"),
        # An empty one is one as well: the score may be replaced.
        "identifier": log.attributes.get(SCORE_IDENTIFIER),
        "metadata": as_dict(log.attributes.get(SCORE_METADATA)) or None,
        "use_case": first_text(log.attributes, "lineside.usecase"),
        "release": first_text(log.attributes, "lineside.release"),
    }
    where = {"trace_id": log.trace_id, "span_id": log.span_id if log.trace_id else None}
    told = {field: value for field, value in said.items() if value is not None}
    return record_of(TraceScore, fields | where | told | {"at": moment_of(log.time_ns)})
