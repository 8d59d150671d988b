"""MLflow's assessments and tags: what judges, people and code said of a trace."""

from collections.abc import Iterator
from typing import Any

from lineside.traces import marks
from lineside.traces.conventions.received import RawSpan
from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.mlflow_ids import plain_id
from lineside.traces.importers.said import Tagged, score_said
from lineside.traces.importers.steps import SPAN_DIGITS, listed
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import KINDS, TraceScore

_OWN = "mlflow."


def assessments_said(info: dict[str, Any], span: RawSpan) -> Iterator[TraceScore | Refusal]:
    """Feedback on a trace of which this is a step.

    An expectation is no judgement: it stays on the first step with the rest. Feedback that was
    taken back is left out; without a time of its own it was given when the step ended. Of several
    values, each is a score: `name.value`.
    """
    ended_ns = span.end_ns or span.start_ns
    for one in listed(info.get("assessments")):
        feedback = as_dict(one.get("feedback")) if isinstance(one, dict) else {}
        if not feedback or one.get("valid") is False:
            continue
        name = first(one, "assessment_name", "name")
        if feedback.get("error") or one.get("error"):
            yield Refusal("the score failed where it was made, so there is none", f"score `{name}`")
            continue
        source = as_dict(one.get("source"))
        value = feedback.get("value")
        parts = value if isinstance(value, dict) else {"": value}
        for part, worth in parts.items():
            yield score_said(
                name=f"{name}.{part}" if part and name else name,
                value=worth,
                why=one.get("rationale"),
                source=KINDS.get(str(source.get("source_type")).upper(), "api"),
                by=source.get("source_id") or "mlflow",
                at=first(one, "create_time", "create_time_ms", "timestamp") or ended_ns,
                trace_id=span.trace_id,
                span_id=plain_id(one.get("span_id"), SPAN_DIGITS),
                metadata=one.get("metadata"),
            )


def tags_of(info: dict[str, Any], trace_id: str) -> Iterator[Tagged]:
    """Tags that people set, as `name:value`; MLflow's own, and longer values, stay attributes."""
    for name, value in as_dict(info.get("tags")).items():
        if name.startswith(_OWN):
            continue
        tag = name if value in ("", None, "true", True) else f"{name}:{value}"
        if marks.is_tag(tag):
            yield Tagged(trace_id, tag)
