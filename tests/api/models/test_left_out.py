"""What another wire has no words for is refused where it counts, and else named to the caller."""

from typing import Any

import anthropic
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.test_across import CHAT_CALL, MESSAGE_CALL

ASK: Any = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"logit_bias": {"17": 5}}, "logit_bias"),
        ({"service_tier": "flex", "seed": 3}, "seed, service_tier"),
        ({"prediction": {"type": "content", "content": "Hi"}}, "prediction"),
        ({"modalities": ["text"], "store": False}, None),
        ({"stream_options": {"include_usage": True}, "stream": True}, None),
    ],
)
def test_a_field_that_the_models_wire_does_not_have_is_named(
    openai_client: openai.OpenAI, upstream: FakeUpstream, asked: dict[str, Any], named: str | None
) -> None:
    upstream.answer(MESSAGE_CALL)
    answer = openai_client.chat.completions.with_raw_response.create(
        model="fake-messages/m", messages=ASK, **asked
    )

    assert answer.headers.get("x-lineside-left-out") == named


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"functions": [{"name": "f", "parameters": {}}]}, "the old form of `tools`"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, "but words"),
        ({"web_search_options": {"search_context_size": "low"}}, "a search of one provider"),
        ({"n": 2}, "side by side"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_one_without_which_the_answer_would_be_another_is_refused(
    openai_client: openai.OpenAI, upstream: FakeUpstream, asked: dict[str, Any], words: str
) -> None:
    upstream.answer(MESSAGE_CALL)
    with pytest.raises(openai.BadRequestError, match=words):
        openai_client.chat.completions.create(model="fake-messages/m", messages=ASK, **asked)
    assert upstream.asked == []
    upstream.answers.clear()
    upstream.answer(CHAT_CALL)
    assert openai_client.chat.completions.create(model="fake-chat/m", messages=ASK, **asked).id


def test_so_it_is_for_the_other_doors(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    told = openai_client.responses.with_raw_response.create(
        model="fake-chat/m",
        input="Hello",
        metadata={"a": "b"},
        truncation="auto",
        top_logprobs=2,
        text={"verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
    )
    assert told.headers["x-lineside-left-out"] == "reasoning.summary, text.verbosity, truncation"
    assert upstream.asked[-1]["logprobs"] is True

    ask: dict[str, Any] = {"model": "fake-chat/m", "max_tokens": 9, "messages": ASK}
    raw = anthropic_client.messages.with_raw_response.create
    told = raw(**ask, service_tier="auto", extra_body={"context_management": {"edits": [1]}})
    assert told.headers["x-lineside-left-out"] == "context_management, service_tier"
    servers = [{"type": "url", "url": "https://example.com", "name": "shop"}]
    with pytest.raises(anthropic.BadRequestError, match="mcp_servers"):
        raw(**ask, extra_body={"mcp_servers": servers})


@pytest.mark.parametrize("model", ["fake-messages/m", "play/any"])
def test_a_stream_says_when_it_was_made_though_its_providers_wire_does_not(
    openai_client: openai.OpenAI, upstream: FakeUpstream, model: str
) -> None:
    upstream.answer(MESSAGE_CALL)
    chunks = list(openai_client.chat.completions.create(model=model, messages=ASK, stream=True))

    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id
    assert {chunk.created > 1_700_000_000 for chunk in chunks} == {True}
