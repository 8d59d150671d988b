"""Phoenix: the dataframe of its spans, as Parquet, CSV or JSON, flattened or nested."""

import ast
from collections.abc import Iterable
from typing import Any

from lineside.store import parquet
from lineside.traces.conventions.received import RawSpan
from lineside.traces.importers.files import ExportFile, each
from lineside.traces.importers.phoenix_annotations import (
    annotation_said,
    annotations_on,
    is_annotation,
)
from lineside.traces.importers.said import Found, tags_said
from lineside.traces.importers.steps import (
    events_of,
    flattened,
    imported,
    json_of,
    listed,
    without_nothing,
)
from lineside.traces.otlp import NotASpan, Refusal
from lineside.traces.otlp_json import read_document

_HEAD = "attributes."
_OUTLINE = {"project_id", "trace_id", "start_time", "end_time"}
_LITERAL_CHARACTERS_MAX = 1_000_000
# Free-form values, whose members are not attributes of their own.
_WHOLE = {"metadata", "input.value", "output.value", "llm.invocation_parameters", "tool.parameters"}


def recognises(entry: dict[str, Any]) -> bool:
    rows = entry.get("data")
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        entry = rows[0]
    if "context.span_id" in entry or is_annotation(entry) or _is_otlp(entry):
        return True
    if _is_outline(entry):
        return True
    return "context" in entry and bool(entry.keys() & {"span_kind", "attributes"})


def read_phoenix(file: ExportFile) -> Found:
    """Steps of Phoenix's spans, whichever way the dataframe was written down, and what was said.

    Annotations stand beside their span, as columns of evaluations, or in a file of their own.
    """
    head = file.head(len(parquet.MAGIC))
    if head == parquet.MAGIC:
        return _of_parquet(file)
    return file.read(_of_entry) if head.lstrip()[:1] in (b"{", b"[") else _of_csv(file)


def _of_parquet(file: ExportFile) -> Found:
    with file.unpacked() as path:
        for row, file.share in parquet.rows_of(path):
            yield from _of_row(row)


def _of_csv(file: ExportFile) -> Found:
    for row in file.rows():
        yield from [row] if isinstance(row, Refusal) else _of_row(row.value)


def _of_entry(entry: dict[str, Any]) -> Found:
    rows = entry.get("data")  # as its REST API pages them
    for row in rows if isinstance(rows, list) and "context" not in entry else [entry]:
        yield from _of_row(row if isinstance(row, dict) else {})


def _is_otlp(row: dict[str, Any]) -> bool:
    """Whether it is a span as OTLP has it, outside of any message: `spans/otlpv1` answers so."""
    return (
        "start_time_unix_nano" in row
        and "span_id" in row
        and isinstance(row.get("attributes"), list)
    )


def _is_outline(row: dict[str, Any]) -> bool:
    """Whether it is a trace of its list of traces, which tells of no step what it held."""
    return row.keys() >= _OUTLINE and not row.keys() & {"name", "type"}


def _of_row(row: dict[str, Any]) -> Found:
    if _is_otlp(row):
        read: Found = read_document({"resource_spans": [{"scope_spans": [{"spans": [row]}]}]})
        yield from _with_tags(read)
        return
    if _is_outline(row):
        raise NotASpan("the list of traces leaves out what their steps held; export the spans")
    row = {key: without_nothing(_read(value)) for key, value in row.items()}
    if is_annotation(row):
        yield annotation_said(row)
        return
    for span in each([row], _span):
        yield from _with_tags([span])
        if isinstance(span, RawSpan):
            yield from annotations_on(row, span)


def _with_tags(found: Iterable[Any]) -> Found:
    for one in found:
        yield one
        if isinstance(one, RawSpan):
            yield from tags_said(one.trace_id, listed(one.attributes.get("tag.tags")))


def _span(row: dict[str, Any]) -> RawSpan:
    context = row.get("context")
    context = context if isinstance(context, dict) else {}
    attributes = _attributes(row)
    if row.get("span_kind"):
        attributes.setdefault("openinference.span.kind", row["span_kind"])
    events = row.get("events")
    if isinstance(events, str):
        attributes["phoenix.events"] = events
    return imported(
        "phoenix",
        trace_id=row.get("context.trace_id") or context.get("trace_id"),
        span_id=row.get("context.span_id") or context.get("span_id"),
        parent_id=row.get("parent_id"),
        name=row.get("name"),
        start=row.get("start_time"),
        end=row.get("end_time"),
        status=str(row.get("status_code") or "UNSET"),
        status_message=row.get("status_message"),
        attributes=attributes,
        events=events_of(events),
    )


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    nested = row.get("attributes")
    found = dict(nested) if isinstance(nested, dict) else {}
    found |= {
        key.removeprefix(_HEAD): value
        for key, value in row.items()
        if key.startswith(_HEAD) and value not in (None, "")
    }
    flat = flattened(found)
    for name in _WHOLE:
        below = [key for key in flat if key.startswith(f"{name}.")]
        if below:
            flat[name] = {key.removeprefix(f"{name}."): flat.pop(key) for key in below}
    return flat


def _read(value: Any) -> Any:
    """What a cell holds: JSON, or a list or dict as Python prints it, as pandas does."""
    if not isinstance(value, str):
        return value
    if value in ("None", "nan", "NaT"):
        return None
    if value[:1] not in ("{", "["):
        return value
    found = json_of(value)
    if found is value and len(value) <= _LITERAL_CHARACTERS_MAX:
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value
    return found
