"""Answers that were given before, where a caller or a route asks for them."""

import json
from typing import Any

import httpx
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.test_across import CHAT_CALL

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]

HOUR = {"x-lineside-cache": "3600"}


@pytest.fixture
def ask(server: str, request: pytest.FixtureRequest):
    def of(headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        # Each test asks a question of its own.
        turns = [{"role": "user", "content": f"{request.node.name}?"}]
        body = {"model": "fake-chat/small", "messages": turns, **more}
        return httpx.post(f"{server}/v1/chat/completions", json=body, headers=headers, timeout=20)

    return of


def words(answer: httpx.Response) -> str:
    if answer.headers["content-type"].startswith("text/event-stream"):
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        choices = [choice for line in lines for choice in json.loads(line)["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)
    return answer.json()["choices"][0]["message"]["content"]


def test_the_same_question_is_asked_once_and_said_to_be_a_replay(
    ask: Any, server: str, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    first, second = ask(HOUR), ask(HOUR)

    assert len(upstream.asked) == 1
    assert [one.headers["x-lineside-cache"] for one in (first, second)] == ["miss", "hit"]
    assert first.json()["choices"] == second.json()["choices"]
    trace = httpx.get(f"{server}/api/traces/{second.headers['x-lineside-trace-id']}").json()
    [span] = trace
    assert span["attributes"]["cache"] == "hit"
    assert (span["tokens_in"], span["tokens_out"]) == (0, 0)


def test_what_was_answered_whole_is_replayed_as_a_stream(ask: Any, upstream: FakeUpstream) -> None:
    upstream.answer(CHAT_CALL)
    whole, streamed = ask(HOUR), ask(HOUR, stream=True, user="someone else")

    assert len(upstream.asked) == 1
    assert streamed.headers["x-lineside-cache"] == "hit"
    assert words(streamed) == words(whole) != ""
    assert streamed.text.endswith("data: [DONE]\n\n")


def test_nothing_is_replayed_unasked_and_another_question_is_another(
    ask: Any, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    for headers, more in ((None, {}), (None, {}), (HOUR, {}), (HOUR, {"temperature": 0.5})):
        assert ask(headers, **more).headers.get("x-lineside-cache") in (None, "miss")
    assert ask({"x-lineside-cache": "0"}).headers.get("x-lineside-cache") is None

    assert len(upstream.asked) == 5


def test_an_answer_that_was_cut_off_is_not_kept(ask: Any, upstream: FakeUpstream) -> None:
    cut = json.loads(json.dumps(CHAT_CALL))
    cut["choices"][0]["finish_reason"] = "length"
    upstream.answer(cut)
    upstream.answer({"error": {"message": "busy"}}, status=400)
    upstream.answer(CHAT_CALL)
    said = [ask(HOUR) for _ in range(4)]

    assert len(upstream.asked) == 3
    assert [one.status_code for one in said] == [200, 400, 200, 200]
    assert said[-1].headers["x-lineside-cache"] == "hit"


@pytest.mark.parametrize("header", ["an hour", "-1", "1.5", "604801", ""])
def test_a_header_that_is_no_number_of_seconds_is_refused(ask: Any, header: str) -> None:
    answer = ask({"x-lineside-cache": header})

    assert answer.status_code == 400
    assert "whole seconds from 0" in answer.text


def test_a_route_may_ask_for_it_for_all_its_callers(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    for _ in range(2):
        openai_client.chat.completions.create(model="kept", messages=HELLO)
    assert len(upstream.asked) == 1
