"""Erasure and retention reach what no step leads to: scores of sessions, and of lost traces."""

from datetime import timedelta

from lineside.core import now
from lineside.traces import Span, get_trace, record_spans, rewriting, scores
from lineside.traces.span import new_span_id, new_trace_id
from lineside.trust import Scope, ledger_entries


def keep(scope: Scope, user: str, session: str) -> str:
    span = Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="answer",
        user_id=user,
        session_id=session,
        started_at=now(),
        duration_ms=5.0,
    )
    record_spans(scope, [span]).result()
    return span.trace_id


def score(scope: Scope, **of: str) -> None:
    age = timedelta(days=int(of.pop("days", "0")))
    said = scores.TraceScore(name="tone", value=0.5, at=now() - age, explanation="zebrafish", **of)
    scores.record_scores(scope, [said]).result()
    scope.store.flusher.flush()


def test_the_scores_of_a_users_sessions_go_with_the_user(scope: Scope) -> None:
    gone, stays = keep(scope, "wombat", "s-1"), keep(scope, "quagga", "s-2")
    score(scope, session_id="s-1")
    score(scope, session_id="s-2")
    score(scope, trace_id=stays)

    looked = rewriting.erase(scope, user="wombat", only_look=True)
    assert (looked.traces, looked.beside["scores of sessions"]) == (1, 1)
    assert len(scores.list_scores(scope)) == 3

    erased = rewriting.erase(scope, user="wombat")
    assert erased.beside == looked.beside
    assert get_trace(scope, gone) == []
    left = scores.list_scores(scope)
    assert {(one.session_id, one.trace_id) for one in left} == {("s-2", None), ("s-2", stays)}
    assert ledger_entries(scope)[-1].details["beside"]["scores of sessions"] == 1


def test_the_scores_of_a_session_go_with_it_though_it_has_no_trace(scope: Scope) -> None:
    score(scope, session_id="s-1")

    assert not rewriting.erase(scope, session="s-1").is_nothing
    assert scores.list_scores(scope) == []
    files = [file for file in scope.store.home.rglob("*") if file.suffix == ".parquet"]
    assert not [file for file in files if b"zebrafish" in file.read_bytes()]


def test_what_came_for_a_trace_that_never_did_is_erased_by_its_id(scope: Scope) -> None:
    lost = new_trace_id()
    score(scope, trace_id=lost)

    erased = rewriting.erase(scope, trace=lost)

    assert (erased.traces, erased.beside["scores"]) == (0, 1)
    assert scores.list_scores(scope) == []


def test_retention_ages_what_belongs_to_no_trace(scope: Scope) -> None:
    here = keep(scope, "quagga", "s-2")
    score(scope, trace_id=new_trace_id(), use_case="triage", days="9")
    score(scope, session_id="s-9", use_case="triage", days="9")
    score(scope, session_id="s-9", use_case="billing", days="9")
    score(scope, session_id="s-9", use_case="triage", days="1")
    score(scope, trace_id=here, use_case="triage", days="9")
    rewriting.retain(scope, "triage", days=7)

    (expired,) = rewriting.apply_retention(scope)

    assert (expired.traces, expired.beside) == (0, 2)
    assert len(scores.list_scores(scope)) == 3
    assert rewriting.apply_retention(scope) == []
