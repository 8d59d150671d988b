"""Langfuse: traces and observations as its API answers, and as its export to a bucket writes them.

The one names its fields in camelCase and the other in snake_case; what they say is the same.
"""

import re
from typing import Any

from lineside.traces.conventions.received import RawSpan
from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.files import ExportFile, each
from lineside.traces.importers.langfuse_scores import is_score, score_of
from lineside.traces.importers.said import Found, tags_said
from lineside.traces.importers.steps import hex_id, imported, json_of, listed, moment_ns
from lineside.traces.otlp import NotASpan

_SNAKE = re.compile(r"_([a-z])")
_OTEL = ("attributes", "resourceAttributes", "scope")
_OBSERVATION = {
    "input": "input",
    "output": "output",
    "level": "level",
    "statusMessage": "status_message",
    "modelParameters": "model.parameters",
    "completionStartTime": "completion_start_time",
    "promptName": "prompt.name",
    "promptVersion": "prompt.version",
}
_TRACE = {
    "name": "langfuse.trace.name",
    "traceName": "langfuse.trace.name",
    "tags": "langfuse.trace.tags",
    "release": "langfuse.release",
    "version": "langfuse.version",
    "environment": "langfuse.environment",
    "userId": "user.id",
    "sessionId": "session.id",
}
_OPENAI_USAGE = {"input": "promptTokens", "output": "completionTokens", "total": "totalTokens"}
_OF_ALL = ("userId", "sessionId", "release", "environment", "version")


def recognises(entry: dict[str, Any]) -> bool:
    if "observations" in entry or isinstance(entry.get("trace"), dict):
        return isinstance(entry.get("observations", entry.get("trace")), dict | list)
    rows = entry.get("data")
    row = in_camel_case(
        rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else entry
    )
    return is_score(row) or ("id" in row and (_is_observation(row) or _is_trace(row)))


def read_langfuse(file: ExportFile) -> Found:
    """Steps of Langfuse's traces, and what was said of them: scores and tags.

    An observation is a step. A trace of its own gets a step where it has none or several at its
    top; what is said of the whole trace, its input and output too, stands on its first step.
    """
    return file.read(_spans)


def _spans(entry: dict[str, Any]) -> Found:
    rows = entry.get("data")
    if isinstance(rows, list) and "id" not in entry:
        for row in rows:
            yield from _spans(row if isinstance(row, dict) else {})
        return
    row = in_camel_case(_unwrapped(entry))
    if is_score(row):
        yield score_of(row)
        return
    if _is_observation(row):
        yield from each([row], lambda one: observation_of(one, {}))
        yield from tags_said(row["traceId"], row.get("tags"))
        return
    if not row.get("id"):
        raise NotASpan("it is neither a trace nor an observation of Langfuse")
    yield from _trace(row)


def _unwrapped(entry: dict[str, Any]) -> dict[str, Any]:
    """The trace with its observations, where the two stand beside each other."""
    inner = entry.get("trace")
    if "id" in entry or not isinstance(inner, dict):
        return entry
    if isinstance(inner.get("trace"), dict):
        return _unwrapped(inner)
    # Those beside the trace are whole; those inside it may stand without their payloads.
    beside = entry.get("observations")
    return inner | {"observations": beside} if isinstance(beside, list) else inner


def _is_observation(row: dict[str, Any]) -> bool:
    return bool(row.get("traceId")) and "startTime" in row


def _is_trace(row: dict[str, Any]) -> bool:
    return "timestamp" in row and bool(row.keys() & {"sessionId", "userId", "tags", "input"})


def _trace(trace: dict[str, Any]) -> Found:
    # A list of traces names its observations by id alone; they come in another file.
    found = listed(trace.get("observations"))
    rows = [in_camel_case(one) for one in found if isinstance(one, dict)]
    tops = [row for row in rows if not row.get("parentObservationId")]
    if len(tops) == 1:
        tops[0]["ofTrace"] = trace
    else:
        root_id = root_id_of(trace["id"])
        for row in tops:
            row["parentObservationId"] = root_id
        ends = [row.get("endTime") or row.get("startTime") for row in rows]
        yield from each([trace], lambda one: root_of(one, ends))
    yield from each(rows, lambda row: observation_of(row, trace))
    # A list of traces names its scores by id alone, too.
    for score in listed(trace.get("scores")):
        if isinstance(score, dict):
            yield score_of(in_camel_case(score) | {"traceId": trace["id"]})
    yield from tags_said(trace["id"], trace.get("tags"))


