"""Answers that were given before, where a caller or a route asks for them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.fakes import trace_of
from api.models.test_across import CHAT_CALL

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]

PARCEL = "Where can I find the address that my {} is delivered to?"
LIKE_IT = "Where do I find the address that my {} is delivered to?"
TOLD = {"role": "assistant", "content": "Under your orders, at 12 Canal Street."}
PLAIN = CHAT_CALL | {"choices": [{"index": 0, "message": TOLD, "finish_reason": "stop"}]}

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
    [span] = trace_of(server, second.headers["x-lineside-trace-id"])
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


@pytest.mark.parametrize("header", ["near", "1.1", "-0.5", "nan", ""])
def test_a_similarity_that_is_none_is_refused(ask: Any, header: str) -> None:
    answer = ask({"x-lineside-cache-similarity": header})

    assert answer.status_code == 400
    assert "a number from 0 to 1" in answer.text


def test_a_route_may_ask_for_it_for_all_its_callers(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    for _ in range(2):
        openai_client.chat.completions.create(model="kept", messages=HELLO)
    assert len(upstream.asked) == 1


Saying = Callable[..., tuple[str, Any]]


@pytest.fixture
def say(openai_client: openai.OpenAI) -> Saying:
    """Asks by the stock client; gives what the cache said and the headers with the words."""

    def of(*turns: str, **more: Any) -> tuple[str, Any]:
        roles = ["user", "assistant"] * len(turns)
        messages: list[Any] = [
            {"role": role, "content": text} for role, text in zip(roles, turns, strict=False)
        ]
        asked = {"model": "alike", "messages": messages, **more}
        raw = openai_client.chat.completions.with_raw_response.create(**asked)
        if more.get("stream"):
            words = "".join(
                choice.delta.content or "" for chunk in raw.parse() for choice in chunk.choices
            )
        else:
            words = raw.parse().choices[0].message.content or ""
        return raw.headers.get("x-lineside-cache", ""), {"words": words, **raw.headers}

    return of


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_question_that_is_like_another_gets_its_answer_and_is_told_so(
    say: Saying, server: str, upstream: FakeUpstream, is_stream: bool
) -> None:
    upstream.answer(PLAIN)
    thing = "parcel" if is_stream else "letter"
    first, _ = say(PARCEL.format(thing))
    second, told = say(LIKE_IT.format(thing), stream=is_stream)
    same, _ = say(PARCEL.format(thing), stream=is_stream)

    assert (first, second, same) == ("miss", "semantic", "hit")
    assert len(upstream.asked) == 1
    assert told["words"] == TOLD["content"]
    assert 0.97 <= float(told["x-lineside-cache-similarity"]) < 1
    assert 0 <= int(told["x-lineside-cache-age"]) < 60
    [span] = httpx.get(f"{server}/api/traces/{told['x-lineside-trace-id']}", timeout=30).json()
    assert span["attributes"]["cache"] == "semantic"
    assert span["attributes"]["cache_similarity"] == float(told["x-lineside-cache-similarity"])
    assert span["attributes"]["cache_from"] != told["x-lineside-trace-id"]
    assert (span["tokens_in"], span["tokens_out"]) == (0, 0)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ("Where can I find order 1017 of mine?", "Where can I find order 1018 of mine?"),
        ("Can my card be used in the shop?", "Can my card not be used in the shop?"),
        ("Is the shop open on Monday for me?", "Is the shop open on Friday for me?"),
        ("How do I get from Graz to Linz?", "How do I get from Linz to Graz?"),
        ("How do I pay rent to the landlord?", "How do I pay the landlord to rent?"),
        ("What does the word `print` do there?", "What does the word `prints` do there?"),
        ("How do I open the account for my son?", "How do I close the account for my son?"),
        ("What is the fee for a bank transfer?", "What is the limit for a bank transfer?"),
    ],
)
def test_what_differs_in_what_matters_is_asked_anew(
    say: Saying, upstream: FakeUpstream, kept: str, asked: str
) -> None:
    upstream.answer(PLAIN)
    assert [say(kept, model="near")[0], say(asked, model="near")[0]] == ["miss", "miss"]


def test_everything_but_the_last_words_must_be_the_same(
    say: Saying, upstream: FakeUpstream
) -> None:
    upstream.answer(PLAIN)
    kept, like_it = PARCEL.format("box"), LIKE_IT.format("box")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    seen: list[Any] = [{"role": "user", "content": [{"type": "text", "text": like_it}, picture]}]
    offered = [{"type": "function", "function": {"name": "find", "parameters": {}}}]
    say(kept)
    others: list[dict[str, Any]] = [
        {"temperature": 0.5},
        {"max_tokens": 20},
        {"response_format": {"type": "json_object"}},
        {"tools": offered},
        {"messages": seen},
        {"extra_headers": {"x-lineside-cache": "0"}},
        {"extra_headers": {"x-lineside-cache-similarity": "1"}},
        {"model": "kept"},
    ]

    assert {say(like_it, **other)[0] for other in others} == {"miss", ""}
    assert say("Hello", "Hello. What is it?", like_it)[0] == "miss"
    assert say("Hello", "Hello. What is it?", kept)[0] == "semantic"
    assert len(upstream.asked) == 1 + len(others) + 1
    assert say(f"{like_it}{' Tell me, please.' * 40}")[0] == "miss"
