"""What is exported comes back by an import: traces, and what was said of them."""

import dataclasses
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lineside.traces import (
    Feedback,
    Message,
    Span,
    exports,
    give_feedback,
    imports,
    list_feedback,
    logs,
    marks,
    receive,
    record_spans,
    search,
)
from lineside.traces.marks import TraceMark
from lineside.traces.scores import TraceScore, list_scores, record_scores
from lineside.trust import Scope
from traces.imported import all_spans
from traces.test_imports import OTLP_SPAN, SPAN, TRACE, otlp

OURS = "ab" * 16
AT = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)

Take = Callable[[Scope, exports.ExportForm], list[imports.ImportReceipt]]


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


@pytest.fixture
def fresh(scope: Scope) -> Scope:
    """A workspace with nothing in it."""
    return dataclasses.replace(scope, workspace=uuid.uuid4().hex)


def text(role: str, words: str) -> Message:
    return Message(role=role, parts=[{"type": "text", "content": words}])


def own_steps() -> list[Span]:
    """An answer that lineside served, with all that it records of one."""
    common: dict[str, Any] = {
        "trace_id": OURS,
        "started_at": AT,
        "use_case": "refunds",
        "release": "rel_7",
        "arm": "canary",
        "session_id": "chat-4",
        "user_id": "ana",
    }
    app = Span(
        span_id="1" * 16,
        name="refunds",
        kind="app",
        duration_ms=812.345,
        input={"message": "My parcel"},
        output={"topic": "delivery"},
        attributes={"handed_off": True},
        **common,
    )
    model = Span(
        span_id="2" * 16,
        parent_span_id="1" * 16,
        name="chat",
        kind="model",
        status="error",
        error="timeout: too slow",
        duration_ms=700.1,
        provider="openai",
        model="gpt-4o-2024-08-06",
        model_asked="gpt-4o",
        messages_in=[text("system", "Sort it"), text("user", "My parcel")],
        messages_out=[text("assistant", "delivery")],
        tokens_in=40,
        tokens_out=8,
        tokens_cached_in=12,
        tokens_reasoning_out=2,
        first_chunk_ms=99.5,
        cost_usd=0.0012,
        cost_source="own prices of 2026-11-01",
        input="a prompt of ours",
        output="delivery",
        **common,
    )
    return [app, model]


def sent_step() -> dict[str, Any]:
    """A call of another program, scored by itself, whose cost a price table says."""
    result = {"gen_ai.evaluation.name": "polite", "gen_ai.evaluation.score.value": 0.25}
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": "Hi"}]),
    }
    event = {"name": "gen_ai.evaluation.result", "timeUnixNano": "1700000000500000000"}
    link = {"traceId": "1" * 32, "spanId": "2" * 16}
    more = {"events": [event | attributes(result)], "links": [link], "kind": 3}
    return OTLP_SPAN | more | attributes(said)


def attributes(said: dict[str, Any]) -> dict[str, Any]:
    def value(one: Any) -> dict[str, Any]:
        named = {str: "stringValue", int: "intValue", float: "doubleValue"}
        return {named[type(one)]: one}

    return {"attributes": [{"key": key, "value": value(one)} for key, one in said.items()]}


def fill(scope: Scope) -> None:
    """Traces of two kinds, with everything that can be said of one."""
    record_spans(scope, own_steps()).result()
    document = otlp(sent_step(), service="shop")
    document["resourceSpans"][0]["schemaUrl"] = "https://opentelemetry.io/schemas/1.37.0"
    how: dict[str, Any] = {"media_type": receive.JSON, "encoding": "", "bytes_max": 1_000_000}
    receive.receive_otlp(scope, json.dumps(document).encode(), use_cases=["shop"], **how)
    beside = attributes({"gen_ai.evaluation.name": "late", "gen_ai.evaluation.score.label": "no"})
    record = {"eventName": "gen_ai.evaluation.result", "timeUnixNano": "1700000003000000000"}
    record |= beside | {"traceId": TRACE, "spanId": SPAN}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    logs.receive_logs(scope, body, use_cases=[], **how)
    given = [
        TraceScore(
            name="grounded",
            value=0.8,
            source="judge",
            by="judge-1",
            trace_id=OURS,
            identifier="",
            metadata={"model": "judge", "tries": [1, 2]},
            at=AT,
        ),
        TraceScore(
            name="tone",
            label="rude",
            explanation="No greeting",
            source="person",
            by="ben",
            identifier="second rater",
            trace_id=OURS,
            span_id="2" * 16,
            at=AT,
        ),
        TraceScore(name="solved", value=1, by="crm", session_id="chat-4", at=AT),
    ]
    record_scores(scope, given).result()
    scope.store.flusher.flush()
    marks.tag_trace(scope, OURS, "wrong refund")
    marks.note_on_trace(scope, OURS, "Asked twice,\nsee the tool")
    marks.link_trace(scope, TRACE, "https://tickets.example/SHOP-17", title="SHOP-17")
    marks.link_trace(scope, TRACE, "https://tickets.example/SHOP-18")
    give_feedback(scope, OURS, thumb="down", correction={"topic": "refund"}, comment="No!")
    give_feedback(scope, TRACE, thumb="up")


