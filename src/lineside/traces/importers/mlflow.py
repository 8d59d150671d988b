"""MLflow: traces as `Trace.to_json` writes them, and rows of `search_traces`, whole or in part.

Both of its trace schemas are read: `request_id` with plain ids of spans, and `trace_id` with ids
in base64 or, since, in hexadecimal again.
"""

from typing import Any

from lineside.store import parquet
from lineside.traces.conventions.received import RawSpan
from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.files import ExportFile, each
from lineside.traces.importers.mlflow_assessments import assessments_said, tags_of
from lineside.traces.importers.mlflow_ids import plain_id
from lineside.traces.importers.said import Found
from lineside.traces.importers.steps import (
    SPAN_DIGITS,
    TRACE_DIGITS,
    events_of,
    imported,
    json_of,
    listed,
    without_nothing,
)
from lineside.traces.otlp import NotASpan, Refusal

_STATUSES = {"0": "UNSET", "1": "OK", "2": "ERROR"}
_NUMBERED = {"", "index", "__index_level_0__"}
"""Names of a column that only numbers the rows."""
_OF_ALL = ("mlflow.trace.session", "mlflow.trace.user")


def recognises(entry: dict[str, Any]) -> bool:
    traces = entry.get("traces")
    if isinstance(traces, list) and traces and isinstance(traces[0], dict):
        entry = traces[0]
    if ("info" in entry and "data" in entry) or entry.keys() - _NUMBERED == {"trace"}:
        return True
    return bool(entry.keys() & {"trace_id", "request_id"}) and bool(
        entry.keys() & {"spans", "trace"}
    )


def read_mlflow_traces(file: ExportFile) -> Found:
    """Steps of MLflow's traces, with the feedback and the tags that each trace was given.

    What else is said of a whole trace stands on its first step.
    """
    if file.head(len(parquet.MAGIC)) == parquet.MAGIC:
        return _of_table(file)
    is_json = file.head(1).strip()[:1] in (b"", b"{", b"[")
    return file.read(_spans) if is_json else _of_csv(file)


def _of_csv(file: ExportFile) -> Found:
    for row in file.rows():
        yield from [row] if isinstance(row, Refusal) else _of_row(row.value, row.place)


def _of_table(file: ExportFile) -> Found:
    with file.unpacked() as path:
        for number, (row, file.share) in enumerate(parquet.rows_of(path), start=1):
            yield from _of_row(row, f"row {number:,}")


def _of_row(row: dict[str, Any], place: str) -> Found:
    try:
        yield from _spans({key: json_of(value) for key, value in row.items()})
    except NotASpan as error:
        yield Refusal(str(error), place)


def _spans(entry: dict[str, Any]) -> Found:
    traces = entry.get("traces")
    if isinstance(traces, list):
        for trace in traces:
            yield from _spans(trace if isinstance(trace, dict) else {})
        return
    beside = entry.get("assessments")
    entry = as_dict(entry.get("trace")) or entry
    info = as_dict(entry.get("info")) or entry
    info.setdefault("assessments", beside)
    data = as_dict(entry.get("data")) or entry
    spans = [as_dict(span) for span in listed(data.get("spans"))]
    if not spans:
        raise NotASpan("the trace holds no spans; they can be left out of an export")
    said = _of_trace(info)
    trace_id = first(info, "trace_id", "request_id")
    shared = {name: said.pop(name) for name in _OF_ALL if name in said}
    kept = None
    for one in each(spans, lambda span: _span(span, trace_id, said, shared)):
        kept = one if isinstance(one, RawSpan) else kept
        yield one
    if kept is not None:
        yield from assessments_said(info, kept)
        yield from tags_of(info, kept.trace_id)


def _of_trace(info: dict[str, Any]) -> dict[str, Any]:
    metadata = as_dict(first(info, "trace_metadata", "request_metadata"))
    tags = as_dict(info.get("tags"))
    said = {key: value for key, value in metadata.items() if key.startswith("mlflow.")}
    rest = {key: value for key, value in metadata.items() if key not in said}
    said |= {f"mlflow.traceTag.{key}": value for key, value in tags.items()}
    said["mlflow.traceMetadata"] = rest or None
    said["mlflow.clientRequestId"] = info.get("client_request_id")
    said["scores"] = [one for one in listed(info.get("assessments")) if one] or None
    # Sums over the trace would be read as the tokens and cost of its first step.
    return {
        key: value
        for key, value in said.items()
        if value is not None and not key.endswith(("tokenUsage", "trace.cost", "sizeStats"))
    }


def _span(
    span: dict[str, Any], request_id: Any, said: dict[str, Any], shared: dict[str, Any]
) -> RawSpan:
    context = as_dict(span.get("context"))
    status = span.get("status")
    status = status if isinstance(status, dict) else {"code": status}
    code = str(first(span, "status_code") or status.get("code") or "")
    parent = first(span, "parent_span_id", "parent_id")
    # MLflow writes each attribute as JSON, plain texts too.
    attributes = {key: json_of(value) for key, value in as_dict(span.get("attributes")).items()}
    for field, name in (("span_type", "Type"), ("inputs", "Inputs"), ("outputs", "Outputs")):
        if span.get(field) is not None:
            attributes.setdefault(f"mlflow.span{name}", json_of(span[field]))
    trace_id = first(span, "otel_trace_id") or first(context, "trace_id") or first(span, "trace_id")
    return imported(
        "mlflow",
        trace_id=plain_id(trace_id or request_id, TRACE_DIGITS),
        span_id=plain_id(first(context, "span_id") or span.get("span_id"), SPAN_DIGITS),
        parent_id=plain_id(parent, SPAN_DIGITS),
        name=span.get("name"),
        start=first(span, "start_time_unix_nano", "start_time_ns", "start_time"),
        end=first(span, "end_time_unix_nano", "end_time_ns", "end_time"),
        status=_STATUSES.get(code, code.rpartition("STATUS_CODE_")[2] or "UNSET"),
        status_message=first(span, "status_message") or status.get("message"),
        attributes=without_nothing(attributes) | shared | ({} if parent else said),
        events=events_of(span.get("events")),
    )
