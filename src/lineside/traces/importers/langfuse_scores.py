"""Langfuse's scores, which stand in their trace or in a file of their own."""

from typing import Any

from lineside.traces.conventions.values import first
from lineside.traces.importers.said import score_said
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import KINDS, TraceScore

_ABOUT = ("traceId", "observationId", "sessionId", "datasetRunId")
_IN_WORDS = {"TEXT": "text", "CORRECTION": "correction"}
"""Kinds of scores that hold words alone, with the label that such a score has here."""


def is_score(row: dict[str, Any]) -> bool:
    """Whether a row, in camelCase, is a score."""
    return (
        "name" in row
        and bool(row.keys() & {"value", "stringValue"})
        and bool(row.keys() & {"dataType", "source"})
        and bool(row.keys() & set(_ABOUT))
        and "startTime" not in row
    )


def score_of(row: dict[str, Any]) -> TraceScore | Refusal:
    """The score in a row.

    Langfuse writes the number 0 for a category that no number belongs to; there, the label is all
    there is. What people wrote in words, a text or the answer as it should have been, stands as
    the explanation.
    """
    kind = str(row.get("dataType") or "NUMERIC").upper()
    words = first(row, "stringValue", "longStringValue")
    value, label, why = row.get("value"), words, row.get("comment")
    if kind in _IN_WORDS:
        said = [words or value, why]
        value, label = None, _IN_WORDS[kind]
        why = "\n".join(str(one) for one in said if one)
    elif kind == "CATEGORICAL" and not isinstance(value, str):
        value = value if value or row.get("configId") else None
    elif kind == "BOOLEAN":
        value = bool(value) if isinstance(value, int | float) else first(row, "value") or words
        label = None
    if not any(row.get(field) for field in _ABOUT[:3]) and row.get("datasetRunId"):
        return Refusal("the score is of a dataset run, not of a trace", f"score `{row['name']}`")
    of_trace = row.get("traceId")
    return score_said(
        name=row.get("name"),
        value=value,
        label=label,
        why=why,
        source=KINDS.get(str(row.get("source")).upper(), "api"),
        by=first(row, "authorUserId", "evaluatorId") or "langfuse",
        at=first(row, "timestamp", "createdAt"),
        trace_id=of_trace,
        span_id=row.get("observationId"),
        session_id=None if of_trace else row.get("sessionId"),
        metadata=row.get("metadata"),
    )
