"""What people, judges and code said of exported traces comes along as scores and tags."""

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lineside.core import now
from lineside.store import Store
from lineside.traces import imports, marks, search
from lineside.traces.rewriting.erase import erase
from lineside.traces.scores import TraceScore, list_scores
from lineside.traces.scores.waiting import list_waiting
from lineside.traces.search.scored import score_stats
from lineside.trust import Scope, local_scope
from traces.imported import Write
from traces.test_imports import (
    PHOENIX,
    SPAN,
    TRACE,
    mlflow_2,
    mlflow_3,
    observation,
)
from traces.test_imports_inspect import inspect_log

GIVEN = "2025-06-11T15:00:00.123Z"


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def langfuse_score(**fields: Any) -> dict[str, Any]:
    usual = {"id": "s1", "traceId": TRACE, "timestamp": GIVEN, "dataType": "NUMERIC"}
    return usual | {"source": "API", "comment": None, "stringValue": None} | fields


def langfuse_trace(*scores: dict[str, Any], tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": TRACE,
        "name": "chat turn",
        "timestamp": "2025-06-11T14:01:32Z",
        "tags": list(tags),
        "scores": list(scores),
        "observations": [observation()],
    }


def by_name(scope: Scope, **wanted: Any) -> dict[str, TraceScore]:
    return {score.name: score for score in list_scores(scope, **wanted)}


def tags_on(scope: Scope, trace_id: str) -> list[str]:
    return [mark.text for mark in marks.marks_on(scope, trace_id)]


def test_scores_and_tags_of_langfuse_come_along_and_twice_changes_nothing(
    scope: Scope, write: Write
) -> None:
    trace = langfuse_trace(
        langfuse_score(name="helpful", value=0.5, source="EVAL", comment="Too long"),
        langfuse_score(
            name="thumb",
            value=1,
            dataType="BOOLEAN",
            stringValue="True",
            source="ANNOTATION",
            authorUserId="ana",
            observationId=SPAN,
        ),
        langfuse_score(name="tone", value=0, dataType="CATEGORICAL", stringValue="rude"),
        langfuse_score(name="remark", value=0, dataType="TEXT", stringValue="Say it shorter"),
        langfuse_score(name="failed", value=None),
        tags=("Beta Users", "größer"),
    )
    path = write("traces.json", [trace])

    first, second = imports.import_file(scope, path), imports.import_file(scope, path)

    scores = by_name(scope)
    assert len(list_scores(scope)) == 4
    helpful, thumb, tone, remark = (scores[one] for one in ("helpful", "thumb", "tone", "remark"))
    assert (helpful.value, helpful.explanation, helpful.source) == (0.5, "Too long", "judge")
    assert (helpful.trace_id, helpful.span_id, helpful.by) == (TRACE, None, "langfuse")
    assert helpful.at.isoformat() == "2025-06-11T15:00:00.123000+00:00"
    assert (thumb.value, thumb.label, thumb.source, thumb.by) == (1.0, "true", "person", "ana")
    assert thumb.span_id == SPAN
    assert (tone.value, tone.label, tone.source) == (None, "rude", "api")
    assert (remark.label, remark.explanation) == ("text", "Say it shorter")
    assert tags_on(scope, TRACE) == ["beta users"]
    assert (first.scores, first.tags) == (second.scores, second.tags) == (4, 1)
    assert {(one.reason, one.example) for one in first.why} == {
        ("the score has no number and no label", "score `failed`"),
        ("it cannot be a tag", f"tag `größer` ({TRACE})"),
    }


