"""Phoenix: the dataframe of its spans, as Parquet, CSV or JSON, flattened or nested."""

import ast
from typing import Any

from lineside.store import parquet
from lineside.traces.conventions.received import RawSpan
from lineside.traces.importers.files import ExportFile, each
from lineside.traces.importers.steps import (
    events_of,
    flattened,
    imported,
    json_of,
    without_nothing,
)
from lineside.traces.otlp import Read, Refusal

_HEAD = "attributes."
_LITERAL_CHARACTERS_MAX = 1_000_000
# Free-form values, whose members are not attributes of their own.
_WHOLE = {"metadata", "input.value", "output.value", "llm.invocation_parameters", "tool.parameters"}


def recognises(entry: dict[str, Any]) -> bool:
    if "context.span_id" in entry:
        return True
    return "context" in entry and bool(entry.keys() & {"span_kind", "attributes"})


def read_phoenix(file: ExportFile) -> Read:
    """Steps of Phoenix's spans, whichever way the dataframe was written down."""
    head = file.head(len(parquet.MAGIC))
    if head == parquet.MAGIC:
        return _of_parquet(file)
    return file.read(_of_entry) if head.lstrip()[:1] in (b"{", b"[") else _of_csv(file)


def _of_parquet(file: ExportFile) -> Read:
    with file.unpacked() as path:
        for row, file.share in parquet.rows_of(path):
            yield from each([row], _span)


def _of_csv(file: ExportFile) -> Read:
    for row in file.rows():
        yield from [row] if isinstance(row, Refusal) else each([row.value], _span)


def _of_entry(entry: dict[str, Any]) -> Read:
    rows = entry.get("data")  # as its REST API pages them
    yield from each(rows if isinstance(rows, list) and "context" not in entry else [entry], _span)


def _span(row: dict[str, Any]) -> RawSpan:
    row = {key: without_nothing(_read(value)) for key, value in row.items()}
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
