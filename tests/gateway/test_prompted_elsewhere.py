"""Models of Anthropic and Gemini in a manifest: asked in their own wires, answering in its form."""

import json
from typing import Any

import pytest

from gateway.small_model import GOOD, KEY, QUICK, ask, setup_of
from lineside.core import Denied
from lineside.gateway import Model
from lineside.gateway.prompted import PromptedProvider


@pytest.fixture
def opened(endpoint: Any, folder: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_KEY", KEY)

    def of(provider: str, **options: Any) -> Model:
        there = {"base_url": endpoint.url, "api_key_env": "MY_KEY", **options}
        setup = setup_of(folder, spec=f"{provider}:small", prompt="Name the topic.", options=there)
        return PromptedProvider(provider, QUICK).open(setup)

    return of


def message(text: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "small-1",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 90, "output_tokens": 9, "cache_read_input_tokens": 10},
    }


async def test_anthropic_is_asked_for_the_schema_in_its_own_words(
    endpoint: Any, opened: Any
) -> None:
    endpoint.plays(message(json.dumps(GOOD)))
    reply = await ask(opened("anthropic", usd_per_million_in=3.0, usd_per_million_out=15.0))

    assert (reply.output, reply.model) == (GOOD, "small-1")
    assert (reply.tokens_in, reply.tokens_out) == (100, 9)
    [asked] = endpoint.requests
    assert asked["path"] == "/v1/messages"
    assert asked["headers"]["x-api-key"] == KEY
    assert asked["body"]["system"] == "Name the topic."
    assert asked["body"]["messages"] == [{"role": "user", "content": "Where is my money?"}]
    assert asked["body"]["output_config"]["format"]["schema"]["required"] == ["topic", "confidence"]


async def test_an_older_model_reads_the_schema_in_words_from_then_on(
    endpoint: Any, opened: Any
) -> None:
    endpoint.fails(400, text="output_config: Extra inputs are not permitted")
    endpoint.plays(message(json.dumps(GOOD)))
    model = opened("anthropic")
    replies = [await model.answer({"message": at}) for at in ("x", "y")]
    await model.close()

    assert [(reply.output, reply.attempts) for reply in replies] == [(GOOD, 2), (GOOD, 1)]
    last = endpoint.requests[-1]["body"]
    assert "output_config" not in last
    assert '"enum": ["refund", "card"]' in last["system"]


async def test_gemini_is_asked_for_the_schema_in_its_own_words(endpoint: Any, opened: Any) -> None:
    part = {"content": {"role": "model", "parts": [{"text": json.dumps(GOOD)}]}}
    endpoint.plays(
        {
            "candidates": [{**part, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": 100,
                "candidatesTokenCount": 9,
                "totalTokenCount": 109,
            },
            "modelVersion": "small-2",
        }
    )
    reply = await ask(opened("gemini"))

    assert (reply.output, reply.tokens_in, reply.tokens_out) == (GOOD, 100, 9)
    [asked] = endpoint.requests
    assert asked["path"] == "/v1/models/small:generateContent"
    assert asked["headers"]["x-goog-api-key"] == KEY
    config = asked["body"]["generationConfig"]
    assert config["responseJsonSchema"]["properties"].keys() == GOOD.keys()


async def test_each_provider_has_a_key_of_its_own(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    setup = setup_of(folder, spec="anthropic:small")
    with pytest.raises(Denied, match=r"`ANTHROPIC_API_KEY` holds no key for anthropic at https"):
        await ask(PromptedProvider("anthropic", QUICK).open(setup))
