"""Scores and tags as what is asked of a list: alone, with everything else, page by page."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Invalid, Settings
from lineside.traces import (
    Span,
    marks,
    new_span_id,
    new_trace_id,
    record_spans,
    saved,
    scores,
    search,
)
from lineside.traces.search import given
from lineside.trust import Scope

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def keep(scope: Scope, hours: float = 0.0, **root: Any) -> str:
    trace_id = new_trace_id()
    usual: dict[str, Any] = {"name": "answer", "started_at": NOON + hours * HOUR}
    usual |= {"trace_id": trace_id, "duration_ms": 100.0}
    first = Span(**(usual | root), span_id=new_span_id())
    call = Span(
        **usual,
        span_id=new_span_id(),
        parent_span_id=first.span_id,
        kind="model",
        model=root.get("name", "house") + "-model",
    )
    record_spans(scope, [first, call]).result()
    return trace_id


def say(scope: Scope, trace_id: str | None, name: str, said: float | str, **more: Any) -> None:
    what = {"label": said} if isinstance(said, str) else {"value": said}
    score = scores.TraceScore(name=name, trace_id=trace_id, **what, **more)
    scores.record_scores(scope, [score]).result()


def found(scope: Scope, query: str, **fields: str) -> list[str]:
    page = search.list_traces(scope, search.read_filters(query, **fields))
    return [row.trace_id for row in page.traces]


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_score_finds_its_traces_by_number_or_label(scope: Scope, is_moved: bool) -> None:
    rude, kind, bare = (keep(scope, hours) for hours in (2, 1, 0))
    say(scope, rude, "tone", "rude")
    say(scope, rude, "answer relevancy", 0.25, span_id=new_span_id())
    say(scope, kind, "tone", "kind")
    say(scope, kind, "answer relevancy", 1.0)
    say(scope, None, "tone", "rude", session_id="s1")
    if is_moved:
        scope.store.flusher.flush()

    asked = {
        "score.tone = rude": [rude],
        "score.tone != rude": [kind, bare],
        'score.tone = ""': [bare],
        'score.tone != ""': [rude, kind],
        'score."answer relevancy" < 0.5': [rude],
        'score."answer relevancy" >= 0.25': [rude, kind],
        'score."answer relevancy" = true': [kind],
        'score."answer relevancy" > 0.5 and score.tone = kind': [kind],
        'score."answer relevancy" > 0.5 and score.tone = rude': [],
        "score.Tone = rude": [],
    }

    assert {query: found(scope, query) for query in asked} == asked
    assert found(scope, "", score='"answer relevancy" < 0.5') == [rude]


def test_a_tag_finds_its_traces(scope: Scope) -> None:
    late, both, bare = (keep(scope, hours) for hours in (2, 1, 0))
    for trace_id, tag in ((late, "to check"), (both, "to check"), (both, "vip")):
        marks.tag_trace(scope, trace_id, tag)
    marks.note_on_trace(scope, bare, "vip")

    asked = {
        'tag = "To  Check"': [late, both],
        'tag = "to check" and tag = vip': [both],
        "tag != vip": [late, bare],
        "tag ~ check": [late, both],
        'tag = ""': [bare],
        'tag != ""': [late, both],
        "tag = nobody": [],
    }

    assert {query: found(scope, query) for query in asked} == asked


def test_scores_and_tags_are_asked_together_with_everything_else(scope: Scope) -> None:
    wanted = keep(scope, 3, status="error", input="about a parcel", name="ask")
    others = [
        keep(scope, 2, status="error", input="about a kettle", name="ask"),
        keep(scope, 1, input="about a parcel", name="ask"),
        keep(scope, 0, status="error", input="about a parcel"),
    ]
    for trace_id in (wanted, *others):
        say(scope, trace_id, "grounded", 0.25)
        marks.tag_trace(scope, trace_id, "vip")
    scope.store.flusher.flush()
    line = (
        "score.grounded < 0.5 and status = error and tag = vip and model = ask-model "
        'and steps > 1 and text ~ parcel and since "2026-03-02T14:30"'
    )
    filters = search.parse_query(line)

    chart = search.chart(scope, filters, by="model")
    saved.save_view(scope, "Bad", {"q": "status = error", "tag": "vip", "score": "grounded < 1"})
    view = search.list_traces(scope, saved.find_view(scope, "Bad").filters).traces

    assert found(scope, line) == [wanted]
    assert [one.count for one in search.figures(scope, filters)] == [1]
    assert chart
    assert chart.whole.count == 1
    assert [row.trace_id for row in search.arrivals(scope, filters, after="0").traces] == [wanted]
    assert {row.trace_id for row in view} == {wanted, others[0], others[2]}


def test_pages_of_what_was_scored_follow_each_other(scope: Scope) -> None:
    kept = [keep(scope, hours) for hours in (500, 40, 39, 2, 1, 0)]
    scored = kept[::2]
    for trace_id in scored:
        say(scope, trace_id, "grounded", 0.25)
    for trace_id in kept[1::2]:
        marks.tag_trace(scope, trace_id, "vip")
    scope.store.flusher.flush()

    for query, expected in (("score.grounded < 1", scored), ("tag = vip", kept[1::2])):
        seen, before = [], None
        for _ in range(5):
            page = search.list_traces(scope, search.parse_query(query), limit=1, before=before)
            seen += [row.trace_id for row in page.traces]
            before = page.older
            if before is None:
                break
        assert seen == expected


def test_a_tag_on_too_many_traces_is_refused_with_words(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "TAGGED_TRACES_MAX", 1)
    for _ in range(2):
        marks.tag_trace(scope, keep(scope), "vip")

    with pytest.raises(Invalid, match="More than 1 traces have the tag `vip`"):
        found(scope, "tag = vip")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("score.grounded < low", "`score.grounded <` compares numbers, read `low`"),
        ("score.grounded ~ low", "expected one of = != > >= < <="),
        ("score. = 1", "expected a field"),
        ("tag > a", "expected one of = != ~"),
    ],
)
def test_what_cannot_be_asked_of_scores_is_explained(query: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        search.parse_query(query)
    with pytest.raises(Invalid, match="Read `x < 1 and model = m` as a score"):
        search.read_filters(score="x < 1 and model = m")
