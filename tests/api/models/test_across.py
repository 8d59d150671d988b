"""A caller's wire served by a model of another: tools, thoughts, pictures, whole and streamed."""

import json
from typing import Any

import anthropic
import openai
import pytest

from api.models.conftest import FakeUpstream

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
MESSAGES_TOOLS = [{"name": "weather", "input_schema": TOOL}]
PICTURE = "data:image/png;base64,iVBORw0KGgo="

CHAT_CALL = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_760_000_000,
    "model": "small-1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Graz"}'},
                    }
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 8,
        "total_tokens": 28,
        "prompt_tokens_details": {"cached_tokens": 5},
    },
}
MESSAGE_CALL = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [
        {"type": "thinking", "thinking": "Graz it is.", "signature": "sig=="},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Graz"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 8},
}
GEMINI_CALL = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Let me look."},
                    {
                        "functionCall": {"name": "weather", "args": {"city": "Graz"}},
                        "thoughtSignature": "sig==",
                    },
                ],
            },
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 8, "totalTokenCount": 28},
    "modelVersion": "gemini-1",
    "responseId": "abc",
}
RESPONSE_CALL = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_760_000_000,
    "status": "completed",
    "model": "gpt-1",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Let me look.", "annotations": []}],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": "weather",
            "arguments": '{"city": "Graz"}',
            "status": "completed",
        },
    ],
    "usage": {"input_tokens": 20, "output_tokens": 8, "total_tokens": 28},
}
CALLS = {
    "fake-messages": MESSAGE_CALL,
    "fake-gemini": GEMINI_CALL,
    "fake-responses": RESPONSE_CALL,
}


def sse(*events: dict[str, Any]) -> list[bytes]:
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]


def test_openai_asks_an_anthropic_model_and_goes_on_with_its_answer(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(MESSAGE_CALL)
    messages: list[Any] = [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather here?"},
                {"type": "image_url", "image_url": {"url": PICTURE}},
            ],
        },
    ]
    asked = {"model": "fake-messages/claude", "tools": CHAT_TOOLS, "tool_choice": "required"}
    first = openai_client.chat.completions.create(messages=messages, **asked)
    message = first.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": "toolu_1", "content": "sunny"})
    openai_client.chat.completions.create(messages=messages, **asked)

    assert (message.content, first.choices[0].finish_reason) == ("Let me look.", "tool_calls")
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Graz"}
    assert (first.usage.prompt_tokens, first.usage.prompt_tokens_details.cached_tokens) == (25, 5)
    sent, again = upstream.asked
    assert (sent["system"], sent["max_tokens"]) == ("Be short.", 4096)
    assert sent["tool_choice"] == {"type": "any"}
    assert sent["tools"] == MESSAGES_TOOLS
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert sent["messages"][0]["content"][1] == {"type": "image", "source": source}
    # The thought comes back with its signature, or the provider refuses the turn.
    assert again["messages"][1] == {"role": "assistant", "content": MESSAGE_CALL["content"]}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    assert again["messages"][2] == {"role": "user", "content": [result]}
    assert upstream.headers[0]["x-api-key"].startswith("sk-fake")


