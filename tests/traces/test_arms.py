"""What the calls of two releases came to, as sums over their callers."""

from datetime import timedelta
from math import log
from typing import Any

import pytest

from lineside.core import now
from lineside.traces import Span, new_span_id, new_trace_id, record_spans, search
from lineside.traces.arms import arm_figures, arm_sums
from lineside.traces.scores import TraceScore, list_scores, record_scores
from lineside.traces.search.scored import score_stats
from lineside.trust import Scope

START = now() - timedelta(minutes=10)
BOTH = ["old", "new"]


def call(release: str = "old", **values: Any) -> Span:
    fields: dict[str, Any] = {
        "trace_id": new_trace_id(),
        "span_id": new_span_id(),
        "name": "triage",
        "kind": "app",
        "use_case": "triage",
        "release": release,
        "arm": "canary" if release == "new" else "live",
        "started_at": START + timedelta(seconds=1),
        "duration_ms": 5.0,
    }
    return Span(**(fields | values))


def test_sums_are_over_callers_and_leave_out_what_answers_nobody(scope: Scope) -> None:
    spans = [
        call(session_id="ann", duration_ms=10.0, cost_usd=0.5),
        call(session_id="ann", status="error", error="x", duration_ms=900.0),
        call(user_id="bob", parent_span_id="ab" * 8),  # a step of the caller's own trace
        call("new"),
        call("new", arm="shadow"),
        call("new", run_id="run_1"),
        call("new", kind="model"),
        call("new", started_at=START - timedelta(seconds=1)),
        call("newer"),
    ]
    record_spans(scope, spans).result()
    scope.store.flusher.flush()
    record_spans(scope, [call("new", duration_ms=700.0)]).result()

    found = arm_sums(scope, "triage", BOTH, since=START, over_ms=[800])
    sums = {(one.release, one.measure): one for one in found}

    errors = sums["old", "error_rate"]
    assert (errors.units, errors.count, errors.total) == (2, 3, 1)
    assert (errors.squares, errors.cross, errors.counts) == (1, 2, 5)
    assert sums["old", "over:800"].total == 1
    assert sums["old", "cost_usd"].count == 1
    assert ("new", "cost_usd") not in sums
    assert sums["new", "latency"].total == pytest.approx(log(5) + log(700))
    figures = {one.release: one for one in arm_figures(scope, "triage", BOTH, since=START)}
    assert (figures["old"].calls, figures["old"].errors, figures["new"].calls) == (3, 1, 2)
    assert (figures["old"].cost_usd, figures["new"].cost_usd) == (0.5, None)


def test_scores_count_for_the_release_that_answered(scope: Scope) -> None:
    calls = [call(), call("new"), call("new"), call("new", arm="shadow")]
    record_spans(scope, calls).result()
    record_scores(
        scope,
        [
            TraceScore(trace_id=one.trace_id, name="helpful", value=float(at))
            for at, one in enumerate(calls)
        ],
    ).result()
    found = arm_sums(scope, "triage", BOTH, since=START)

    helpful = {one.release: one for one in found if one.measure == "score:helpful"}
    assert (helpful["old"].count, helpful["old"].total) == (1, 0)
    assert (helpful["new"].count, helpful["new"].total) == (2, 3)


@pytest.mark.parametrize("came", ["together", "before", "after"])
def test_scores_count_for_what_we_served_below_a_program_with_a_release_of_its_own(
    apart: Scope, came: str
) -> None:
    shop = call("1.4.2", name="shop", kind="step", arm=None, started_at=START)
    ours = call("rel_new", arm="canary", trace_id=shop.trace_id, parent_span_id=shop.span_id)
    batches = {"together": [[shop, ours]], "before": [[shop], [ours]], "after": [[ours], [shop]]}
    said = TraceScore(trace_id=shop.trace_id, name="helpful", value=1.0)
    for batch in batches[came]:
        record_spans(apart, batch).result()
        record_scores(apart, [said]).result()
        apart.store.flusher.flush()

    found = arm_sums(apart, "triage", ["rel_new"], since=START)
    of_arm = arm_sums(apart, "triage", ["canary"], since=START, by_name=True)
    for sums in (found, of_arm):
        assert [one.count for one in sums if one.measure == "score:helpful"] == [1]
    assert [one.release for one in list_scores(apart)] == ["rel_new"]
    for query in ("release = rel_new", "arm = canary", "release != 1.4.2 and name = shop"):
        (row,) = search.list_traces(apart, search.parse_query(query)).traces
        assert (row.name, row.release, row.arm) == ("shop", "rel_new", "canary")
    assert not search.list_traces(apart, search.parse_query("release = 1.4.2")).traces


@pytest.mark.parametrize("is_late", [False, True])
def test_charts_count_a_trace_for_the_release_that_answered(apart: Scope, is_late: bool) -> None:
    shop = call("1.4.2", name="shop", kind="step", started_at=START)
    ours = call("rel_new", trace_id=shop.trace_id, parent_span_id=shop.span_id)
    for batch in [[ours], [shop]] if is_late else [[ours, shop]]:
        record_spans(apart, batch).result()
        apart.store.flusher.flush()
    said = TraceScore(trace_id=shop.trace_id, name="helpful", value=1.0)
    record_scores(apart, [said]).result()

    def names() -> list[str | None]:
        found = [one.name for one in search.figures(apart, by="release")]
        scored = score_stats(apart, score="helpful", by="release")
        return found + [one.name for one in scored]

    assert names() == ["rel_new", "rel_new"]
    apart.store.upkeep.run()
    assert names() == ["rel_new", "rel_new"]


def test_where_nothing_was_ever_called_there_are_no_sums(scope: Scope) -> None:
    assert arm_sums(scope, "triage", BOTH, since=START) == []
    assert arm_figures(scope, "triage", BOTH, since=START) == []