def root_id_of(trace_id: Any) -> str:
    """What the step of a whole trace is called, below which its observations stand."""
    return f"trace {trace_id}"


def root_of(trace: dict[str, Any], ends: list[Any]) -> RawSpan:
    """The step of a whole trace, which ends with the last of its observations.

    Raises:
        NotASpan: It has no id or no time that can be read.
    """
    start = moment_ns(trace.get("timestamp")) or 0
    known = [moment for moment in map(moment_ns, ends) if moment is not None]
    latency = trace.get("latency")
    if not known and isinstance(latency, int | float) and latency > 0:
        known = [start + round(latency * 1e9)]
    otel, resource, rest = _metadata(trace)
    return imported(
        "langfuse",
        trace_id=trace.get("id"),
        span_id=hex_id(root_id_of(trace.get("id")), 16),
        name=trace.get("name"),
        start=start or None,
        end=max(known, default=start),
        attributes=otel | _of_trace(trace) | {"langfuse.trace.metadata": rest or None},
        resource=resource,
    )


def observation_of(row: dict[str, Any], trace: dict[str, Any]) -> RawSpan:
    """The step that an observation is, with what its trace says of all of them.

    Raises:
        NotASpan: It has no id, no trace or no time that can be read.
    """
    otel, resource, rest = _metadata(row)
    kind = str(row.get("type") or "span").lower()
    attributes = otel | {"langfuse.observation.type": kind}
    for field, name in _OBSERVATION.items():
        if row.get(field) not in (None, "", {}):
            attributes[f"langfuse.observation.{name}"] = row[field]
    attributes |= {
        "langfuse.observation.model.name": first(row, "model", "providedModelName"),
        "langfuse.observation.usage_details": _usage(row),
        "langfuse.observation.cost_details": _costs(row),
        "langfuse.observation.metadata": rest or None,
    }
    for field in (*_OF_ALL, "traceName", "tags"):
        said = first(row, field) or (first(trace, field) if field in _OF_ALL else None)
        if said:
            attributes.setdefault(_TRACE[field], said)
    if "ofTrace" in row:
        attributes |= _of_trace(row["ofTrace"])
    failed = row.get("level") == "ERROR"
    return imported(
        "langfuse",
        trace_id=row.get("traceId") or trace.get("id"),
        span_id=row.get("id"),
        parent_id=row.get("parentObservationId"),
        name=row.get("name") or kind,
        start=row.get("startTime"),
        end=row.get("endTime") or (row.get("startTime") if kind == "event" else None),
        status="ERROR" if failed else "UNSET",
        status_message=row.get("statusMessage") if failed else None,
        attributes=attributes,
        resource=resource,
    )


def _of_trace(trace: dict[str, Any]) -> dict[str, Any]:
    said = {name: trace[field] for field, name in _TRACE.items() if trace.get(field)}
    for side in ("input", "output"):
        if trace.get(side) not in (None, ""):
            # Some exports write this JSON as a text of JSON once more.
            said[f"langfuse.trace.{side}"] = json_of(trace[side])
    scores = [score for score in listed(trace.get("scores")) if isinstance(score, dict)]
    return said | ({"scores": scores} if scores else {})


def _metadata(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The attributes that came by OpenTelemetry, those of their resource, and all the rest."""
    metadata = as_dict(row.get("metadata"))
    rest = {key: value for key, value in metadata.items() if key not in _OTEL}
    resource = as_dict(metadata.get("resourceAttributes"))
    return as_dict(metadata.get("attributes")), resource, rest


def _usage(row: dict[str, Any]) -> dict[str, Any] | None:
    details = as_dict(row.get("usageDetails"))
    if details:
        return details
    usage = as_dict(row.get("usage"))
    if usage.get("unit") not in (None, "TOKENS"):
        return None
    known = {
        name: first(usage, name, other)
        for name, other in _OPENAI_USAGE.items()
        if first(usage, name, other)
    }
    return known or None


def _costs(row: dict[str, Any]) -> dict[str, Any] | None:
    details = as_dict(row.get("costDetails"))
    # A total of 0 without details is how Langfuse writes that it does not know.
    total = first(row, "totalCost", "calculatedTotalCost")
    total = total or first(as_dict(row.get("usage")), "totalCost")
    return details or ({"total": total} if total else None)


def in_camel_case(row: dict[str, Any]) -> dict[str, Any]:
    """The same with its fields as Langfuse's API names them."""
    return {_SNAKE.sub(lambda found: found[1].upper(), key): value for key, value in row.items()}
