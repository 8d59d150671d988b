"""Clocks of senders are wrong at times: what is kept goes by when it came, and quality says so."""

from datetime import UTC, datetime, timedelta

import pytest

from lineside.core import now
from lineside.traces import Span, get_trace, quality, record_spans, rewriting
from lineside.traces.queries import SPANS
from lineside.traces.span import new_span_id, new_trace_id
from lineside.trust import Scope
from traces.otlp_messages import TRACE, message, take


def keep(scope: Scope, started_at: datetime) -> str:
    span = Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="step",
        use_case="shop",
        started_at=started_at,
        duration_ms=5.0,
    )
    record_spans(scope, [span]).result()
    scope.store.flusher.flush()
    return span.trace_id


def test_traces_are_kept_from_when_they_came_whatever_their_clock_says(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago, far = datetime(1970, 1, 2, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
    kept = [keep(scope, long_ago), keep(scope, far), keep(scope, now())]
    take(scope, message({"startTimeUnixNano": "1", "endTimeUnixNano": "2"}))
    rewriting.retain(scope, "shop", days=7)
    rewriting.retain(scope, None, days=7)
    scope.store.upkeep.run()
    assert all(get_trace(scope, trace_id) for trace_id in (*kept, TRACE))
    rewriting.remap(scope, everything=True)

    later = now() + timedelta(days=9)
    monkeypatch.setattr("lineside.traces.rewriting.retention.now", lambda: later)
    rewriting.apply_retention(scope)

    assert not any(get_trace(scope, trace_id) for trace_id in (*kept, TRACE))


def test_steps_of_before_arrival_was_noted_age_by_their_start_but_no_clock_that_is_fast(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, far = keep(scope, now() - timedelta(days=9)), keep(scope, datetime(2090, 1, 1, tzinfo=UTC))
    with scope.store.changing_lake():
        scope.store.lake.change([SPANS], [("UPDATE lake.spans SET arrived_at = NULL", [])])
    rewriting.retain(scope, "shop", days=7)

    rewriting.apply_retention(scope)
    assert (get_trace(scope, old), len(get_trace(scope, far))) == ([], 1)

    later = now() + timedelta(days=9)
    monkeypatch.setattr("lineside.traces.rewriting.retention.now", lambda: later)
    rewriting.apply_retention(scope)
    assert get_trace(scope, far) == []


def test_quality_counts_spans_whose_clock_is_off(scope: Scope) -> None:
    keep(scope, datetime(1970, 1, 2, tzinfo=UTC))
    keep(scope, now() + timedelta(minutes=11))
    (only_off,) = quality.telemetry_quality(scope, use_case="shop")
    assert (only_off.clocks_off, only_off.spans) == (2, 1)
    keep(scope, now())
    keep(scope, now() - timedelta(days=2))

    (found,) = quality.telemetry_quality(scope)

    assert (found.spans, found.clocks_off) == (3, 2)
