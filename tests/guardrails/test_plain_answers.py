"""Answers of plain models: held back where somebody wants a guard there, and nowhere else."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.models.conftest import FakeUpstream
from lineside.apps.guards_file import GuardsFile
from lineside.apps.model_guards import ModelGuards
from lineside.gateway import calls, canonical

LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}
ASKED = {
    "model": "chat/m",
    "messages": [{"role": "user", "content": "I am ann@example.com"}],
    "logprobs": True,
}


def pieces(part: canonical.Part, *texts: str) -> list[canonical.AnswerEvent]:
    return [
        canonical.PartStarted(at=0, part=part),
        *(canonical.PartGrew(at=0, text=text) for text in texts),
        canonical.PartEnded(at=0),
    ]


PARTS = {
    "reasoning": canonical.ReasoningPart(),
    "tool call": canonical.ToolCall(id="call_1", name="find"),
}


async def passed(file: GuardsFile, events: list[canonical.AnswerEvent]) -> list[Any]:
    """How many events had come from the model when each one was passed on, and its words."""
    come = 0

    async def proceed(_: calls.ModelCall) -> AsyncGenerator[canonical.AnswerEvent, None]:
        nonlocal come
        for event in events:
            come += 1
            yield event

    turn = canonical.Turn(role="user", parts=(canonical.TextPart(text="Hello"),))
    request = canonical.ModelRequest(wire="chat", model="play/m", turns=(turn,))
    call = calls.ModelCall(request=request, workspace="w", actor="a", key=None, team=None)
    step = ModelGuards(file).step(call, proceed)
    return [(come, event.text) async for event in step if isinstance(event, canonical.PartGrew)]


@pytest.mark.parametrize("kind", PARTS)
def test_thoughts_and_arguments_pass_as_they_come_where_no_guard_waits_for_them(
    tmp_path: Path, kind: str
) -> None:
    parts = pieces(PARTS[kind], "one ", "two ", "three")
    events = [*parts, canonical.ChoiceEnded(finish_reason="stop")]
    (tmp_path / "guards.yaml").write_text("input: [mask_pii]\n")
    unguarded = asyncio.run(passed(GuardsFile(tmp_path / "guards.yaml"), events))
    (tmp_path / "guards.yaml").write_text("output: [mask_pii]\n")
    guarded = asyncio.run(passed(GuardsFile(tmp_path / "guards.yaml"), events))

    assert unguarded == [(2, "one "), (3, "two "), (4, "three")]
    # A thought waits until it is known that none follows it.
    assert guarded == [(6 if kind == "reasoning" else 5, "one two three")]


@pytest.fixture
def guard(doors_home: Path) -> Iterator[Callable[[str], object]]:
    """Declares guards of plain models, for one test."""
    file = doors_home / "guards.yaml"
    before = file.read_text()
    yield file.write_text
    file.write_text(before)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_probabilities_of_words_are_left_out_of_guarded_answers_alone_and_that_is_said(
    doors: TestClient, upstream: FakeUpstream, guard: Callable[[str], object], is_streamed: bool
) -> None:
    kept = upstream.by_provider["chat"]
    words = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "logprobs": LOGPROBS, "finish_reason": "stop"}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    if is_streamed:
        chunk = whole | {"choices": [choice | {"delta": words}]}
        body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        upstream.by_provider["chat"] = (200, "text/event-stream", [body], {})
    else:
        body = json.dumps(whole | {"choices": [choice | {"message": words}]}).encode()
        upstream.by_provider["chat"] = (200, "application/json", [body], {})
    asked = ASKED | {"stream": is_streamed}
    try:
        open_one = doors.post("/v1/chat/completions", json=asked)
        guard("input: [mask_pii]\noutput: [mask_pii]\n")
        guarded = doors.post("/v1/chat/completions", json=asked)
    finally:
        upstream.by_provider["chat"] = kept

    assert '"logprob":-0.1' in open_one.text
    assert "x-lineside-left-out" not in open_one.headers
    assert '"logprob":-0.1' not in guarded.text
    assert guarded.headers["x-lineside-left-out"] == "logprobs"


def test_the_header_has_the_gravest_word_of_a_guard_at_two_points(
    doors: TestClient, guard: Callable[[str], object]
) -> None:
    guard("input: [mask_pii]\noutput: [mask_pii]\n")
    answer = doors.post("/v1/chat/completions", json=ASKED)

    assert answer.headers["x-lineside-guards"] == "mask_pii=transform"


def test_whom_a_caller_serves_is_masked_where_texts_become_vectors(
    doors: TestClient, upstream: FakeUpstream
) -> None:
    kept = upstream.by_provider["chat"]
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
    body = json.dumps({"object": "list", "model": "m", "data": [vector]}).encode()
    upstream.by_provider["chat"] = (200, "application/json", [body], {})
    upstream.asked.clear()
    more = {"user": "ann@example.com", "note": "bob@example.com"}
    try:
        doors.post("/v1/embeddings", json={"model": "chat/m", "input": "Hello"} | more)
    finally:
        upstream.by_provider["chat"] = kept

    assert [(one["user"], one["note"]) for one in upstream.asked] == [("[EMAIL_1]", "[EMAIL_2]")]
