"""`lineside traces`, over a few traces of other programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run
from lineside.cli import trace_tail
from lineside.core import Settings, now
from lineside.store import open_store
from lineside.traces import Message, Span, open_traces, receive, record_spans
from lineside.trust import local_scope

FINE, FAILED = "a1" * 16, "b2" * 16


def said(role: str, text: str) -> list[Message]:
    return [Message(role=role, parts=[{"type": "text", "content": text}])]


def trace(trace_id: str, question: str, **model: Any) -> list[Span]:
    common: dict[str, Any] = {"trace_id": trace_id, "started_at": now(), "service": "shop"}
    root = Span(
        **common,
        span_id=trace_id[:16],
        name="answer",
        kind="agent",
        duration_ms=1200.0,
        input={"question": question},
    )
    usual: dict[str, Any] = {
        "span_id": trace_id[1:17],
        "parent_span_id": root.span_id,
        "name": "chat",
        "kind": "model",
        "model": "house-model",
        "duration_ms": 1100.0,
        "tokens_in": 40,
        "tokens_out": 8,
        "messages_in": said("user", question),
        "messages_out": said("assistant", "It is on its way"),
    }
    return [root, Span(**(common | usual | model))]


@pytest.fixture
def kept(place: Path) -> None:
    """Two traces: one of them failed in its model."""
    store = open_store(Settings(home=place / "home"))
    open_traces(store)
    scope = local_scope(store)
    fine = trace(FINE, "Where is my parcel?", cost_usd=0.02, first_chunk_ms=312.0)
    record_spans(scope, fine).result()
    broken = {"status": "error", "error": "timeout: no answer", "messages_out": None}
    record_spans(scope, trace(FAILED, "I want a refund", **broken)).result()
    store.close()


pytestmark = pytest.mark.usefixtures("kept")


def test_the_list_shows_each_trace_in_a_line(lineside: Run) -> None:
    shown = lineside("traces", "ls")

    assert shown.code == 0
    assert "a1a1a1a1a1a1" in shown.out
    assert "unclaimed" in shown.out
    assert "$0.0200" in shown.out
    assert "unknown" in shown.out, "a cost that is not known is not shown as free"
    found = lineside("traces", "ls", "-q", "errors > 0", "--json").data["traces"]
    assert [row["trace_id"] for row in found] == [FAILED]


def test_pages_of_the_list_go_on_where_the_last_one_ended(lineside: Run) -> None:
    first = lineside("traces", "ls", "--limit", "1", "--json").data
    second = lineside("traces", "ls", "--limit", "1", "--before", first["older"], "--json").data

    assert {first["traces"][0]["trace_id"], second["traces"][0]["trace_id"]} == {FINE, FAILED}
    assert second["older"] is None


def test_words_are_found_whatever_their_case(lineside: Run) -> None:
    found = lineside("traces", "search", "A REFUND", "--json").data["traces"]

    assert [row["trace_id"] for row in found] == [FAILED]
    nothing = lineside("traces", "search", "submarine")
    assert (nothing.out, nothing.err) == ("", "No trace meets this\n")


def test_a_trace_shows_as_a_tree_and_a_step_as_a_conversation(lineside: Run) -> None:
    tree = lineside("traces", "show", FAILED[:6])
    step = lineside("traces", "show", FINE, "--step", "2")

    assert "answer *" in tree.out
    assert "  chat *" in tree.out
    assert "timeout: no answer" in tree.out
    assert "user:\nWhere is my parcel?" in step.out
    assert "assistant:\nIt is on its way" in step.out
    assert lineside("traces", "show", FINE, "--step", "9").code == 2
    assert "No trace has an id that begins with `ff`" in lineside("traces", "show", "ff").err
    assert "No trace has the id" in lineside("traces", "show", "f" * 32).err


def test_figures_say_what_they_cover(lineside: Run) -> None:
    shown = lineside("traces", "stats", "--by", "model")

    assert "house-model" in shown.out
    said = "Time to first token of house-model: 312 ms p50, reported by 50% of its steps"
    assert said in shown.out
    assert "50.0%" in shown.out, "one of two failed"
    (found,) = lineside("traces", "stats", "--json").data
    assert (found["name"], found["count"], found["cost_known"]) == (None, 2, 0.5)


def test_steps_are_exported_one_a_line(lineside: Run, place: Path) -> None:
    shown = lineside("traces", "export", "-", "-q", "errors > 0")
    whole = lineside("traces", "export", "all.jsonl", "--otlp", "--json")

    steps = [json.loads(line) for line in shown.out.splitlines()]
    assert {step["trace_id"] for step in steps} == {FAILED}
    assert shown.err == "1 traces, 2 steps\n"
    said = {"scores": 0, "marks": 0, "feedback": 0}
    assert whole.data == {"traces": 2, "steps": 4, "file": "all.jsonl"} | said
    lines = (place / "all.jsonl").read_text().splitlines()
    assert ["resourceSpans" in json.loads(line) for line in lines] == [True, True]


def test_a_case_is_made_of_the_model_s_call_where_the_first_step_says_nothing(
    lineside: Run, place: Path
) -> None:
    root, model = trace("c3" * 16, "Where is my parcel?")
    store = open_store(Settings(home=place / "home"))
    open_traces(store)
    record_spans(local_scope(store), [root.model_copy(update={"input": None}), model]).result()
    store.close()

    case = json.loads(lineside("traces", "show", "c3c3", "--as", "case").out)
    first = lineside("traces", "show", "c3c3", "--as", "case", "--step", "1")
    told = json.loads(lineside("traces", "show", FINE, "--as", "case").out)

    assert case["input"] == {"input": "Where is my parcel?"}
    assert case["expected"] == {"output": "It is on its way"}
    assert "has no recorded input" in first.err
    assert told["input"] == {"question": "Where is my parcel?"}, "a first step speaks for itself"


def test_what_comes_is_followed_until_it_is_stopped(
    lineside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter([None, None])

    def wait(_seconds: float) -> None:
        if next(turns, "stop") == "stop":
            raise KeyboardInterrupt

    monkeypatch.setattr(trace_tail.time, "sleep", wait)

    shown = lineside("traces", "tail", "--json")

    assert shown.code == 130
    assert [json.loads(line)["trace_id"] for line in shown.out.splitlines()] == [FINE, FAILED]


def test_following_ends_after_so_many_seconds_and_shows_each_trace_once(
    lineside: Run, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    came = "c3" * 16

    def wait(_seconds: float) -> None:
        store = open_store(Settings(home=place / "home"))
        open_traces(store)
        record_spans(local_scope(store), trace(came, "And my tea?")).result()
        store.close()

    monkeypatch.setattr(trace_tail.time, "sleep", wait)

    shown = lineside("traces", "tail", "text ~ tea", "--json", "--seconds", "0.5")

    assert shown.code == 0
    assert [json.loads(line)["trace_id"] for line in shown.out.splitlines()] == [came]


def test_a_view_is_asked_by_its_name_and_narrowed_beside(lineside: Run) -> None:
    saved = lineside("traces", "views", "save", "Failed", "-q", "errors > 0", "--shared")
    listed = lineside("traces", "views")
    found = lineside("traces", "ls", "--view", "Failed", "--json").data["traces"]
    none = lineside("traces", "ls", "--view", "Failed", "-q", "service = desk", "--json").data
    wrong = lineside("traces", "ls", "--view", "Faild")
    gone = lineside("traces", "views", "rm", "Failed", "--json").data

    assert saved.code == 0
    assert "everybody" in listed.out
    assert "errors > 0" in listed.out
    assert [row["trace_id"] for row in found] == [FAILED]
    assert none["traces"] == []
    assert "Did you mean `Failed`?" in wrong.err
    assert gone["name"] == "Failed"
    assert lineside("traces", "views", "--json").data == []


def test_figures_are_split_by_what_traces_have(lineside: Run) -> None:
    by_user = lineside("traces", "stats", "--by", "service", "--json").data
    wrong = lineside("traces", "stats", "--by", "modle")

    assert [one["name"] for one in by_user] == ["shop"]
    assert wrong.code == 2
    assert "Did you mean `model`?" in wrong.err


def test_a_query_that_cannot_be_read_is_explained(lineside: Run) -> None:
    wrong = lineside("traces", "ls", "-q", "modl = house-model")

    assert wrong.code == 2
    assert "Read `modl` at character 1, expected a field" in wrong.err
    assert "hint: Did you mean `model`?" in wrong.err


def test_a_trace_is_scored_by_hand_and_its_scores_are_listed(lineside: Run) -> None:
    lineside("traces", "score", FINE[:8], "--name", "tone", "--value", "0.75", "--why", "Kind")

    listed = lineside("traces", "scores", "--trace", FINE[:8], "--json").data
    table = lineside("traces", "scores", "--by", "service").out
    shown = lineside("traces", "show", FINE[:8]).out

    assert [(one["name"], one["value"], one["source"]) for one in listed] == [
        ("tone", 0.75, "person")
    ]
    assert "Score tone: 0.75, by " in shown
    assert "tone" in table
    assert "shop" in table


def test_scores_and_tags_are_asked_for_and_counted(lineside: Run) -> None:
    lineside("traces", "score", FINE, "--name", "tone", "--label", "kind")
    lineside("traces", "score", FAILED, "--name", "tone", "--label", "rude", "--value", "0.25")
    lineside("traces", "tag", FAILED, "vip")

    line = "score.tone = rude and tag = vip and score.tone < 0.5"
    found = lineside("traces", "ls", "-q", line, "--json").data["traces"]
    (one,) = lineside("traces", "stats", "--score", "tone", "--by", "service", "--json").data
    shown = lineside("traces", "stats", "--score", "tone", "-q", "status = ok")
    wrong = lineside("traces", "ls", "-q", "score.tone > rude")

    assert [row["trace_id"] for row in found] == [FAILED]
    assert (one["name"], one["traces"], one["scored"], one["mean"]) == ("shop", 2, 2, 0.25)
    assert one["labels"] == {"kind": 1, "rude": 1}
    assert "100.0%" in shown.out
    assert "hint: Ask for a label with `=` or `!=`." in wrong.err


def test_what_was_refused_is_told_by_reason(lineside: Run, place: Path) -> None:
    store = open_store(Settings(home=place / "home"))
    open_traces(store)
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"1","spanId":"2"}]}]}]}'
    receive.receive_otlp(
        local_scope(store),
        body,
        media_type=receive.JSON,
        encoding="",
        bytes_max=1000,
        use_cases=(),
    ).durable.result()
    store.close()

    shown = lineside("traces", "quality", "--refused")
    known = json.loads(lineside("traces", "quality", "--refused", "--json").out)

    assert "trace_id is neither hexadecimal nor base64" in shown.out
    assert (known[0]["count"], known[0]["unit"], known[0]["status"]) == (1, "spans", 200)
    assert "--refused" in lineside("traces", "quality").err
