"""What a score comes to over many traces, over time and split, and how many carry it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Invalid, Settings
from lineside.traces import Span, new_span_id, new_trace_id, record_spans, scores, search
from lineside.trust import Scope

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT = NOON + 100 * HOUR


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def keep(scope: Scope, hours: float, *said: dict[str, Any], **root: Any) -> str:
    """A trace of two calls of models, with what was said of it."""
    trace_id = new_trace_id()
    usual: dict[str, Any] = {"trace_id": trace_id, "started_at": NOON + hours * HOUR}
    usual |= {"duration_ms": 100.0, "name": "chat"}
    first = Span(**(usual | root), span_id=new_span_id())
    calls = [
        Span(**usual, span_id=new_span_id(), parent_span_id=first.span_id, kind="model", model=one)
        for one in ("small", "large", "large")
    ]
    record_spans(scope, [first, *calls]).result()
    given = [
        scores.TraceScore(**({"trace_id": trace_id, "at": AT + place * HOUR} | one))
        for place, one in enumerate(said)
    ]
    scores.record_scores(scope, given).result()
    return trace_id


def test_each_trace_counts_once_and_those_without_the_score_are_said(scope: Scope) -> None:
    half, full = ({"name": "grounded", "value": value} for value in (0.5, 1.0))
    twice = [{"name": "grounded", "value": 0.0}, {"name": "grounded", "value": 0.5}]
    keep(scope, 0, half, release="r1")
    keep(scope, 0, *twice, twice[0] | {"at": AT}, release="r1")
    keep(scope, 30, full, {"name": "other", "value": 9.0}, release="r2")
    keep(scope, 31, release="r2")
    scope.store.flusher.flush()
    filters = search.parse_query("until 2026-03-04T00:00")

    over = search.chart(scope, filters, by="release")
    stats = search.scored.score_stats(scope, filters, score="grounded", by="release")
    assert over
    chart = search.scored.score_chart(scope, filters, score="grounded", over=over)

    assert [(one.name, one.traces, one.scored, one.mean) for one in stats] == [
        ("r1", 2, 2, 0.375),
        ("r2", 2, 1, 1.0),
    ]
    assert (chart.whole.traces, chart.whole.scored, chart.is_cut) == (4, 3, False)
    assert chart.whole.mean == pytest.approx(1.75 / 3)
    assert [moment.start for moment in chart.moments] == [one.start for one in over.moments]
    said = {
        moment.start: {one.name: (one.traces, one.mean) for one in moment.of}
        for moment in chart.moments
    }
    assert said[NOON] == {"r1": (2, 0.375)}
    assert said[NOON + 31 * HOUR] == {"r2": (1, None)}, "what was not scored is missing, not zero"


def test_a_label_is_counted_as_it_was_given_last(scope: Scope) -> None:
    for hours, *labels in ((0, "rude", "kind"), (1, "rude"), (2, "kind"), (3,)):
        keep(scope, float(hours), *({"name": "tone", "label": label} for label in labels))

    over = search.chart(scope)
    assert over
    chart = search.scored.score_chart(scope, score="tone", over=over)

    assert chart.whole.labels == {"kind": 2, "rude": 1}
    assert (chart.whole.valued, chart.whole.mean, chart.whole.scored) == (0, None, 3)
    assert search.scored.score_names(scope) == ["tone"]


def test_labels_beyond_the_most_frequent_are_one(scope: Scope) -> None:
    for place in range(7):
        keep(scope, 0, {"name": "topic", "label": f"t{place}"})

    [one] = search.scored.score_stats(scope, score="topic")

    assert one.labels == {"All others": 2} | {f"t{place}": 1 for place in range(5)}


def test_a_score_is_split_by_model_and_attribute_within_what_was_asked(scope: Scope) -> None:
    gold = {"raw": {"attributes": {"customer.tier": "gold"}}, "user_id": "ann"}
    keep(scope, 0, {"name": "grounded", "value": 0.25}, **gold)
    keep(scope, 0, {"name": "grounded", "value": 0.75}, user_id="ann")
    keep(scope, 0, {"name": "grounded", "value": 1.0}, user_id="bob")
    ann = search.parse_query("user = ann and score.grounded < 1")

    def stats(by: str) -> dict[str | None, tuple[int, float | None]]:
        found = search.scored.score_stats(scope, ann, score="grounded", by=by)
        return {one.name: (one.traces, one.mean) for one in found}

    assert stats("model") == {"small": (2, 0.5), "large": (2, 0.5)}
    assert stats("attribute.customer.tier") == {"gold": (1, 0.25), None: (1, 0.75)}
    for by in ("model", "attribute.customer.tier"):
        over = search.chart(scope, ann, by=by)
        assert over
        chart = search.scored.score_chart(scope, ann, score="grounded", over=over)
        assert {one.name: (one.traces, one.mean) for one in chart.moments[0].of} == stats(by)
    with pytest.raises(Invalid, match="cannot be split by `modle`"):
        search.scored.score_stats(scope, score="grounded", by="modle")
