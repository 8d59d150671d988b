"""Scores that come before what they are about, whichever door they come through."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from lineside.core import Denied, Invalid, NotFound, Unavailable, now
from lineside.traces import annotations, marks, quality, receive, record_spans, scores
from lineside.traces.logs.receiving import receive_logs
from lineside.traces.rewriting.erase import erase
from lineside.traces.scores import TraceScore, waiting
from lineside.traces.scores.queries import SCORES
from lineside.trust import Scope
from traces.test_scores import OTHER, TRACE, root

STEP = TRACE[:16]
Give = Callable[[Scope], object]


def annotate(scope: Scope, **more: Any) -> list[str]:
    said: dict[str, Any] = {"span_id": STEP, "name": "tone", "result": {"score": 0.5}} | more
    return annotations.record_annotations(
        scope, "span", annotations.read_annotations({"data": [said]})
    )


def annotate_trace(scope: Scope) -> list[str]:
    said = {"trace_id": TRACE, "name": "tone", "result": {"score": 0.5}}
    return annotations.record_annotations(
        scope, "trace", annotations.read_annotations({"data": [said]})
    )


def score_step(scope: Scope) -> None:
    scores.record_scores(scope, [TraceScore(name="tone", value=0.5, span_id=STEP)]).result()


def score_trace(scope: Scope) -> None:
    scores.record_scores(scope, [TraceScore(name="tone", value=0.5, trace_id=TRACE)]).result()


def send_log(scope: Scope) -> None:
    record = {
        "eventName": "gen_ai.evaluation.result",
        "timeUnixNano": str(int(now().timestamp()) * 10**9),
        "traceId": TRACE,
        "spanId": STEP,
        "attributes": [
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "tone"}},
            {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}},
        ],
    }
    receive_logs(
        scope,
        orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}),
        media_type=receive.JSON,
        encoding="",
        bytes_max=10**6,
        use_cases=("triage", "refunds"),
    ).durable.result()


GIVEN: list[Give] = [annotate, annotate_trace, score_step, score_trace, send_log]


@pytest.fixture
def owner(apart: Scope) -> Scope:
    return apart


@pytest.mark.parametrize("moves_between", [True, False])
@pytest.mark.parametrize("give", GIVEN)
def test_a_score_that_is_quicker_than_its_step_waits_and_is_then_on_it(
    owner: Scope, give: Give, moves_between: bool
) -> None:
    give(owner)
    if moves_between:
        owner.store.flusher.flush()
    [lost] = quality.telemetry_quality(owner)
    listed = scores.list_waiting(owner)
    record_spans(owner, [root(TRACE)]).result()
    shown = scores.list_scores(owner, trace_id=TRACE)
    owner.store.flusher.flush()

    assert (lost.scores_waiting, lost.scores_stray) == (1, 0)
    assert [(one.name, scores.is_stray(one)) for one in listed] == [("tone", False)]
    assert [(one.value, one.trace_id, one.use_case) for one in shown] == [(0.5, TRACE, "triage")]
    assert scores.list_scores(owner) == shown
    assert scores.list_waiting(owner) == []
    assert [one.scores_waiting for one in quality.telemetry_quality(owner)] == [0]


def test_a_score_of_a_step_alone_is_on_it_once_however_often_both_come(owner: Scope) -> None:
    score = TraceScore(name="tone", value=0.5, span_id=STEP)
    for _ in range(2):
        scores.record_scores(owner, [score]).result()
        record_spans(owner, [root(TRACE)]).result()
        owner.store.flusher.flush()

    [kept] = scores.list_scores(owner)
    assert (kept.trace_id, kept.span_id, kept.session_id) == (TRACE, STEP, "s1")


def test_a_later_annotation_takes_the_place_of_one_that_waited(owner: Scope) -> None:
    first = annotate(owner, identifier="ada")
    record_spans(owner, [root(TRACE)]).result()
    owner.store.flusher.flush()
    second = annotate(owner, identifier="ada", result={"score": 1.0})

    assert first == second
    assert [one.value for one in scores.list_scores(owner)] == [1.0]


def test_words_alone_wait_as_a_score_that_is_labelled_a_note(owner: Scope) -> None:
    annotate(owner, name="why", result={"explanation": "No greeting"})
    record_spans(owner, [root(TRACE)]).result()
    annotate(owner, name="why", result={"explanation": "No farewell"})

    [waited] = scores.list_scores(owner)
    assert (waited.name, waited.label, waited.explanation) == ("why", "note", "No greeting")
    assert [one.text for one in marks.marks_on(owner, TRACE)] == ["why: No farewell"]


def test_an_id_that_two_traces_have_is_taken_for_neither(owner: Scope) -> None:
    annotate(owner)
    record_spans(owner, [root(TRACE), root(OTHER).model_copy(update={"span_id": STEP})]).result()
    owner.store.flusher.flush()

    assert scores.list_scores(owner) == []
    assert len(scores.list_waiting(owner)) == 1


def test_what_waits_for_more_than_a_day_is_a_stray(owner: Scope) -> None:
    old = now() - timedelta(days=2)
    scores.record_scores(owner, [TraceScore(name="tone", value=0.5, span_id=STEP, at=old)]).result()

    [found] = quality.telemetry_quality(owner)
    assert (found.scores_waiting, found.scores_stray) == (1, 1)
    assert [scores.is_stray(one) for one in scores.list_waiting(owner)] == [True]


def test_no_more_may_wait_than_there_is_room_for(
    owner: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_MAX", 2)
    for span_id in ("a1" * 8, "b2" * 8):
        annotate(owner, span_id=span_id)
    with pytest.raises(Unavailable, match="2 scores wait"):
        annotate(owner, span_id="c3" * 8)

    record_spans(owner, [root(TRACE).model_copy(update={"span_id": "a1" * 8})]).result()
    owner.store.flusher.flush()
    annotate(owner, span_id="c3" * 8)
    assert len(scores.list_waiting(owner)) == 2


def test_to_erase_a_session_erases_what_had_waited_for_its_steps(scope: Scope) -> None:
    annotate(scope)
    record_spans(scope, [root(TRACE)]).result()
    scope.store.flusher.flush()
    erase(scope, session="s1")

    with scope.store.lake.reading([SCORES]) as reading:
        rows = reading.rows("SELECT * FROM {scores} WHERE workspace = ?", [scope.workspace])
    assert rows == []


@pytest.mark.parametrize("given", [{"span_id": "no id"}, {"span_id": "0" * 16}])
def test_what_can_be_no_id_of_a_step_is_not_waited_for(owner: Scope, given: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="No step has the id"):
        annotate(owner, **given)
    with pytest.raises(Invalid, match="which can be none"):
        scores.record_scores(owner, [TraceScore(name="x", value=1.0, **given)])


def test_a_score_of_a_step_and_of_a_session_names_too_much(owner: Scope) -> None:
    both = TraceScore(name="x", value=1.0, span_id=STEP, session_id="s1")
    with pytest.raises(Invalid, match="names a step and something else"):
        scores.record_scores(owner, [both])


@pytest.mark.parametrize("comes_first", ["score", "step"])
@pytest.mark.parametrize("give", GIVEN)
def test_a_key_of_another_workspace_scores_and_sees_nothing_here(
    owner: Scope, give: Give, comes_first: str
) -> None:
    foreign = dataclasses.replace(owner, workspace=f"not-{owner.workspace}")
    acts: list[Callable[[], object]] = [
        lambda: give(foreign),
        lambda: record_spans(owner, [root(TRACE)]).result(),
    ]
    for act in acts if comes_first == "score" else reversed(acts):
        act()
        owner.store.flusher.flush()

    assert scores.list_scores(owner) == scores.list_waiting(owner) == []
    annotate(owner, name="secret")
    assert annotations.annotations_of_steps(foreign, [STEP]) == []
    assert "secret" not in {one.name for one in scores.list_scores(foreign, trace_id=TRACE)}
    assert [one.name for one in scores.list_waiting(foreign)] == ["tone"]


@pytest.mark.parametrize("comes_first", ["score", "step"])
@pytest.mark.parametrize("give", GIVEN)
def test_a_key_of_another_use_case_scores_and_sees_nothing_here(
    owner: Scope, give: Give, comes_first: str
) -> None:
    limited = dataclasses.replace(owner, use_cases=frozenset({"refunds"}))

    def try_it() -> None:
        try:
            give(limited)
        except (Denied, NotFound):
            # To name the trace tells nothing: a key that knows it may be told that it may not.
            assert comes_first == "step"

    acts: list[Callable[[], object]] = [
        try_it,
        lambda: record_spans(owner, [root(TRACE)]).result(),
    ]
    for act in acts if comes_first == "score" else reversed(acts):
        act()
        owner.store.flusher.flush()

    assert scores.list_scores(owner) == []
    assert scores.list_scores(owner, trace_id=TRACE) == []
    assert scores.list_scores(owner, use_case="triage") == []
    assert annotations.annotations_of_steps(owner, [STEP]) == []
    score_step(owner)
    assert annotations.annotations_of_steps(limited, [STEP]) == []
    assert {one.use_case for one in scores.list_waiting(owner)} <= {"refunds"}
    with pytest.raises(Denied):
        scores.list_waiting(limited, use_case="triage")


def test_who_is_limited_to_several_use_cases_cannot_leave_open_which_is_meant(
    owner: Scope,
) -> None:
    limited = dataclasses.replace(owner, use_cases=frozenset({"refunds", "triage"}))
    with pytest.raises(NotFound, match="No step has the id"):
        annotate(limited)
    with pytest.raises(Denied):
        score_step(limited)
    assert scores.list_waiting(owner) == []
