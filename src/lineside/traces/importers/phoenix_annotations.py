"""Phoenix's annotations and evaluations, beside their spans or in a table of their own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lineside.traces.conventions.received import RawSpan
from lineside.traces.conventions.values import as_dict, first
from lineside.traces.importers.said import score_said
from lineside.traces.importers.steps import listed
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import KINDS, TraceScore

COLUMNS = frozenset({"annotator_kind", "annotation_name"})
_EVALUATION = re.compile(r"eval\.(.+)\.(score|label|explanation)")
_ABOUT = ("span_id", "trace_id", "session_id")
_NOTE = "note"


def is_annotation(row: Mapping[str, Any]) -> bool:
    """Whether a row says something of a span, trace or session, and is none itself."""
    return bool(row.keys() & COLUMNS) and bool(row.keys() & set(_ABOUT))


def annotation_said(
    row: Mapping[str, Any], *, trace_id: str | None = None, span_id: str | None = None
) -> TraceScore | Refusal:
    """One annotation; with the ids of the span that it stands on, if it does.

    A note that a person wrote beside a span is words alone, and has the label `note`.
    """
    result = as_dict(row.get("result"))
    score, label, why = (
        first(result, name) if result else first(row, f"result.{name}", name)
        for name in ("score", "label", "explanation")
    )
    name = first(row, "annotation_name", "name")
    if score is None and label is None and why and name == _NOTE:
        label = _NOTE
    return score_said(
        name=name,
        value=_number(score),
        label=label,
        why=why,
        source=KINDS.get(str(row.get("annotator_kind")).upper(), "api"),
        by=first(row, "user_id", "identifier") or "phoenix",
        at=first(row, "updated_at", "created_at"),
        trace_id=trace_id or row.get("trace_id"),
        span_id=span_id or row.get("span_id"),
        session_id=row.get("session_id"),
        # Phoenix keeps one of each identifier, which mostly is empty.
        identifier=row.get("identifier") or "",
        metadata=row.get("metadata"),
    )


def annotations_on(row: dict[str, Any], span: RawSpan) -> Iterator[TraceScore | Refusal]:
    """What a span's own row says of it: a list of annotations, or columns of evaluations."""
    for one in listed(first(row, "annotations", "span_annotations")):
        if isinstance(one, dict):
            yield annotation_said(one, trace_id=span.trace_id, span_id=span.span_id)
    evaluations: dict[str, dict[str, Any]] = {}
    for column, value in row.items():
        found = _EVALUATION.fullmatch(column)
        if found is not None and value not in (None, ""):
            evaluations.setdefault(found[1], {})[found[2]] = value
    for name, said in evaluations.items():
        yield score_said(
            name=name,
            value=_number(said.get("score")),
            label=said.get("label"),
            why=said.get("explanation"),
            source="judge",
            by="phoenix",
            # Evaluations in columns have no time of their own.
            at=span.end_ns or span.start_ns,
            trace_id=span.trace_id,
            span_id=span.span_id,
        )


def _number(value: Any) -> Any:
    """A number, also from a cell of CSV."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return None
