"""The steps that events of one trace come to, each read as in an export of Langfuse. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lineside.traces.conventions.received import RawSpan
from lineside.traces.conventions.values import as_dict
from lineside.traces.importers.langfuse import (
    in_camel_case,
    observation_of,
    root_id_of,
    root_of,
)
from lineside.traces.importers.steps import moment_ns
from lineside.traces.receive import USE_CASE_ATTRIBUTE

TRACE = "trace"
OBSERVATIONS = (
    *("span", "generation", "event", "agent", "tool", "chain"),
    *("retriever", "evaluator", "embedding", "guardrail", "observation"),
)
"""What the type of an event begins with, before `-create` and `-update`."""

_TAGS = "langfuse.trace.tags"
_TYPE = "langfuse.observation.type"
_METADATA = ("langfuse.observation.metadata", "langfuse.trace.metadata")

Event = dict[str, Any]
"""`type`, `timestamp` and `body`, as it was sent."""


class StepSaid(NamedTuple):
    """A step as far as some events tell of it.

    Attributes:
        fields: What they state themselves, in Langfuse's words; all else is what is usual.
    """

    raw: RawSpan
    fields: frozenset[str]


def steps_said(trace_id: str, events: Sequence[Event]) -> list[StepSaid]:
    """The steps that events of a trace tell of: the trace itself, and its observations.

    Of two that say the same field, the later counts; tags and metadata come together.

    Raises:
        NotASpan: One of them cannot be read.
    """
    trace, observations = _merged(events)
    whole = trace | {"id": trace_id}
    said = [
        StepSaid(_named(observation_of(_completed(row), whole), row, trace), frozenset(row))
        for row in observations.values()
    ]
    if trace:
        ends = [row.get("endTime") or row.get("startTime") for row in observations.values()]
        began = trace.get("startTime") or trace.get("timestamp") or trace["saidAt"]
        root = root_of(whole | {"timestamp": began}, [*ends, trace.get("endTime")])
        said.append(StepSaid(_named(root, trace, {}), frozenset(trace)))
    return said


def is_going_on(events: Sequence[Event]) -> bool:
    """Whether some observation that has begun has not ended."""
    _, observations = _merged(events)
    return any("endTime" not in row and row.get("type") != "event" for row in observations.values())


def with_said(step: RawSpan, said: StepSaid) -> RawSpan:
    """A step that is here already, with what came of it later."""
    came, fields = said
    attributes = step.attributes | came.attributes
    for name in _METADATA:
        if name in step.attributes and name in came.attributes:
            before = as_dict(step.attributes[name])
            attributes[name] = before | as_dict(came.attributes[name])
    attributes |= _tags(step, came)
    if "type" not in fields and _TYPE in step.attributes:
        attributes[_TYPE] = step.attributes[_TYPE]
    changed: dict[str, Any] = {"attributes": attributes, "end_ns": max(step.end_ns, came.end_ns)}
    if "name" in fields:
        changed["name"] = came.name
    if "startTime" in fields or "timestamp" in fields:
        changed["start_ns"] = min(step.start_ns, came.start_ns)
    if "parentObservationId" in fields:
        changed["parent_span_id"] = came.parent_span_id
    if "level" in fields:
        changed |= {"status_code": came.status_code, "status_message": came.status_message}
    return step._replace(**changed)


def _tags(step: RawSpan, came: RawSpan) -> dict[str, Any]:
    both = [one.attributes.get(_TAGS) for one in (step, came)]
    known = [tags for tags in both if isinstance(tags, list)]
    return {_TAGS: list(dict.fromkeys(str(tag) for tags in known for tag in tags))} if known else {}


def use_case_named(body: dict[str, Any]) -> Any:
    """The use case that an event names in its metadata."""
    return as_dict(body.get("metadata")).get(USE_CASE_ATTRIBUTE)


def _merged(events: Sequence[Event]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What is said of the trace, and of each observation by its id."""
    trace: dict[str, Any] = {}
    observations: dict[str, dict[str, Any]] = {}
    for event in sorted(events, key=lambda one: moment_ns(one["timestamp"]) or 0):
        kind = event["type"].rpartition("-")[0]
        body = in_camel_case(event["body"])
        if kind == TRACE:
            row = trace
        else:
            row = observations.setdefault(str(body["id"]), {})
            stated = body.get("type") if kind == "observation" else kind
            body["type"] = stated and str(stated).lower()
        row.setdefault("saidAt", event["timestamp"])
        for field, value in body.items():
            if value is not None:
                row[field] = _together(field, row.get(field), value)
    return trace, observations


def _together(field: str, before: Any, value: Any) -> Any:
    if field in ("timestamp", "startTime") and before is not None:
        # The client for JavaScript dates a trace anew whenever it says more of it.
        moments = [one for one in (before, value) if moment_ns(one) is not None]
        return min(moments, key=lambda one: moment_ns(one) or 0, default=value)
    if field == "metadata" and isinstance(before, dict) and isinstance(value, dict):
        return before | value
    if field == "tags" and isinstance(before, list) and isinstance(value, list):
        return [*before, *(tag for tag in value if tag not in before)]
    return value


def _completed(row: dict[str, Any]) -> dict[str, Any]:
    """An observation with the time and the place that it has where it says none."""
    usual = {
        "startTime": row["saidAt"],
        "parentObservationId": root_id_of(row["traceId"]),
    }
    return usual | row


def _named(raw: RawSpan, row: dict[str, Any], trace: dict[str, Any]) -> RawSpan:
    use_case = use_case_named(row) or use_case_named(trace)
    if not use_case:
        return raw
    return raw._replace(attributes=raw.attributes | {USE_CASE_ATTRIBUTE: str(use_case)})
