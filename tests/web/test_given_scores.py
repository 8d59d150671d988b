"""Scores where they belong: on the page of their trace and of their session."""

import pytest
from starlette.testclient import TestClient

from lineside.core import Settings, now
from lineside.server import build
from lineside.store import open_store
from lineside.traces import Span, new_span_id, open_traces, record_spans, scores
from lineside.trust import local_scope
from web.small_case import html, words

pytestmark = pytest.mark.xdist_group("traces")
TRACE, WHY = "5" * 32, "Half of it is made up"


@pytest.fixture
def web(settings: Settings) -> TestClient:
    """A trace in a session, of which somebody said how good the whole and a step of it are."""
    store = open_store(settings)
    open_traces(store)
    scope, step = local_scope(store), new_span_id()
    span = Span(
        trace_id=TRACE,
        span_id=step,
        name="answer",
        session_id="s-1",
        started_at=now(),
        duration_ms=9.0,
    )
    record_spans(scope, [span]).result()
    said = [
        scores.TraceScore(name="grounded", value=0.4, trace_id=TRACE, explanation=WHY),
        scores.TraceScore(name="polite", label="pass", trace_id=TRACE, span_id=step, by="judge-1"),
        scores.TraceScore(name="solved", value=1.0, session_id="s-1"),
    ]
    scores.record_scores(scope, said).result()
    store.close()
    return TestClient(build(settings), base_url="http://127.0.0.1")


def test_a_trace_shows_what_was_scored_of_it_and_why(web: TestClient) -> None:
    shown = words(html(web, f"/traces/{TRACE}").partition('id="scores"')[2])

    assert "grounded 0.4 the trace Half of it is made up" in shown
    assert "polite pass one step – judge-1" in shown
    assert "solved" not in shown


def test_a_session_shows_its_own_scores_and_those_of_its_traces(web: TestClient) -> None:
    shown = words(html(web, "/sessions/s-1").partition('id="scores"')[2])

    assert "solved 1 the session" in shown
    assert "grounded 0.4 the trace" in shown