def test_anthropic_asks_an_openai_model_and_goes_on_with_its_answer(
    anthropic_client: anthropic.Anthropic, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    messages: list[Any] = [{"role": "user", "content": "Weather in Graz?"}]
    asked: dict[str, Any] = {
        "model": "fake-chat/small",
        "max_tokens": 50,
        "system": "Be short.",
        "tools": MESSAGES_TOOLS,
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    }
    first = anthropic_client.messages.create(messages=messages, **asked)
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"}
    messages.append({"role": "assistant", "content": [b.model_dump() for b in first.content]})
    messages.append({"role": "user", "content": [result, {"type": "text", "text": "And?"}]})
    anthropic_client.messages.create(messages=messages, **asked)

    assert [block.type for block in first.content] == ["text", "tool_use"]
    assert first.content[1].input == {"city": "Graz"}
    assert (first.stop_reason, first.usage.input_tokens) == ("tool_use", 15)
    assert first.usage.cache_read_input_tokens == 5
    sent, again = upstream.asked
    assert sent["messages"][0] == {"role": "system", "content": "Be short."}
    assert (sent["max_completion_tokens"], sent["parallel_tool_calls"]) == (50, False)
    assert [message["role"] for message in again["messages"]] == [
        *("system", "user", "assistant", "tool", "user"),
    ]
    assert again["messages"][2]["tool_calls"][0]["id"] == "call_1"


@pytest.mark.parametrize("provider", CALLS)
def test_each_wire_answers_the_responses_client(
    openai_client: openai.OpenAI, upstream: FakeUpstream, provider: str
) -> None:
    upstream.answer(CALLS[provider])
    tools: list[Any] = [{"type": "function", "name": "weather", "parameters": TOOL}]
    items: list[Any] = [{"role": "user", "content": "Weather in Graz?"}]
    first = openai_client.responses.create(model=f"{provider}/m", input=items, tools=tools)
    call = next(item for item in first.output if item.type == "function_call")
    items += [item.model_dump(exclude_none=True) for item in first.output]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    openai_client.responses.create(model=f"{provider}/m", input=items, tools=tools)

    assert first.output_text == "Let me look."
    assert json.loads(call.arguments) == {"city": "Graz"}
    assert "sunny" in json.dumps(upstream.asked[1])
    assert first.usage.output_tokens == 8


def test_a_stream_of_anthropic_reaches_an_openai_client(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    start = {**MESSAGE_CALL, "content": [], "stop_reason": None}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    upstream.stream(
        *sse(
            {"type": "message_start", "message": start},
            {"type": "content_block_start", "index": 0, "content_block": _text()},
            {"type": "content_block_delta", "index": 0, "delta": _text("text_delta", "Let me ")},
            {"type": "content_block_delta", "index": 0, "delta": _text("text_delta", "look.")},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": tool},
            {"type": "content_block_delta", "index": 1, "delta": _json('{"city":')},
            {"type": "content_block_delta", "index": 1, "delta": _json('"Graz"}')},
            {"type": "content_block_stop", "index": 1},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "tool_use", "stop_sequence": None},
                "usage": {"output_tokens": 8},
            },
            {"type": "message_stop"},
        )
    )
    with openai_client.chat.completions.stream(
        model="fake-messages/claude",
        messages=[{"role": "user", "content": "Weather?"}],
        tools=CHAT_TOOLS,
        stream_options={"include_usage": True},
    ) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.content == "Let me look."
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"city":"Graz"}'
    assert (final.usage.prompt_tokens, final.usage.completion_tokens) == (25, 8)


def test_a_stream_of_openai_reaches_an_anthropic_client(
    anthropic_client: anthropic.Anthropic, upstream: FakeUpstream
) -> None:
    call = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": '{"city":"Graz"}'}}
    upstream.stream(
        *(
            f"data: {json.dumps(chunk)}\n\n".encode()
            for chunk in [
                _chunk({"role": "assistant", "content": "Let me "}),
                _chunk({"content": "look."}),
                _chunk({"tool_calls": [call]}),
                _chunk({"tool_calls": [more]}),
                _chunk({}, finish="tool_calls"),
                {**_chunk({}), "choices": [], "usage": CHAT_CALL["usage"]},
            ]
        ),
        b"data: [DONE]\n\n",
    )
    with anthropic_client.messages.stream(
        model="fake-chat/small",
        max_tokens=50,
        messages=[{"role": "user", "content": "Weather?"}],
        tools=MESSAGES_TOOLS,
    ) as stream:
        final = stream.get_final_message()

    assert [block.type for block in final.content] == ["text", "tool_use"]
    assert final.content[1].input == {"city": "Graz"}
    assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", 8)
    # Without it the stream would end without its counts, and nobody would know what it cost.
    assert upstream.asked[0]["stream_options"] == {"include_usage": True}


def test_what_a_wire_cannot_say_is_refused_or_told(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(MESSAGE_CALL)
    ask: dict[str, Any] = {
        "model": "fake-messages/claude",
        "messages": [{"role": "user", "content": "Hello"}],
    }
    told = openai_client.chat.completions.with_raw_response.create(**ask, seed=7)

    assert told.headers["x-lineside-left-out"] == "seed"
    with pytest.raises(openai.BadRequestError, match="several answers"):
        openai_client.chat.completions.create(**ask, n=2)


def test_tokens_are_counted_by_the_provider(
    anthropic_client: anthropic.Anthropic, upstream: FakeUpstream
) -> None:
    upstream.answer({"input_tokens": 14})
    ask: list[Any] = [{"role": "user", "content": "Hello"}]
    counted = anthropic_client.messages.count_tokens(model="fake-messages/claude", messages=ask)

    assert counted.input_tokens == 14
    assert upstream.paths == ["/messages/v1/messages/count_tokens"]
    with pytest.raises(anthropic.BadRequestError, match="does not count tokens"):
        anthropic_client.messages.count_tokens(model="fake-chat/small", messages=ask)


def _text(kind: str = "text", text: str = "") -> dict[str, Any]:
    return {"type": kind, "text": text}


def _json(text: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": text}


def _chunk(delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "small-1"}
    return {**head, "choices": [choice]}
