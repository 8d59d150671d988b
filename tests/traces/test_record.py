from datetime import timedelta
from typing import Any

import pytest

from lineside.core import Denied, Invalid, NotFound, now
from lineside.traces import (
    Span,
    get_trace,
    give_feedback,
    latest_calls,
    list_feedback,
    new_span_id,
    new_trace_id,
    record_spans,
    traffic,
)
from lineside.trust import Scope


def served(**values: Any) -> Span:
    fields: dict[str, Any] = {
        "trace_id": new_trace_id(),
        "span_id": new_span_id(),
        "name": "triage",
        "kind": "app",
        "use_case": "triage",
        "release": "rel_1",
        "arm": "live",
        "started_at": now(),
        "duration_ms": 5.0,
    }
    return Span(**(fields | values))


def test_a_span_comes_back_as_it_was_recorded_before_and_after_the_flush(scope: Scope) -> None:
    span = served(input={"message": "héllo"}, output={"topic": "x"}, attributes={"hand_off": True})
    record_spans(scope, [span]).result()
    assert get_trace(scope, span.trace_id) == [span]

    scope.store.flusher.flush()

    assert get_trace(scope, span.trace_id) == [span]


def test_a_span_seen_in_inbox_and_lake_at_once_counts_once(scope: Scope) -> None:
    span = served()
    record_spans(scope, [span]).result()
    scope.store.flusher.flush()
    record_spans(scope, [span]).result()

    assert [call.trace_id for call in latest_calls(scope)] == [span.trace_id]
    assert [arm.calls for arm in traffic(scope)] == [1]


def test_the_newest_calls_come_first_and_test_runs_are_left_out(scope: Scope) -> None:
    old = served(started_at=now() - timedelta(hours=1))
    new = served()
    judged = served(run_id="run_1", case_id="c1")
    record_spans(scope, [old, new, judged]).result()

    found = latest_calls(scope, use_case="triage")

    assert [call.trace_id for call in found] == [new.trace_id, old.trace_id]


def test_traffic_says_what_share_of_the_cost_is_known(scope: Scope) -> None:
    record_spans(
        scope,
        [
            served(cost_usd=0.5, attributes={"hand_off": True}),
            served(cost_usd=None, status="error", error="unavailable: down"),
        ],
    ).result()

    (arm,) = traffic(scope, use_case="triage")

    assert (arm.calls, arm.errors, arm.handed_off) == (2, 1, 1)
    assert (arm.cost_usd, arm.cost_known) == (0.5, 0.5)


def test_feedback_belongs_to_the_release_that_answered(scope: Scope) -> None:
    span = served()
    record_spans(scope, [span]).result()

    give_feedback(scope, span.trace_id, thumb="down", correction={"topic": "refund"})

    (kept,) = list_feedback(scope, use_case="triage")
    assert (kept.release, kept.thumb, kept.correction) == ("rel_1", "down", {"topic": "refund"})


def test_feedback_on_nothing_or_with_nothing_is_refused(scope: Scope) -> None:
    with pytest.raises(NotFound, match="No answer has the trace id `abc`"):
        give_feedback(scope, "abc", thumb="up")
    with pytest.raises(Invalid, match="no thumb, no correction and no comment"):
        give_feedback(scope, "abc")


def test_a_key_that_may_only_run_reads_no_trace(scope: Scope) -> None:
    span = served()
    record_spans(scope, [span]).result()
    runner = Scope(scope.store, scope.workspace, scope.actor, frozenset({"run"}))

    with pytest.raises(Denied, match="lacks the right `read`"):
        get_trace(runner, span.trace_id)


def test_another_workspace_sees_nothing_of_it(scope: Scope) -> None:
    span = served()
    record_spans(scope, [span]).result()
    other = Scope(scope.store, "other", scope.actor, scope.rights)

    assert (get_trace(other, span.trace_id), latest_calls(other)) == ([], [])
