"""Providers that are asked by `litellm`, behind the doors, against an upstream on this machine."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.test_across import CHAT_CALL, CHAT_TOOLS, MESSAGE_CALL, MESSAGES_TOOLS
from api.models.test_faults import chunk

with_litellm = pytest.mark.skipif(
    not find_spec("litellm"), reason="needs `pip install lineside[litellm]`"
)
HELLO: Any = [{"role": "user", "content": "Weather in Graz?"}]
SHAKY = 6
# Some of a test is the import, ten seconds of it.
PATIENCE_S = 120
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def gateway_yaml(_upstream: FakeUpstream) -> dict[str, Any]:
    """Two providers as litellm knows them, and some that are there to fail."""
    limits = {"api_key_env": "FAKE_KEY", "first_token_s": 60, "total_s": 60}
    chat = {"provider": "openai", "base_url": f"{_upstream.url}/chat/v1", **limits}
    messages = {"provider": "anthropic", "base_url": f"{_upstream.url}/messages", **limits}
    shaky = {f"shaky-{number}": chat for number in range(SHAKY)}
    return {
        "litellm": {
            "tail": {**chat, "models": ["small"]},
            "anthropic-tail": messages,
            "hasty": {**chat, "first_token_s": 0.5, "total_s": 1},
            **shaky,
        },
        "routes": {
            name: {"targets": [f"{name}/m"], "retries_max": 0} for name in [*shaky, "hasty"]
        },
        "scripted": {"play": {"file": "play.jsonl"}},
    }


@pytest.fixture
def client(openai_client: openai.OpenAI) -> openai.OpenAI:
    return openai_client.with_options(timeout=PATIENCE_S)


@pytest.mark.skipif(bool(find_spec("litellm")), reason="litellm is here")
def test_without_the_extra_a_call_says_what_to_install(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match=r"lineside\[litellm\]") as caught:
        client.chat.completions.create(model="shaky-0", messages=HELLO)

    assert caught.value.code == "litellm_missing"


@with_litellm
def test_a_whole_answer_comes_with_its_tools_and_tokens(
    client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    answer = client.chat.completions.create(
        model="tail/small", messages=HELLO, tools=CHAT_TOOLS, temperature=0.2, max_tokens=50
    )

    message = answer.choices[0].message
    assert (message.content, answer.choices[0].finish_reason) == ("Let me look.", "tool_calls")
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Graz"}
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (20, 8)
    assert answer.usage.prompt_tokens_details.cached_tokens == 5
    (sent,) = upstream.asked
    assert (sent["model"], sent["tools"], sent["temperature"]) == ("small", CHAT_TOOLS, 0.2)
    assert upstream.headers[0]["authorization"].startswith("Bearer sk-fake")
    assert "tail/small" in [model.id for model in client.models.list()]


@with_litellm
def test_another_wire_behind_it_answers_too(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    upstream.answer(MESSAGE_CALL)
    answer = client.chat.completions.create(
        model="anthropic-tail/claude-1", messages=HELLO, tools=CHAT_TOOLS
    )

    message = answer.choices[0].message
    assert message.content == "Let me look."
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Graz"}
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (25, 8)
    (sent,) = upstream.asked
    assert sent["tools"][0]["name"] == MESSAGES_TOOLS[0]["name"]
    assert upstream.headers[0]["x-api-key"].startswith("sk-fake")


@with_litellm
def test_a_stream_comes_piece_by_piece_with_its_tokens(
    client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    last = {"id": "c1", "model": "small-1", "created": 1, "choices": [], "usage": usage}
    counted = f"data: {json.dumps(last)}\n\n".encode()
    upstream.stream(chunk("Hel"), chunk("lo"), chunk("", finish="stop"), counted, DONE)
    chunks = list(
        client.chat.completions.create(
            model="tail/small",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    said = [one.choices[0].delta.content for one in chunks if one.choices]
    assert [piece for piece in said if piece] == ["Hel", "lo"]
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 2)


@with_litellm
def test_a_streamed_tool_call_comes_whole(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    def piece(**function: str) -> bytes:
        named = {"id": "call_1", "type": "function"} if "name" in function else {}
        call = {"index": 0, **named, "function": function}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
        body = {"id": "c1", "model": "small-1", "created": 1, "choices": [choice]}
        return f"data: {json.dumps(body)}\n\n".encode()

    upstream.stream(
        piece(name="weather", arguments=""),
        piece(arguments='{"city":'),
        piece(arguments=' "Graz"}'),
        chunk("", finish="tool_calls"),
        DONE,
    )
    chunks = list(
        client.chat.completions.create(
            model="tail/small", messages=HELLO, tools=CHAT_TOOLS, stream=True
        )
    )

    calls = [
        call for one in chunks if one.choices for call in one.choices[0].delta.tool_calls or []
    ]
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"city": "Graz"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@with_litellm
@pytest.mark.parametrize(
    ("number", "status", "error", "kind", "code"),
    [
        (0, 401, "bad key sk-fake-0123456789abcdef", openai.PermissionDeniedError, "model_denied"),
        (1, 429, "slow down", openai.RateLimitError, "model_rate_limited"),
        (2, 404, "no such model", openai.NotFoundError, "model_not_found"),
        (3, 500, "oops", openai.InternalServerError, "model_failed"),
        (
            4,
            400,
            "This model's maximum context length is 10 tokens.",
            openai.BadRequestError,
            "context_too_long",
        ),
    ],
)
def test_its_errors_are_said_in_our_words(
    client: openai.OpenAI, upstream: FakeUpstream, number, status, error, kind, code
) -> None:
    upstream.answer({"error": {"message": error, "type": "x", "code": None}}, status=status)

    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=f"shaky-{number}", messages=HELLO)

    assert caught.value.code == code
    assert "0123456789abcdef" not in str(caught.value)
    assert len(upstream.asked) == 1


@with_litellm
def test_a_provider_that_hangs_is_given_up(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    upstream.stream("hang")

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="hasty", messages=HELLO, stream=True)

    assert caught.value.status_code == 504
    assert "by litellm" in str(caught.value)


@with_litellm
def test_a_caller_who_leaves_leaves_the_provider_too(
    client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.stream(chunk("Hel"), "hang")
    stream = client.chat.completions.create(model="tail/small", messages=HELLO, stream=True)
    next(one for one in stream if one.choices)
    stream.close()

    assert upstream.left.wait(20)


@with_litellm
def test_a_caller_cannot_name_another_address_or_key(
    client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    answer = client.chat.completions.with_raw_response.create(
        model="tail/small",
        messages=HELLO,
        extra_body={"api_base": "http://127.0.0.1:9/v1", "api_key": "x", "mock_response": "free"},
    )

    assert answer.parse().choices[0].message.content == "Let me look."
    assert len(upstream.asked) == 1
    assert "api_base" in answer.headers["x-lineside-left-out"]


@with_litellm
def test_its_import_reaches_for_no_network() -> None:
    program = (
        "import socket\n"
        "def no(*_, **__): raise SystemExit('it looked for the network')\n"
        "socket.socket.connect = socket.getaddrinfo = no\n"
        "from lineside.gateway.calls.litellm import _acompletion\n"
        "_acompletion()\n"
        "print('quiet')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={k: v for k, v in os.environ.items() if not k.startswith("LITELLM")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert ran.stdout.strip() == "quiet", ran.stderr
