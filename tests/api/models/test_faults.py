"""Upstreams that hang, break off or talk nonsense, and callers who leave."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api.models.conftest import SHAKY, FakeUpstream
from api.models.test_across import CHAT_CALL, MESSAGE_CALL

HELLO = [{"role": "user", "content": "Hello"}]


def chunk(text: str, *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    body = {"id": "c1", "model": "small-1", "created": 1, "choices": [choice]}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(1, SHAKY))


@pytest.fixture
def ask(server: str, numbers: Iterator[int]) -> Ask:
    """Asks by a route to a provider that no other test has asked."""
    again = f"again-{next(numbers)}"

    def of(model: str = again, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": HELLO, "stream": True, **more}
        return httpx.post(f"{server}/v1/chat/completions", json=body, timeout=20)

    return of


def test_an_upstream_that_hangs_is_given_up(ask: Ask, upstream: FakeUpstream) -> None:
    upstream.stream("hang")
    started = time.monotonic()
    answer = ask(model="hasty-first")

    assert answer.status_code == 504
    assert "gave no first piece of an answer within 0.5 s" in answer.json()["error"]["message"]
    assert len(upstream.asked) == 2
    assert time.monotonic() - started < 10


def test_an_upstream_that_hangs_in_mid_answer_is_given_up(ask: Ask, upstream: FakeUpstream) -> None:
    upstream.stream(chunk("Hel"), "hang")
    answer = ask(model="hasty-whole")

    assert (answer.status_code, "Hel" in answer.text) == (200, True)
    assert "no whole answer within 3 s" in last_error(answer)
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((chunk("Hel"), 0.05, "reset"), "ended before its answer did"),
        ((chunk("Hel"),), "ended before its answer did"),
        ((chunk("Hel"), b"data: {broken\n\n"), "cannot be read"),
        ((chunk("Hel"), b"data: \xc3\x28\n\n"), "no UTF-8"),
        ((chunk("Hel"), b"<html>oops</html>\n\n"), "no field"),
        (
            (chunk("Hel"), b'data: {"error": {"message": "overloaded", "code": 500}}\n\n'),
            "overloaded",
        ),
    ],
)
def test_a_stream_that_breaks_ends_with_an_error_and_is_not_asked_again(
    ask: Ask, upstream: FakeUpstream, pieces: tuple[Any, ...], words: str
) -> None:
    upstream.stream(*pieces)
    answer = ask()

    assert "Hel" in answer.text
    assert words in last_error(answer)
    assert "[DONE]" not in answer.text
    assert len(upstream.asked) == 1


def test_characters_cut_in_two_arrive_whole(ask: Ask, upstream: FakeUpstream) -> None:
    said = chunk("Grüß 😀 Gott") + chunk("", finish="stop") + b"data: [DONE]\n\n"
    upstream.stream(*(said[at : at + 1] for at in range(len(said))))

    assert '"content":"Grüß 😀 Gott"' in ask().text


def test_a_body_shorter_than_it_says_is_no_answer(ask: Ask, upstream: FakeUpstream) -> None:
    body = json.dumps(CHAT_CALL).encode()
    upstream.answers.append(
        (200, "application/json", [body[:60], "reset"], {"Content-Length": str(len(body))})
    )
    answer = ask(stream=False)

    assert answer.status_code == 503
    assert "did not answer" in answer.json()["error"]["message"]


def test_a_failure_before_the_first_piece_is_asked_again_or_elsewhere(
    ask: Ask, upstream: FakeUpstream
) -> None:
    upstream.answer({"error": {"message": "busy"}}, status=500)
    upstream.answer(MESSAGE_CALL)
    answer = ask(model="fast", stream=False)

    assert answer.json()["choices"][0]["message"]["content"] == "Let me look."
    assert answer.headers["x-lineside-provider"] == "fake-messages"
    assert [path.partition("/v1")[0] for path in upstream.paths] == ["/chat", "/messages"]


def test_a_request_the_model_refuses_is_not_asked_again(ask: Ask, upstream: FakeUpstream) -> None:
    upstream.answer({"error": {"message": "no such knob", "code": "bad"}}, status=400)
    answer = ask()

    assert (answer.status_code, len(upstream.asked)) == (400, 1)
    assert "no such knob" in answer.json()["error"]["message"]


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_caller_who_leaves_ends_the_call_upstream(
    server: str, upstream: FakeUpstream, is_stream: bool
) -> None:
    kept = [chunk("Hel"), 0.1] * 40 if is_stream else ["hang"]
    upstream.stream(*kept)
    body = {"model": "fake-chat/small", "messages": HELLO, "stream": is_stream}
    try:
        with httpx.stream(
            "POST", f"{server}/v1/chat/completions", json=body, timeout=0.3
        ) as answer:
            next(answer.iter_bytes())
    except httpx.ReadTimeout:
        assert not is_stream

    assert upstream.left.wait(5)


def last_error(answer: httpx.Response) -> str:
    last = [line for line in answer.text.splitlines() if line.startswith("data:")][-1]
    return str(json.loads(last.removeprefix("data:"))["error"]["message"])
