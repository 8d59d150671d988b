"""Upstreams that hang, break off or talk nonsense, and callers who leave."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
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


@pytest.mark.parametrize(
    "pieces",
    [
        (b'data: {"choices": hidden words}\n\n',),
        (b'data: ["hidden words"]\n\n',),
        (b"hidden words\n\n",),
        (b"hidden words",),
        (b'data: {"choices": [{"index": "hidden words", "delta": {}}]}\n\n',),
    ],
)
def test_what_cannot_be_read_of_a_stream_is_not_said_to_its_caller(
    ask: Ask, upstream: FakeUpstream, pieces: tuple[Any, ...]
) -> None:
    upstream.stream(*pieces)
    answer = ask()

    assert "cannot be read" in answer.text
    assert "hidden" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"index": 0, "message": {"content": "hidden words',
        b'{"choices": [{"index": 0, "message": ["hidden words"]}]}',
        b'["hidden words"]',
        b"hidden words",
    ],
)
def test_nor_is_what_cannot_be_read_of_a_whole_answer(
    ask: Ask, upstream: FakeUpstream, body: bytes
) -> None:
    upstream.answers.append((200, "application/json", [body], {}))
    answer = ask(stream=False)

    assert answer.json()["error"]["code"] == "reply_unreadable"
    assert "hidden" not in answer.text


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


def test_a_key_that_is_revoked_in_mid_stream_ends_it(server: str, upstream: FakeUpstream) -> None:
    wish = {"name": f"streams {time.monotonic_ns()}", "rights": ["run"]}
    made = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=made["secret"], max_retries=0)
    upstream.stream(*([chunk("word "), 0.2] * 60))
    said: list[str | None] = []
    revoked: list[float] = []

    def listen() -> None:
        for piece in client.chat.completions.create(
            model="fake-chat/small", messages=HELLO, stream=True
        ):
            said.extend(choice.delta.content for choice in piece.choices)
            if len(said) == 3:
                address = f"{server}/api/keys/{made['key']['id']}"
                assert httpx.delete(address, timeout=30).is_success
                revoked.append(time.monotonic())

    with pytest.raises(openai.APIError, match="was revoked or has expired"):
        listen()

    assert time.monotonic() - revoked[0] < 5
    assert 3 <= len(said) < 40
    assert upstream.left.wait(5), "its provider is not left to talk on"
    (trace,) = httpx.get(f"{server}/api/traces?limit=1", timeout=30).json()["traces"]
    assert trace["status"] == "error"


def test_a_thousand_tools_and_five_megabytes_go_through_whole(
    server: str, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    client = openai.OpenAI(base_url=f"{server}/v1", api_key="local", max_retries=0, timeout=120)
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{number}",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            },
        }
        for number in range(1_000)
    ]
    long = "Where is it? " * 400_000
    asked: Any = {"model": "fake-chat/small", "tools": tools}
    answer = client.chat.completions.create(**asked, messages=[{"role": "user", "content": long}])

    assert answer.choices[0].message.content == "Let me look."
    assert [tool["function"]["name"] for tool in upstream.asked[0]["tools"]] == [
        f"tool_{number}" for number in range(1_000)
    ]
    assert upstream.asked[0]["messages"][0]["content"] == long


def test_callers_who_send_a_byte_at_a_time_hold_up_nobody(
    server: str, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    host, _, port = server.removeprefix("http://").partition(":")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 900\r\n"
    slow = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        for at in range(len(head)):
            for one in slow:
                one.sendall(head[at : at + 1])
        body = {"model": "fake-chat/small", "messages": HELLO}
        started = time.monotonic()
        answers = [
            httpx.post(f"{server}/v1/chat/completions", json=body, timeout=30) for _ in range(5)
        ]
        taken = time.monotonic() - started
    finally:
        for one in slow:
            one.close()

    assert [answer.status_code for answer in answers] == [200] * 5
    assert taken < 15
    assert len(upstream.asked) == 5, "what never came whole was never asked"


def last_error(answer: httpx.Response) -> str:
    last = [line for line in answer.text.splitlines() if line.startswith("data:")][-1]
    return str(json.loads(last.removeprefix("data:"))["error"]["message"])
