"""Sessions and users, added up from traces that came in any number of batches."""

from datetime import timedelta

import pytest

from lineside.core import Invalid, NotFound, now
from lineside.traces import Span, new_span_id, new_trace_id, record_spans, sessions
from lineside.trust import Scope

START = now() - timedelta(hours=3)


def ask(
    scope: Scope,
    number: int,
    *,
    session: str | None,
    user: str = "u1",
    status: str = "ok",
    cost_usd: float | None = 0.5,
    is_late: bool = False,
) -> str:
    """A trace of a question; its model step may come later and then says nothing of the session."""
    trace_id, root_id = new_trace_id(), new_span_id()
    at = START + timedelta(minutes=number)
    root = Span(
        trace_id=trace_id,
        span_id=root_id,
        name="answer",
        kind="agent",
        status=status,
        started_at=at,
        duration_ms=10.0,
        session_id=session,
        user_id=user,
        input={"question": f"question {number}"},
        output={"answer": f"answer {number}"},
    )
    model = Span(
        trace_id=trace_id,
        span_id=new_span_id(),
        parent_span_id=root_id,
        name="chat",
        kind="model",
        started_at=at + timedelta(seconds=1),
        duration_ms=5.0,
        tokens_in=10,
        tokens_out=2,
        cost_usd=cost_usd,
    )
    if is_late:
        record_spans(scope, [root]).result()
        scope.store.flusher.flush()
        record_spans(scope, [model]).result()
    else:
        record_spans(scope, [root, model]).result()
    return trace_id


def test_a_session_adds_up_its_traces_also_what_came_late_and_without_its_name(
    scope: Scope,
) -> None:
    for number in range(4):
        ask(scope, number, session="s1", is_late=number == 1, cost_usd=None if number else 0.5)
    ask(scope, 9, session="s2", user="u2", status="error")
    ask(scope, 10, session=None)

    for _ in range(2):
        found = sessions.list_sessions(scope).sessions
        assert [one.id for one in found] == ["s2", "s1"]
        s2, s1 = (one.totals for one in found)
        assert (s1.traces, s1.errors, s1.steps, s1.tokens_in) == (4, 0, 8, 40)
        assert (s1.cost_usd, s1.cost_known) == (0.5, 0.25), "a sum says what it covers"
        assert (s2.traces, s2.errors) == (1, 1)
        scope.store.flusher.flush()


def test_a_session_is_read_in_order_page_by_page(scope: Scope) -> None:
    made = [ask(scope, number, session="s/1 ?") for number in range(5)]
    scope.store.flusher.flush()

    first = sessions.get_session(scope, "s/1 ?", limit=3)
    rest = sessions.get_session(scope, "s/1 ?", limit=3, after=first.later)

    assert [row.trace_id for row in (*first.traces, *rest.traces)] == made
    assert rest.later is None
    assert (first.traces[0].input, first.traces[0].output) == ("question 0", "answer 0")
    assert first.session.user_id == "u1"
    with pytest.raises(NotFound):
        sessions.get_session(scope, "s9")
    with pytest.raises(Invalid, match="no place"):
        sessions.list_sessions(scope, before="yesterday")


def test_lists_go_on_where_a_page_ended(scope: Scope) -> None:
    for number in range(5):
        ask(scope, number, session=f"s{number}", user=f"u{number % 2}")

    first = sessions.list_sessions(scope, limit=3)
    rest = sessions.list_sessions(scope, limit=3, before=first.older)
    users = sessions.list_users(scope).users

    assert [one.id for one in (*first.sessions, *rest.sessions)] == ["s4", "s3", "s2", "s1", "s0"]
    assert [(one.id, one.sessions, one.totals.traces) for one in users] == [
        ("u0", 3, 3),
        ("u1", 2, 2),
    ]
    theirs = sessions.list_sessions(scope, user="u1").sessions
    assert [one.id for one in theirs] == ["s3", "s1"]
    assert sessions.list_users(scope, days=0.01).users == ()
    with pytest.raises(NotFound):
        sessions.get_user(scope, "u1", days=0.01)
