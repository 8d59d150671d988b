"""Erasure and retention reach what no step leads to: scores of sessions, and of lost traces."""

from datetime import timedelta
from typing import Any

import orjson
import pytest

from lineside.core import now
from lineside.traces import Span, get_trace, logs, receive, record_spans, rewriting, scores, search
from lineside.traces.rewriting import batches, leftovers
from lineside.traces.span import new_span_id, new_trace_id
from lineside.trust import Scope, ledger_entries
from traces.conftest import come_when_begun


def keep(
    scope: Scope, user: str, session: str, *, use_case: str | None = None, days: int = 0
) -> str:
    span = Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="answer",
        user_id=user,
        session_id=session,
        use_case=use_case,
        started_at=now() - timedelta(days=days),
        duration_ms=5.0,
    )
    record_spans(scope, [span]).result()
    return span.trace_id


def score(scope: Scope, **of: str) -> None:
    age = timedelta(days=int(of.pop("days", "0")))
    said = scores.TraceScore(name="tone", value=0.5, at=now() - age, explanation="zebrafish", **of)
    scores.record_scores(scope, [said]).result()
    scope.store.flusher.flush()


def said(scope: Scope, trace_id: str, nanoseconds: int) -> None:
    """Take in a log record of what was asked in a trace."""
    content = {"key": "content", "value": {"stringValue": "zebrafish"}}
    record = {
        "timeUnixNano": str(nanoseconds),
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "eventName": "gen_ai.user.message",
        "body": {"kvlistValue": {"values": [content]}},
    }
    body = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    asked: dict[str, Any] = {"encoding": "", "bytes_max": 10**6, "use_cases": ()}
    logs.receive_logs(scope, body, media_type=receive.JSON, **asked).durable.result()


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


def test_the_scores_of_a_session_age_with_its_traces(scope: Scope) -> None:
    score(scope, session_id="s-1", days="9")  # it comes before the traces that it is about
    keep(scope, "quagga", "s-1", use_case="triage", days=8)
    keep(scope, "quagga", "s-2", use_case="triage", days=8)
    keep(scope, "quagga", "s-2", use_case="triage")
    score(scope, session_id="s-1", days="8")
    score(scope, session_id="s-2", days="8")
    assert len(scores.list_scores(scope, use_case="triage")) == 2

    rewriting.retain(scope, None, days=7)
    assert rewriting.apply_retention(scope) == []
    assert len(scores.list_scores(scope)) == 3

    rewriting.retain(scope, None, days=None)
    rewriting.retain(scope, "triage", days=7)
    come_when_begun(scope.store)
    (expired,) = rewriting.apply_retention(scope)
    assert (expired.traces, expired.beside) == (2, 2)
    assert [one.session_id for one in scores.list_scores(scope)] == ["s-2"]


def test_records_of_very_many_traces_are_taken_out_a_few_at_a_time(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_FOUND_MAX", 4)
    monkeypatch.setattr(batches, "TRACES_PER_BATCH", 3)
    nanoseconds = int((now() - timedelta(days=9)).timestamp()) * 10**9
    lost = [new_trace_id() for _ in range(9)]
    here = keep(scope, "quagga", "s-1", use_case="triage", days=9)
    for trace_id in (*lost, here):
        said(scope, trace_id, nanoseconds)
    scope.store.flusher.flush()
    rewriting.retain(scope, None, days=7)
    held: list[int] = []
    whole = scope.store.texts.remove
    monkeypatch.setattr(
        scope.store.texts, "remove", lambda found: held.append(len(found)) or whole(found)
    )

    (expired,) = rewriting.apply_retention(scope)

    assert (expired.traces, expired.beside) == (0, 9)
    assert held == [3, 1, 3, 1, 1]
    found = search.list_traces(scope, search.parse_query('text ~ "zebrafish"')).traces
    assert [row.trace_id for row in found] == [here]


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