def test_scores_that_langfuse_writes_into_a_file_of_their_own_find_their_traces(
    scope: Scope, write: Write
) -> None:
    row = {
        "id": "s1",
        "timestamp": "2025-06-11 15:00:00.123000",
        "project_id": "p",
        "trace_id": TRACE,
        "session_id": None,
        "observation_id": None,
        "dataset_run_id": None,
        "name": "helpful",
        "value": 1.0,
        "source": "EVAL",
        "data_type": "NUMERIC",
    }
    of_session = row | {"trace_id": None, "session_id": "chat 7", "name": "solved"}
    of_run = row | {"trace_id": None, "dataset_run_id": "run", "name": "recall"}

    scores = write("scores.jsonl", [row, of_session, of_run])
    trace = langfuse_trace() | {"sessionId": "chat 8"}
    receipt = imports.import_file(scope, scores)
    imports.import_file(scope, write("traces.json", [trace]), use_case="triage")
    imports.import_file(scope, scores)

    assert (receipt.format, receipt.kept, receipt.scores, receipt.refused) == ("langfuse", 0, 2, 1)
    assert receipt.why[0].reason == "the score is of a dataset run, not of a trace"
    assert [one.name for one in list_scores(scope, use_case="triage")] == ["helpful"]
    assert [one.name for one in list_scores(scope, session_id="chat 8")] == ["helpful"]
    assert [one.name for one in list_scores(scope, session_id="chat 7")] == ["solved"]


def test_two_who_scored_alike_in_one_moment_are_two(scope: Scope, write: Write) -> None:
    both = [
        langfuse_score(name="fair", value=value, source="ANNOTATION", authorUserId=who)
        for who, value in (("ana", 1), ("ben", 0))
    ]
    path = write("traces.json", [langfuse_trace(*both)])

    for _ in range(2):
        imports.import_file(scope, path)

    assert {one.by: one.value for one in list_scores(scope)} == {"ana": 1.0, "ben": 0.0}
    [figures] = score_stats(scope, score="fair", by="name")
    assert (figures.scored, figures.mean) == (1, 0.5)


@pytest.mark.parametrize("make", [mlflow_2, mlflow_3])
def test_feedback_of_mlflow_is_a_score_and_an_expectation_is_none(
    scope: Scope, write: Write, make: Any
) -> None:
    judge = {"source_type": "LLM_JUDGE", "source_id": "gpt-4o"}
    trace = make()
    trace["info"]["tags"] = {"team": "refunds", "beta": "true", "mlflow.user": "ana"}
    trace["info"]["assessments"] = [
        {
            "assessment_name": "relevant",
            "source": judge,
            "create_time": GIVEN,
            "feedback": {"value": "yes"},
            "rationale": "It answers",
            "span_id": f"0x{SPAN}",
        },
        {
            "name": "stars",
            "source": {"source_type": "HUMAN", "source_id": "ana"},
            "create_time_ms": 1_749_654_000_123,
            "feedback": {"value": 4},
        },
        {"name": "length", "source": {"source_type": "CODE"}, "feedback": {"value": False}},
        {"name": "stars", "feedback": {"value": 1}, "valid": False},
        {"name": "answer", "source": judge, "expectation": {"value": "42"}},
        {"name": "toxic", "source": judge, "feedback": {"error": {"error_code": "TIMEOUT"}}},
    ]

    receipt = imports.import_file(scope, write("traces.jsonl", [trace]))

    scores = by_name(scope, trace_id=TRACE)
    assert scores.keys() == {"relevant", "stars", "length"}
    relevant, stars, length = scores["relevant"], scores["stars"], scores["length"]
    assert (relevant.value, relevant.label, relevant.source) == (1.0, "yes", "judge")
    assert (relevant.by, relevant.explanation, relevant.span_id) == ("gpt-4o", "It answers", SPAN)
    assert (stars.value, stars.by, stars.at) == (4.0, "ana", relevant.at)
    assert (length.value, length.source, length.at.timestamp()) == (0.0, "code", 1_700_000_000.5)
    assert tags_on(scope, TRACE) == ["beta", "team:refunds"]
    assert (receipt.scores, receipt.tags, receipt.refused) == (3, 2, 1)


ANNOTATION = {
    "id": "U3Bhbg==",
    "created_at": "2025-06-11T14:00:00Z",
    "updated_at": GIVEN,
    "name": "correct",
    "annotator_kind": "HUMAN",
    "identifier": "ana",
    "result": {"label": "right", "score": 1.0, "explanation": "As it says"},
    "span_id": SPAN,
}


def as_rest(folder: Path) -> Path:
    path = folder / "annotations.json"
    note = ANNOTATION | {"name": "note", "result": {"explanation": "Look again"}}
    strange = ANNOTATION | {"span_id": "f" * 16}
    path.write_text(json.dumps({"data": [ANNOTATION, note, strange], "next_cursor": None}))
    return path


