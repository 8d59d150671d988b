"""Scores that came along with what was received: on a span, in its events, as log records. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from lineside.traces.conventions.given import Remark, may_hold_remarks, remarks_in
from lineside.traces.conventions.values import as_dict, number, text
from lineside.traces.mapping import moment_of
from lineside.traces.scores.record import (
    EVENT,
    EXPLANATION_CHARACTERS_MAX,
    KINDS,
    METADATA_BYTES_MAX,
    NAME_CHARACTERS_MAX,
    NOTE,
    TraceScore,
    score_row,
    stated,
)
from lineside.traces.span import Span

_EVENTS_PER_SPAN_MAX = 1_000


def scores_of_spans(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of the scores on some spans and in their events, from the spans' rows."""
    for row in rows:
        raw = row["raw"]
        # To read what was received costs much more than to see that it holds no score.
        # The name of an event that is one holds a mark of a remark.
        if raw is None or not may_hold_remarks(raw):
            continue
        for score in _scores_on(row, orjson.loads(raw) or {}):
            yield score_row(row["workspace"], score)


def event_scores(spans: Iterable[Span]) -> Iterator[tuple[object, ...]]:
    """Identities of the scores that come with some steps."""
    for span in spans:
        for score in _scores_on(vars(span), span.raw or {}):
            yield score.identity


def count_scores(raw: dict[str, Any] | None) -> int:
    """How many scores come with a span, from what was received of it."""
    found = sum(1 for _ in _scores_in((raw or {}).get("events")))
    return found + sum(_is_score(one) for one in remarks_in((raw or {}).get("attributes") or {}))


def _scores_on(row: dict[str, Any], raw: dict[str, Any]) -> Iterator[TraceScore]:
    for event, fields in _scores_in(raw.get("events")):
        yield _of_span(row, event, fields)
    for remark in remarks_in(raw.get("attributes") or {}):
        if _is_score(remark):
            yield _of_remark(row, raw, remark)


def _is_score(said: Remark) -> bool:
    return text(said.name) is not None and any(
        one is not None for one in (number(said.value), text(said.label), text(said.why))
    )


def _of_remark(row: dict[str, Any], raw: dict[str, Any], said: Remark) -> TraceScore:
    """The score of the step, or of what it links to where it links to one thing: then it came later
    and carries the score alone."""
    links = raw.get("links") or []
    target = links[0] if len(links) == 1 and isinstance(links[0], dict) else row
    value, label, why = number(said.value), text(said.label), text(said.why)
    metadata = as_dict(said.metadata)
    of_session = said.target == "session" and row["session_id"] is not None
    end_ns = raw.get("end_ns") or raw.get("start_ns")
    return TraceScore(
        name=(text(said.name) or "")[:NAME_CHARACTERS_MAX],
        value=value,
        label=label[:NAME_CHARACTERS_MAX] if label else None if value is not None else NOTE,
        explanation=why[:EXPLANATION_CHARACTERS_MAX] if why else None,
        source=KINDS.get(str(said.kind).upper(), "otlp"),
        by=row["service"],
        trace_id=None if of_session else target["trace_id"],
        span_id=target["span_id"] if said.target == "span" else None,
        session_id=row["session_id"] if target is row or of_session else None,
        use_case=row["use_case"],
        release=row["release"],
        identifier=(text(said.identifier) or "")[:NAME_CHARACTERS_MAX] or None,
        metadata=metadata if 2 < len(orjson.dumps(metadata)) <= METADATA_BYTES_MAX else None,
        at=moment_of(end_ns) if isinstance(end_ns, int) and end_ns else row["started_at"],
    )


def _scores_in(
    events: list[dict[str, Any]] | None,
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for event in (events or ())[:_EVENTS_PER_SPAN_MAX]:
        fields = stated(event.get("attributes") or {}) if event.get("name") == EVENT else None
        if fields is not None:
            yield event, fields


def _of_span(row: dict[str, Any], event: dict[str, Any], fields: dict[str, Any]) -> TraceScore:
    when = event.get("time_ns")
    return TraceScore(
        **fields,
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        session_id=row["session_id"],
        use_case=row["use_case"],
        release=row["release"],
        by=row["service"],
        at=moment_of(when) if isinstance(when, int) else row["started_at"],
    )