def kept(scope: Scope) -> dict[str, Any]:
    """All that is there, without the ids that are another wherever a thing is kept."""

    def plain(found: "list[TraceMark] | list[Feedback]") -> list[dict[str, Any]]:
        return [one.model_dump(exclude={"id"}) for one in found]

    scope.store.flusher.flush()
    return {
        "steps": [span.model_dump() for span in all_spans(scope)],
        "list": search.list_traces(scope).model_dump(),
        "scores": [score.model_dump() for score in list_scores(scope)],
        "marks": [plain(marks.marks_on(scope, trace_id)) for trace_id in (OURS, TRACE)],
        "feedback": plain(list_feedback(scope)),
    }


def export_into(scope: Scope, form: exports.ExportForm, path: Path) -> exports.Export:
    written = exports.Export(scope, form=form)
    path.write_bytes(b"".join(written.lines(search.spans_of(scope, in_parts=True))))
    return written


@pytest.mark.parametrize("form", ["lineside", "otlp"])
def test_what_is_exported_comes_back_the_same_and_twice_changes_nothing(
    scope: Scope, fresh: Scope, tmp_path: Path, form: exports.ExportForm
) -> None:
    fill(scope)
    before = kept(scope)
    file = tmp_path / "all.jsonl"

    written = export_into(scope, form, file)
    receipt = imports.import_file(fresh, file)
    first = kept(fresh)
    imports.import_file(fresh, file)

    assert (written.traces, written.steps, written.scores) == (2, 3, 5)
    assert (written.marks, written.feedback) == (4, 2)
    assert (receipt.format, receipt.kept, receipt.refused, receipt.why) == (form, 3, 0, ())
    assert (receipt.scores, receipt.tags, receipt.notes, receipt.feedback) == (5, 1, 3, 2)
    assert before["steps"][2]["cost_usd"] is not None
    for name, said in before.items():
        assert first[name] == said, name
    assert kept(fresh) == first


def test_a_line_is_never_too_long_to_be_read_again(
    scope: Scope, fresh: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(scope)
    monkeypatch.setattr("lineside.traces.otlp_lines._LINE_BYTES_MAX", 100)

    export_into(scope, "otlp", tmp_path / "all.jsonl")

    lines = (tmp_path / "all.jsonl").read_bytes().splitlines()
    assert ["resourceSpans" in json.loads(line) for line in lines] == [True, True, True, False]
    assert imports.import_file(fresh, tmp_path / "all.jsonl").kept == 3


def test_a_line_that_is_no_record_is_named_and_costs_no_other(
    scope: Scope, fresh: Scope, tmp_path: Path
) -> None:
    fill(scope)
    export_into(scope, "lineside", tmp_path / "all.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_bytes().splitlines()]
    lines[0]["duration_ms"] = "long"
    link = next(one for one in lines if one.get("mark", {}).get("kind") == "link")
    link["mark"]["address"] = "javascript:alert(1)"
    (tmp_path / "all.jsonl").write_text("\n".join(json.dumps(line) for line in lines))

    receipt = imports.import_file(fresh, tmp_path / "all.jsonl")

    assert (receipt.kept, receipt.notes, receipt.refused) == (2, 2, 2)
    told = {one.example: one.reason for one in receipt.why}
    assert told["line 1"].startswith("it is no Span: duration_ms: Input should be a valid number")
    assert told[f"link `SHOP-17` ({TRACE})"] == "`javascript:alert(1)` is no address of a page"
