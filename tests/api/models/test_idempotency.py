"""Calls with an `Idempotency-Key`, through real sockets and the stock clients."""

import asyncio
import json
import threading
import time
import uuid
from typing import Any

import anthropic
import httpx
import openai
import orjson
import pytest
from starlette.responses import Response

from api.models.conftest import FakeUpstream
from api.models.test_across import CHAT_CALL
from lineside.api.idempotent import AnsweredOnce
from lineside.api.streaming import given

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
TRIES_MAX = 400


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def slow_answer(upstream: FakeUpstream, seconds: float) -> None:
    """Queue an answer that has begun, and takes its time to end."""
    body = orjson.dumps(CHAT_CALL)
    upstream.answers.append((200, "application/json", [body[:20], seconds, body[20:]], {}))


def until_asked(upstream: FakeUpstream) -> None:
    for _ in range(TRIES_MAX):
        if upstream.asked:
            return
        time.sleep(0.01)
    raise AssertionError("nobody asked")


def post(server: str, headers: dict[str, str], path: str = "/v1/chat/completions", **more: Any):
    body = {"model": "fake-chat/small", "messages": HELLO, **more}
    return httpx.post(f"{server}{path}", json=body, headers=headers, timeout=20)


def test_the_stock_client_gets_the_first_answer_again_and_it_is_asked_and_traced_once(
    openai_client: openai.OpenAI, server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    upstream.answer(CHAT_CALL)
    create = openai_client.chat.completions.with_raw_response.create
    first, second = (
        create(model="fake-chat/small", messages=HELLO, extra_headers=key) for _ in range(2)
    )

    assert len(upstream.asked) == 1
    assert first.parse() == second.parse()
    assert first.headers.get("idempotent-replayed") is None
    assert second.headers["idempotent-replayed"] == "true"
    same = ("x-lineside-trace-id", "x-lineside-provider", "content-type", "content-length")
    assert [first.headers[name] for name in same] == [second.headers[name] for name in same]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    trace = httpx.get(f"{server}/api/traces/{second.headers['x-lineside-trace-id']}").json()
    assert len(trace) == 1


def test_another_body_under_the_same_key_is_refused_in_the_words_of_each_wire(
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    upstream: FakeUpstream,
    key: dict[str, str],
) -> None:
    upstream.answer(CHAT_CALL)
    ask = openai_client.chat.completions.create
    ask(model="fake-chat/small", messages=HELLO, extra_headers=key)

    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask(model="fake-chat/small", messages=HELLO, temperature=0.5, extra_headers=key)
    assert refused.value.code == "idempotency_key_reused"
    with pytest.raises(anthropic.UnprocessableEntityError, match="Send a new key"):
        anthropic_client.messages.create(
            model="fake-chat/small", messages=HELLO, max_tokens=9, extra_headers=key
        )
    assert len(upstream.asked) == 1


def test_while_the_first_is_under_way_the_second_is_told_to_come_back(
    server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    slow_answer(upstream, 1.5)
    answers: list[httpx.Response] = []
    first = threading.Thread(target=lambda: answers.append(post(server, key)))
    first.start()
    until_asked(upstream)
    second = post(server, key)
    first.join(20)

    assert second.status_code == 409
    assert int(second.headers["retry-after"]) > 0
    assert "still under way" in second.json()["error"]["message"]
    assert post(server, key).content == answers[0].content
    assert len(upstream.asked) == 1


def test_a_caller_who_hung_up_finds_the_answer_when_they_ask_again(
    server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    slow_answer(upstream, 1.0)
    body = {"model": "fake-chat/small", "messages": HELLO}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server}/v1/chat/completions", json=body, headers=key, timeout=0.4)
    for _ in range(TRIES_MAX):
        again = post(server, key)
        if again.status_code != 409:
            break
        time.sleep(0.02)

    assert again.json()["choices"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("wire", ["chat/completions", "responses", "messages"])
def test_a_stream_is_replayed_as_a_stream(
    server: str, upstream: FakeUpstream, key: dict[str, str], wire: str
) -> None:
    upstream.answer(CHAT_CALL)
    body = {"model": "fake-chat/small", "stream": True, "max_tokens": 50}
    body |= {"input": "Hello", "store": False} if wire == "responses" else {"messages": HELLO}
    first, second = (
        httpx.post(f"{server}/v1/{wire}", json=body, headers=key, timeout=20) for _ in range(2)
    )

    assert first.status_code == 200
    assert second.headers["content-type"].startswith("text/event-stream")
    assert second.headers["idempotent-replayed"] == "true"
    assert "content-length" not in second.headers
    assert first.text == second.text != ""
    assert len(upstream.asked) == 1


def test_a_header_that_is_no_utf8_is_kept_as_it_was() -> None:
    class Claim:
        reply: Any = None

        async def hold(self) -> None:
            await asyncio.sleep(30)

        async def keep(self, reply: Any, *, trace_id: str) -> None:
            assert trace_id == "t"
            self.reply = reply

    async def answer() -> Response:
        return Response(b"Hello", headers={"x-said": "größe"})

    async def ask() -> list[bytes]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        claim = Claim()
        once: Any = AnsweredOnce(claim, answer, lambda: True, trace_id="t")  # type: ignore[arg-type]
        await asyncio.wait_for(once({"type": "http"}, given(b""), send), 10)
        assert ("x-said", "größe") in claim.reply.headers
        return [message["body"] for message in sent[1:]]

    assert asyncio.run(ask()) == [b"Hello"]


def test_vectors_are_given_again(openai_client: openai.OpenAI, key: dict[str, str]) -> None:
    create = openai_client.embeddings.with_raw_response.create
    first, second = (
        create(model="embedded/words", input="a road bike", extra_headers=key) for _ in range(2)
    )

    assert second.headers["idempotent-replayed"] == "true"
    assert first.parse() == second.parse()


def test_a_failure_that_may_pass_is_asked_again_by_the_clients_own_retry(
    server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    upstream.answer({"error": {"message": "no"}}, status=400)
    upstream.answer(CHAT_CALL)
    client = openai.OpenAI(base_url=f"{server}/v1", api_key="local", max_retries=1)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="fake-chat/a", messages=HELLO, extra_headers=key)
    client.chat.completions.create(model="fake-chat/a", messages=HELLO, extra_headers=key)

    assert len(upstream.asked) == 2


def test_a_stream_that_broke_is_not_given_again(
    server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    piece = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Grü"}}]}
    upstream.stream(b"data: " + orjson.dumps(piece) + b"\n\n", 0.05, "reset")
    upstream.answer(CHAT_CALL)
    broken, whole = (post(server, key, stream=True) for _ in range(2))

    assert '"error"' in broken.text
    assert whole.headers.get("idempotent-replayed") is None
    assert whole.text.endswith("data: [DONE]\n\n")
    assert post(server, key, stream=True).text == whole.text


def test_another_key_of_the_same_workspace_is_another_caller(
    server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    upstream.answer(CHAT_CALL)
    for name in ("one", "two"):
        made = httpx.post(f"{server}/api/keys", json={"name": name, "rights": ["run"]}).json()
        said = key | {"authorization": f"Bearer {made['secret']}"}
        assert [post(server, said).headers.get("idempotent-replayed") for _ in range(2)] == [
            None,
            "true",
        ]

    assert len(upstream.asked) == 2


def test_what_a_user_left_is_erased_with_the_answer_that_was_kept(
    server: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    upstream.answer(CHAT_CALL)
    said = key | {"x-lineside-user": "anna"}
    post(server, said)
    erased = httpx.delete(f"{server}/api/traces", params={"user": "anna"}, timeout=60).json()
    again = post(server, said)

    assert erased["traces"] == 1
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "idempotent_answer_gone"
    assert len(upstream.asked) == 1


def test_a_key_that_can_be_none_is_refused_before_anybody_is_asked(
    server: str, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    answer = post(server, {"Idempotency-Key": "x" * 300})

    assert answer.status_code == 400
    assert "1 to 255" in json.dumps(answer.json())
    assert not upstream.asked