def as_dataframe(folder: Path) -> Path:
    source, path = folder / "rows.json", folder / "annotations.parquet"
    row = {key: value for key, value in ANNOTATION.items() if key not in ("result", "name")}
    row |= {f"result.{key}": value for key, value in ANNOTATION["result"].items()}  # type: ignore[attr-defined]
    note = {f"result.{key}": None for key in ("label", "score")}
    rows = [
        row | {"annotation_name": "correct"},
        row | note | {"annotation_name": "note", "result.explanation": "Look again"},
        row | {"annotation_name": "correct", "span_id": "f" * 16},
    ]
    source.write_text(json.dumps(rows))
    with duckdb.connect() as connection:
        connection.sql("SELECT * FROM read_json(?)", params=[str(source)]).write_parquet(str(path))
    return path


@pytest.mark.parametrize("make", [as_rest, as_dataframe])
def test_annotations_of_phoenix_find_the_trace_of_their_span(
    scope: Scope, write: Write, tmp_path: Path, make: Any
) -> None:
    imports.import_file(scope, write("spans.jsonl", [PHOENIX]))

    receipt = imports.import_file(scope, make(tmp_path))

    scores = by_name(scope, trace_id=TRACE)
    correct, note = scores["correct"], scores["note"]
    assert (correct.value, correct.label, correct.explanation) == (1.0, "right", "As it says")
    assert (correct.source, correct.by, correct.span_id) == ("person", "ana", SPAN)
    assert correct.at.isoformat() == "2025-06-11T15:00:00.123000+00:00"
    assert (note.label, note.explanation) == ("note", "Look again")
    assert (receipt.format, receipt.scores, receipt.refused) == ("phoenix", 2, 1)
    assert receipt.why[0].reason == (
        "the step it is of is not here, and it was given more than 31 days ago; "
        "import the spans first"
    )


def test_annotations_of_late_wait_for_spans_that_are_imported_after_them(
    scope: Scope, write: Write
) -> None:
    moment = (now() - timedelta(days=30)).isoformat()
    late = ANNOTATION | {"created_at": moment, "updated_at": moment}
    file = write("annotations.json", {"data": [late]})

    receipts = [imports.import_file(scope, file) for _ in range(2)]
    waiting = list_waiting(scope)
    imports.import_file(scope, write("spans.jsonl", [PHOENIX]))
    scope.store.flusher.flush()

    assert [(one.scores, one.waiting, one.refused) for one in receipts] == [(1, 1, 0)] * 2
    assert {(one.name, one.span_id) for one in waiting} == {("correct", SPAN)}
    correct = by_name(scope, trace_id=TRACE)["correct"]
    assert (correct.value, correct.by, correct.span_id) == (1.0, "ana", SPAN)
    assert list_waiting(scope) == []


def test_evaluations_in_columns_of_phoenix_spans_are_scores(
    scope: Scope, write: Write, tmp_path: Path
) -> None:
    row = PHOENIX | {
        "eval.Hallucination.score": 0.0,
        "eval.Hallucination.label": "factual",
        "eval.Hallucination.explanation": "All is there",
        "eval.Unasked.score": None,
        "attributes.tag.tags": ["beta"],
        "annotations": [ANNOTATION],
    }
    cells = {key: value for key, value in row.items() if key != "annotations"}
    table = ["\t".join(cells), "\t".join("" if one is None else str(one) for one in cells.values())]

    receipt = imports.import_file(scope, write("spans.jsonl", [row]))
    csv = write("spans.csv", "\n".join(table).replace("\t", ","))
    assert imports.detect_format(csv) == "phoenix"

    scores = by_name(scope, trace_id=TRACE)
    judged = scores["Hallucination"]
    assert scores.keys() == {"Hallucination", "correct"}
    assert (judged.value, judged.label, judged.span_id) == (0.0, "factual", SPAN)
    assert (judged.source, judged.at.isoformat()) == ("judge", "2024-08-07T23:32:28.104000+00:00")
    assert (receipt.scores, tags_on(scope, TRACE)) == (2, ["beta"])


