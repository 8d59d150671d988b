"""Plain models by the model doors: guarded on the one form, streamed or not."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.apps.answer_words import AnswerWords
from lineside.core import Invalid, Settings
from lineside.guardrails import build as building
from lineside.server import build

SAID = "Sure, [EMAIL_1]! Our offer has guaranteed  returns, says eve@example.com."


@pytest.fixture
def home(made_home: Path) -> Path:
    (made_home / "gateway.yaml").write_text("scripted: {play: {file: play.jsonl}}")
    lines = [
        {"when": {"contains": {"message": "offer"}}, "output": {"text": SAID}},
        {"when": {"contains": {"message": "EMAIL_1"}}, "output": {"text": "Hello [EMAIL_1]."}},
        {"when": {"default": True}, "output": {"text": "It was seen: ann@example.com."}},
    ]
    (made_home / "play.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (made_home / "guards.yaml").write_text(
        "input: [mask_pii]\noutput:\n  - banned_phrases: [guaranteed returns]\n"
    )
    return made_home


@pytest.fixture
def client(home: Path):
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def ask(client: TestClient, words: str, *, is_streamed: bool, wire: str = "chat"):
    body = {"model": "play/any", "stream": is_streamed, "max_tokens": 99}
    body["messages"] = [{"role": "user", "content": words}]
    path = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}[wire]
    return client.post(path, json=body)


@pytest.mark.parametrize("wire", ["chat", "messages"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_model_sees_a_mark_and_the_caller_sees_himself(
    client: TestClient, wire: str, is_streamed: bool
) -> None:
    answer = ask(client, "I am ann@example.com", is_streamed=is_streamed, wire=wire)

    assert answer.status_code == 200
    assert "Hello ann@example.com." in _words(answer.text, is_streamed=is_streamed)
    assert answer.headers["x-lineside-guards"].startswith("mask_pii=transform")
    trace_id = answer.headers["x-lineside-trace-id"]
    trace = client.get(f"/api/traces/{trace_id}").text
    assert "[EMAIL_1]" in trace
    assert '"held_characters_max"' in trace
    assert "ann@example.com" not in trace


@pytest.mark.parametrize("wire", ["chat", "messages"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_is_banned_leaves_by_no_door(client: TestClient, wire: str, is_streamed: bool) -> None:
    answer = ask(client, "your offer please", is_streamed=is_streamed, wire=wire)

    assert "banned_phrases" in answer.text
    assert "returns, says" not in answer.text
    assert answer.status_code == (200 if is_streamed and "data:" in answer.text else 403)


def test_every_door_is_proven_and_health_says_so(client: TestClient, home: Path) -> None:
    (home / "guards.yaml").unlink()
    found = client.post("/api/guards/probe").json()

    assert (found["state"], found["proven"]) == ("enforced", 1.0), found["results"]
    assert {(one["format"], one["is_streamed"]) for one in found["results"]} == {
        (form, is_streamed)
        for form in ("openai.chat", "openai.responses", "anthropic.messages")
        for is_streamed in (False, True)
    } | {("openai.embeddings", False), ("anthropic.count_tokens", False)}
    health = client.get("/healthz").json()["guards"]
    assert (health["state"], health["proven"]) == ("enforced", 1.0)
    page = client.get("/guards").text
    assert "100 % of 286 probes" in page
    assert client.get("/api/traces").json()["traces"] == []


@pytest.mark.parametrize(
    "declared",
    [
        None,
        "input: [mask_pii]\n",
        "input: [{length: {characters_max: 9}}]\noutput: [{banned_phrases: [lineside]}]\n",
    ],
)
def test_it_is_proven_without_a_trace_whatever_else_is_guarded(
    home: Path, declared: str | None
) -> None:
    (home / "guards.yaml").unlink()
    if declared:
        (home / "guards.yaml").write_text(declared)
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        found = client.post("/api/guards/probe").json()

        assert [one for one in found["results"] if not one["is_held_back"]] == []
        assert client.get("/api/traces").json()["traces"] == []


def test_a_place_of_a_request_that_no_guard_sees_is_found_out(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.apps.wire_texts._is_exempt", lambda *_: True)
    found = client.post("/api/guards/probe").json()

    open_ones = {one["place"] for one in found["results"] if not one["is_held_back"]}
    assert found["state"] == "not enforced"
    assert {"prediction", "a document", "metadata", "an unknown part"} <= open_ones
    assert "✗ not enforced</strong> in " in client.get("/guards").text


def test_what_providers_cut_in_two_is_found_out_where_nobody_joins_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = AnswerWords.start

    async def apart(words: AnswerWords, *given: Any) -> Any:
        others, words._runs = words._runs, []
        said = await joined(words, *given)
        words._runs = others + words._runs
        return said

    monkeypatch.setattr(AnswerWords, "start", apart)
    found = client.post("/api/guards/probe").json()

    open_ones = {one["place"] for one in found["results"] if not one["is_held_back"]}
    assert (found["state"], open_ones) == ("not enforced", {"words, cut in two"})


def test_guards_that_cannot_be_read_stop_the_start(home: Path) -> None:
    (home / "guards.yaml").write_text("input: [mask_pi]\n")

    with pytest.raises(Invalid, match="Read `mask_pi`") as caught:
        build(Settings(home=home, otlp_grpc_port=0))

    assert caught.value.hint == "Did you mean `mask_pii`?"


def _words(text: str, *, is_streamed: bool) -> str:
    if not is_streamed:
        return text
    pieces = []
    for line in text.splitlines():
        if line.startswith("data: {"):
            event = json.loads(line[6:])
            deltas = [choice["delta"] for choice in event.get("choices", [])]
            pieces += [delta.get("content") or "" for delta in deltas]
            pieces.append(event.get("delta", {}).get("text") or "")
    return "".join(pieces)


def test_a_guards_file_that_breaks_while_it_counts_changes_nothing_and_is_seen(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.apps.guards_file._LOOK_SECONDS", 0)
    file = home / "guards.yaml"

    file.write_text("input: [mask_pi]\n")
    answer = ask(client, "I am ann@example.com", is_streamed=False)

    assert answer.headers["x-lineside-guards"].startswith("mask_pii=transform")
    health = client.get("/healthz")
    assert health.status_code == 503
    assert "mask_pi" in health.json()["guards"]["file"]
    assert "still hold" in client.get("/guards").text

    file.unlink()
    assert "it is gone" in client.get("/health").json()["guards"]["file"]  # nobody called

    file.write_text("output:\n  - banned_phrases: [eve]\n")
    answer = ask(client, "an offer", is_streamed=False)
    assert "`banned_phrases` held back" in answer.json()["error"]["message"]
    assert client.get("/healthz").json()["guards"]["file"] is None


def test_guards_that_are_slow_to_load_hold_up_no_call_and_the_ones_before_hold_meanwhile(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.apps.guards_file._LOOK_SECONDS", 0)
    loading, may_load = threading.Event(), threading.Event()

    def slow(**_: object) -> object:
        loading.set()
        assert may_load.wait(20)
        return lambda _passage: None

    kind = building._KINDS["presidio"]._replace(make=slow)
    monkeypatch.setitem(building._KINDS, "presidio", kind)
    (home / "guards.yaml").write_text("input: [presidio]\n")
    before = ask(client, "I am ann@example.com", is_streamed=False)

    assert loading.wait(20)
    assert before.headers["x-lineside-guards"].startswith("mask_pii=transform")
    health = client.get("/healthz").json()
    assert (health["status"], health["guards"]["file"]) == ("ok", None)
    assert "`presidio`" in health["guards"]["file_loading"]
    assert "the guards it named before hold" in client.get("/guards").text

    may_load.set()
    for _ in range(200):
        if client.get("/healthz").json()["guards"]["file_loading"] is None:
            break
        time.sleep(0.05)
    after = ask(client, "I am ann@example.com", is_streamed=False)
    assert after.headers["x-lineside-guards"] == "presidio=allow"


def test_guards_that_cannot_be_loaded_leave_those_before_and_it_is_seen(
    client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.apps.guards_file._LOOK_SECONDS", 0)

    def broken(**_: object) -> object:
        raise OSError("no such model")

    monkeypatch.setitem(
        building._KINDS, "presidio", building._KINDS["presidio"]._replace(make=broken)
    )
    (home / "guards.yaml").write_text("input: [presidio]\n")
    ask(client, "Hello", is_streamed=False)
    for _ in range(200):
        if client.get("/healthz").status_code == 503:
            break
        time.sleep(0.05)

    assert "OSError: no such model" in client.get("/healthz").json()["guards"]["file"]
    answer = ask(client, "I am ann@example.com", is_streamed=False)
    assert answer.headers["x-lineside-guards"].startswith("mask_pii=transform")
