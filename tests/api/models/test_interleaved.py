"""Calls of several tools whose pieces come by turns, as a provider may send them."""

import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.test_across import CHAT_CALL, MESSAGES_TOOLS, _chunk
from lineside.apps.guards_file import GuardsFile
from lineside.apps.model_guards import ModelGuards
from lineside.core import Denied
from lineside.gateway import calls, canonical
from lineside.gateway.wires.chat_stream import ChatStreamReader
from lineside.gateway.wires.sse import SseEvent

TOWNS = [{"city": "Graz"}, {"city": "Linz"}]


def piece(at: int, arguments: str, *, is_first: bool = False) -> dict[str, Any]:
    name = {"name": "weather"} if is_first else {}
    head = {"id": f"call_{at}", "type": "function"} if is_first else {}
    call = {"index": at, **head, "function": {**name, "arguments": arguments}}
    return _chunk({"tool_calls": [call]})


CHUNKS = [
    _chunk({"role": "assistant", "content": "Two towns."}),
    piece(0, "", is_first=True),
    piece(1, "", is_first=True),
    piece(0, '{"city":'),
    piece(1, '{"city":'),
    piece(1, '"Linz"}'),
    piece(0, '"Graz"}'),
    _chunk({}, finish="tool_calls"),
    {**_chunk({}), "choices": [], "usage": CHAT_CALL["usage"]},
]


@pytest.fixture
def by_turns(upstream: FakeUpstream) -> None:
    said = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in CHUNKS]
    upstream.stream(*said, b"data: [DONE]\n\n")


@pytest.mark.usefixtures("by_turns")
def test_an_openai_client_reads_both_calls(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(
        model="fake-chat/small", messages=[{"role": "user", "content": "Weather?"}]
    ) as stream:
        [choice] = stream.get_final_completion().choices

    read = [json.loads(call.function.arguments) for call in choice.message.tool_calls or ()]
    assert (read, choice.finish_reason) == (TOWNS, "tool_calls")


@pytest.mark.usefixtures("by_turns")
def test_an_anthropic_client_reads_one_block_after_the_other(
    anthropic_client: anthropic.Anthropic,
) -> None:
    open_ones, most = set[int](), 0
    with anthropic_client.messages.stream(
        model="fake-chat/small",
        max_tokens=50,
        messages=[{"role": "user", "content": "Weather?"}],
        tools=MESSAGES_TOOLS,
    ) as stream:
        for event in stream:
            if event.type == "content_block_start":
                open_ones.add(event.index)
            elif event.type == "content_block_stop":
                open_ones.discard(event.index)
            most = max(most, len(open_ones))
        final = stream.get_final_message()

    assert most == 1
    assert [block.input for block in final.content if block.type == "tool_use"] == TOWNS
    assert final.stop_reason == "tool_use"


@pytest.mark.usefixtures("by_turns")
def test_a_responses_client_reads_both_calls(openai_client: openai.OpenAI) -> None:
    done = {}
    with openai_client.responses.create(
        model="fake-chat/small", input="Weather?", stream=True
    ) as stream:
        for event in stream:
            if event.type == "response.function_call_arguments.done":
                done[event.output_index] = json.loads(event.arguments)
            if event.type == "response.completed":
                output = event.response.output

    assert list(done.values()) == TOWNS
    calls_said = [json.loads(one.arguments) for one in output if one.type == "function_call"]
    assert calls_said == TOWNS


async def test_guards_judge_the_whole_arguments_of_each(tmp_path: Path) -> None:
    path = tmp_path / "guards.yaml"
    path.write_text('output: [{banned_phrases: [\'"city":"Linz"\']}]\n')

    async def said(call: calls.ModelCall) -> calls.Events:
        reader = ChatStreamReader()
        for chunk in CHUNKS:
            for event in reader.read(SseEvent(name="", data=json.dumps(chunk))):
                yield event

    request = canonical.ModelRequest(wire="chat", model="p/m", turns=())
    call = calls.ModelCall(request=request, workspace="w", actor="a", key="k")
    passed: list[canonical.AnswerEvent] = []

    async def take() -> None:
        async for event in ModelGuards(GuardsFile(path)).step(call, said):
            passed.append(event)  # noqa: PERF401 # what passed before the end counts

    with pytest.raises(Denied, match="banned_phrases"):
        await take()
    grown = [one.text for one in passed if isinstance(one, canonical.PartGrew)]
    assert grown == ["Two towns.", '{"city":"Graz"}']
