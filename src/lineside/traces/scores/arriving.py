"""Scores that came along with what was received: as events of a span, or as log records. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from lineside.traces.mapping import moment_of
from lineside.traces.scores.record import EVENT, TraceScore, score_row, stated
from lineside.traces.span import Span

_EVENTS_PER_SPAN_MAX = 1_000


def scores_of_spans(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of the scores in the events of some spans, from the spans' rows."""
    for row in rows:
        raw = row["raw"]
        # To read what was received costs much more than to see that it holds no score.
        if raw is None or EVENT not in raw:
            continue
        for event, fields in _scores_in(orjson.loads(raw).get("events")):
            yield score_row(row["workspace"], _of_span(row, event, fields))


def event_scores(spans: Iterable[Span]) -> Iterator[tuple[object, ...]]:
    """Identities of the scores in the events of some steps."""
    for span in spans:
        for event, fields in _scores_in((span.raw or {}).get("events")):
            yield _of_span(vars(span), event, fields).identity


def count_scores(events: list[dict[str, Any]] | None) -> int:
    """How many of a span's events are scores."""
    return sum(1 for _ in _scores_in(events))


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
