"""Answers that were given before are guarded like any, also those to a question that is like it."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.models.conftest import FakeUpstream
from lineside.core import Settings
from lineside.server import build

FIRST = "Where can I find the address that my parcel for {} is delivered to?"
SECOND = "Where do I find the address that my parcel for {} is delivered to?"


@pytest.fixture
def home(made_home: Path) -> Path:
    route = {"targets": ["play/any"], "cache_s": 60, "semantic_cache": True}
    settings = {"scripted": {"play": {"file": "play.jsonl"}}, "routes": {"alike": route}}
    (made_home / "gateway.yaml").write_text(json.dumps(settings))
    said = {"text": "At 12 Canal Street, [EMAIL_1]."}
    (made_home / "play.jsonl").write_text(json.dumps({"when": {"default": True}, "output": said}))
    return made_home


@pytest.fixture
def client(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lineside.apps.guards_file._LOOK_SECONDS", 0)
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def ask(client: TestClient, words: str, *, is_streamed: bool = False):
    body = {"model": "alike", "stream": is_streamed}
    body["messages"] = [{"role": "user", "content": words}]
    return client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_guard_that_came_later_holds_back_what_was_kept_before(
    client: TestClient, home: Path, is_streamed: bool
) -> None:
    assert ask(client, FIRST.format("her")).headers["x-lineside-cache"] == "miss"
    before = ask(client, SECOND.format("her"), is_streamed=is_streamed)
    assert before.headers["x-lineside-cache"] == "semantic"
    assert "Canal" in before.text

    (home / "guards.yaml").write_text("output: [{banned_phrases: [Canal Street]}]")
    for words in (FIRST, SECOND):
        held = ask(client, words.format("her"), is_streamed=is_streamed)
        assert "banned_phrases" in held.text
        assert "Canal" not in held.text

    (home / "guards.yaml").write_text("input: [{banned_phrases: [parcel]}]")
    assert ask(client, SECOND.format("her"), is_streamed=is_streamed).status_code == 403


LAST = {
    "chat": [
        {"choices": [{"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}]},
        {"choices": [], "sources": ["guaranteed returns"]},
    ],
    "responses": [
        {"type": "response.created", "response": {"id": "resp_1", "output": []}},
        {
            "type": "response.completed",
            "response": {"status": "completed", "metadata": {"note": "guaranteed returns"}},
        },
    ],
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("wire", list(LAST))
def test_what_a_guard_holds_back_at_the_very_end_is_not_kept(
    doors: TestClient, upstream: FakeUpstream, doors_home: Path, wire: str, is_streamed: bool
) -> None:
    before = upstream.by_provider[wire]
    pieces = [f"data: {json.dumps(event)}\n\n".encode() for event in LAST[wire]]
    pieces += [b"data: [DONE]\n\n"] if wire == "chat" else []
    upstream.by_provider[wire] = (200, "text/event-stream", pieces, {})
    (doors_home / "guards.yaml").write_text("output: [{banned_phrases: [guaranteed returns]}]")
    words = f"Which funds are good? {is_streamed}"
    turns = [{"role": "user", "content": words}]
    path, name = {
        "chat": ("/v1/chat/completions", "messages"),
        "responses": ("/v1/responses", "input"),
    }[wire]
    body = {"model": f"{wire}/m", "stream": is_streamed, name: turns}
    asked = upstream.asked_of(wire)
    for _ in range(2):
        held = doors.post(path, json=body, headers={"x-lineside-cache": "60"})
        assert "`banned_phrases` held back the answer" in held.text
        assert "guaranteed returns" not in held.text
    upstream.by_provider[wire] = before

    assert upstream.asked_of(wire) == asked + 2


@pytest.mark.parametrize("is_streamed", [False, True])
def test_whoever_shares_an_answer_sees_his_own_name_in_it(
    client: TestClient, home: Path, is_streamed: bool
) -> None:
    (home / "guards.yaml").write_text("input: [mask_pii]\n")
    ask(client, FIRST.format("ann@example.com"))
    answer = ask(client, SECOND.format("bob@example.com"), is_streamed=is_streamed)

    assert answer.headers["x-lineside-cache"] == "semantic"
    assert "bob@example.com" in answer.text
    assert "ann@example.com" not in answer.text
    assert b"ann@example.com" not in b"".join(
        file.read_bytes() for file in home.glob("records.sqlite*")
    )
