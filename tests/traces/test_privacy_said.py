"""What is said of traces is masked too: scores by every door, feedback and notes."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from lineside.core import Invalid, now
from lineside.traces import (
    Span,
    get_trace,
    give_feedback,
    list_feedback,
    logs,
    marks,
    new_span_id,
    privacy,
    receive,
    record_spans,
    scores,
)
from lineside.traces.imports import import_file
from lineside.trust import Scope
from traces.imported import Write
from traces.test_privacy import holds

TRACE = "0af7651916cd43dd8448eb211c80319c"
JANE = "jane.doe@example.com"
WHY = f"the answer names {JANE}"
MASKED = "the answer names [masked:email]"


def evaluation(**more: Any) -> dict[str, Any]:
    said = {"name": "tone", "score.label": "rude", "explanation": WHY}
    attributes = [
        {"key": f"gen_ai.evaluation.{key}", "value": {"stringValue": value}}
        for key, value in said.items()
    ]
    return {"attributes": attributes, "timeUnixNano": "1790000000000000000"} | more


def spans() -> dict[str, Any]:
    span = {
        "traceId": TRACE,
        "spanId": "b7ad6b7169203331",
        "name": "chat",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "events": [evaluation(name="gen_ai.evaluation.result")],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def records() -> dict[str, Any]:
    record = evaluation(eventName="gen_ai.evaluation.result", traceId=TRACE)
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def receive_json(scope: Scope, document: dict[str, Any], receiver: Any) -> None:
    receiver(
        scope,
        orjson.dumps(document),
        media_type=receive.JSON,
        encoding="",
        bytes_max=10**6,
        use_cases=(),
    ).durable.result()


def by_api(scope: Scope, write: Write) -> None:
    score = scores.TraceScore(name="tone", label="rude", explanation=WHY, trace_id=TRACE)
    scores.record_scores(scope, [score]).result()


def by_span(scope: Scope, write: Write) -> None:
    receive_json(scope, spans(), receive.receive_otlp)


def by_log(scope: Scope, write: Write) -> None:
    receive_json(scope, records(), logs.receive_logs)


def by_import(scope: Scope, write: Write) -> None:
    import_file(scope, write("spans.jsonl", [spans()]), format="otlp")


@pytest.mark.parametrize("door", [by_api, by_span, by_log, by_import])
def test_why_a_score_was_given_is_masked_by_whatever_door_it_comes(
    scope: Scope, write: Write, door: Any
) -> None:
    privacy.mask(scope, "email")
    door(scope, write)
    waiting = scores.list_scores(scope, trace_id=TRACE)
    scope.store.flusher.flush()

    [score] = scores.list_scores(scope, trace_id=TRACE)

    assert waiting == [score]
    assert (score.name, score.label, score.explanation) == ("tone", "rude", MASKED)
    assert holds(scope.store.home, JANE) == []


@pytest.mark.parametrize("door", [by_api, by_span, by_log])
def test_a_rule_names_the_explanation_as_opentelemetry_calls_it(
    scope: Scope, write: Write, door: Any
) -> None:
    privacy.mask(scope, "why", field="gen_ai.evaluation.explanation")
    door(scope, write)

    [score] = scores.list_scores(scope, trace_id=TRACE)

    assert score.explanation == "[masked:why]"


def test_what_people_say_of_an_answer_is_masked(scope: Scope, tmp_path: Path) -> None:
    span = Span(
        trace_id=TRACE,
        span_id=new_span_id(),
        name="triage",
        started_at=now(),
        duration_ms=5.0,
        session_id=f"of {JANE}",
    )
    privacy.mask(scope, "email")
    privacy.mask(scope, "secret", field="*password*")
    record_spans(scope, [span]).result()

    correction = {"to": JANE, "password": "hunter2-xyz", "count": 2}
    give_feedback(scope, TRACE, comment=f"Wrong, ask {JANE}", correction=correction)
    marks.note_on_trace(scope, TRACE, f"Told {JANE}")
    marks.link_trace(scope, TRACE, "https://tickets.example/1", title=f"Ticket of {JANE}")
    session = scores.TraceScore(name="solved", value=1.0, session_id=f"of {JANE}")
    scores.record_scores(scope, [session]).result()

    [said] = list_feedback(scope)
    assert said.comment == "Wrong, ask [masked:email]"
    assert said.correction == {"to": "[masked:email]", "password": "[masked:secret]", "count": 2}
    assert [mark.text for mark in marks.marks_on(scope, TRACE)] == [
        "Told [masked:email]",
        "Ticket of [masked:email]",
    ]
    [root] = get_trace(scope, TRACE)
    assert root.session_id is not None
    assert [one.name for one in scores.list_scores(scope, session_id=root.session_id)] == ["solved"]
    assert holds(scope.store.home, JANE, "hunter2-xyz") == []


def test_what_cannot_be_masked_is_not_kept(scope: Scope) -> None:
    privacy.mask(scope, "email")
    span = Span(
        trace_id=TRACE, span_id=new_span_id(), name="triage", started_at=now(), duration_ms=5.0
    )
    record_spans(scope, [span]).result()
    nested: Any = JANE
    for _ in range(80):
        nested = [nested]
    why = orjson.dumps(nested).decode()

    with pytest.raises(Invalid, match="nests deeper than 64"):
        give_feedback(scope, TRACE, correction={"deep": nested})
    with pytest.raises(Invalid, match="nests deeper than 64"):
        scores.record_scores(
            scope, [scores.TraceScore(name="x", value=1.0, trace_id=TRACE, explanation=why)]
        )
    assert list_feedback(scope) == []
