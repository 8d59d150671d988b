"""Characters that a database may stumble over: they stop nobody else's telemetry."""

from typing import Any

import pytest

from lineside.core import now
from lineside.traces import Span, get_trace, record_spans, search
from lineside.traces.scores import TraceScore, list_scores, record_scores
from lineside.trust import Scope

TRACE = "a1" * 16
ODD = "a\0b'c\",[d]\\ e\u2028\x1f"
FIELDS: tuple[dict[str, Any], ...] = (
    {"name": ODD},
    {"kind": "model", "model": ODD, "provider": ODD},
    {"kind": "tool", "tool_name": ODD},
    {"kind": "agent", "agent_name": ODD},
    {"user_id": ODD, "session_id": ODD, "service": ODD},
    {"tags": (ODD, "vip")},
    {"status": "error", "error": ODD, "input": ODD, "response_id": ODD},
)


@pytest.mark.parametrize("fields", FIELDS, ids=lambda one: next(iter(one)))
def test_a_step_with_odd_characters_reaches_the_lake(scope: Scope, fields: dict[str, Any]) -> None:
    usual = {"name": "x", "started_at": now(), "duration_ms": 1.0}
    span = Span(trace_id=TRACE, span_id="b" * 16, **(usual | fields))

    record_spans(scope, [span]).result()
    scope.store.flusher.flush()

    assert scope.store.inbox.count() == 0
    [found] = get_trace(scope, TRACE)
    assert found.name == span.name.replace("\0", "\ufffd")
    [row] = search.list_traces(scope).traces
    assert row.trace_id == TRACE
    for listed in (row.models, row.tags):
        assert all("\0" not in one for one in listed)


def test_a_score_with_odd_characters_reaches_the_lake(scope: Scope) -> None:
    said = {"name": ODD, "label": ODD, "explanation": ODD, "by": ODD, "session_id": ODD}
    record_scores(scope, [TraceScore(**said, response_id=ODD, identifier=ODD)]).result()
    record_scores(scope, [TraceScore(name="x", value=1, trace_id=TRACE)]).result()

    scope.store.flusher.flush()

    assert scope.store.inbox.count() == 0
    assert [one.name for one in list_scores(scope, trace_id=TRACE)] == ["x"]