def test_scores_of_inspect_are_numbers_and_a_person_s_word_counts_last(
    scope: Scope, write: Write
) -> None:
    log = inspect_log()
    log["eval"]["tags"] = ["Nightly"]
    edit = {"provenance": {"author": "ana", "reason": "It is", "timestamp": GIVEN}}
    log["samples"][0]["scores"] = {
        "match": {"value": "P", "answer": "soon", "explanation": "Partly"},
        "model_graded_qa": {"value": "I", "metadata": {"grading": []}},
        "checks": {"value": {"style": 1, "length": 0.25}},
        "fixed": {"value": "C", "history": [{"value": "I"}, edit]},
        "unscored": {"value": float("nan")},
    }

    receipt = imports.import_file(scope, write("log.json", json.dumps(log)))

    scores = by_name(scope)
    match, graded, fixed = (scores[one] for one in ("match", "model_graded_qa", "fixed"))
    assert (match.value, match.label, match.explanation) == (0.5, "P", "Partly")
    assert (match.source, match.at.isoformat()) == ("code", "2025-05-13T00:27:05+00:00")
    assert (graded.value, graded.source) == (0.0, "judge")
    assert (scores["checks.style"].value, scores["checks.length"].value) == (1.0, 0.25)
    assert (fixed.value, fixed.source, fixed.by) == (1.0, "person", "ana")
    assert fixed.explanation == "It is"
    assert (receipt.scores, receipt.tags, receipt.refused) == (5, 1, 1)
    assert match.trace_id is not None
    assert tags_on(scope, match.trace_id) == ["nightly"]


def test_what_was_said_is_found_by_the_query_line_and_goes_when_the_trace_is_erased(
    installation: Store, write: Write
) -> None:
    scope = local_scope(installation)
    score = langfuse_score(name="helpful", value=0.5, comment="Ana Lee asked")
    imports.import_file(scope, write("traces.json", [langfuse_trace(score, tags=("beta",))]))
    asked = search.parse_query("score.helpful < 0.6 and tag = beta")

    assert [row.trace_id for row in search.list_traces(scope, asked).traces] == [TRACE]

    erase(scope, trace=TRACE)

    assert list_scores(scope) == []
    assert marks.list_marks(scope) == []


def test_who_may_not_give_feedback_imports_steps_alone(scope: Scope, write: Write) -> None:
    limited = dataclasses.replace(scope, rights=frozenset({"ingest", "read"}))
    trace = langfuse_trace(langfuse_score(name="helpful", value=1), tags=("beta",))

    receipt = imports.import_file(limited, write("traces.json", [trace]))

    assert (receipt.kept, receipt.scores, receipt.tags, receipt.refused) == (1, 0, 0, 2)
    assert all("feedback" in one.reason for one in receipt.why)
    assert list_scores(scope) == []


def test_many_scores_are_kept_some_thousands_at_a_time(
    scope: Scope, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.traces.opinions.WAITING_MAX", 3)
    monkeypatch.setattr("lineside.traces.opinions.SCORES_MAX", 2)
    monkeypatch.setattr("lineside.store.inbox.READ_ROWS_MAX", 1)
    rows = [
        langfuse_trace(langfuse_score(name="n", value=number, traceId=id_), tags=("x",))
        | {"id": id_, "observations": []}
        for number, id_ in enumerate(f"{number + 1:032x}" for number in range(10))
    ]

    receipt = imports.import_file(scope, write("traces.jsonl", rows))

    assert (receipt.kept, receipt.scores, receipt.tags, receipt.refused) == (10, 10, 10, 0)
    assert sorted(one.value or 0 for one in list_scores(scope)) == list(range(10))
    assert len(marks.list_marks(scope, tag="x")) == 10


def test_scores_on_spans_of_otlp_are_counted_too(scope: Scope, write: Write) -> None:
    pairs = [
        {"key": "gen_ai.evaluation.name", "value": {"stringValue": "tone"}},
        {"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "rude"}},
    ]
    event = {"name": "gen_ai.evaluation.result", "timeUnixNano": "17", "attributes": pairs}
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "events": [event],
    }
    message = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}

    assert imports.import_file(scope, write("a.json", message)).scores == 1
    assert by_name(scope)["tone"].label == "rude"
