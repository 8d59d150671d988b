"""Answers from a file in the canonical form, streamed word by word.

Each line is as in a `scripted:` model of a use case, asked about one field, `message`, the last
words of the user; its output has `text`, and `reasoning` or `tool_calls` where wanted:

    {"when": {"contains": {"message": "weather"}},
     "output": {"tool_calls": [{"name": "weather", "arguments": {"city": "Graz"}}]}}
"""

import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from uuid import uuid4

import orjson

from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ChoiceEnded,
    PartEnded,
    PartGrew,
    PartStarted,
    TokensCounted,
)
from lineside.gateway.canonical.parts import Part, ReasoningPart, TextPart, ToolCall
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.model import ModelSetup
from lineside.gateway.scripted import ScriptedModel, ScriptedProvider
from lineside.gateway.wires.wire import left_out, wire_named

_FILE = "answers.jsonl"
_CALL = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}},
    "required": ["name"],
    "additionalProperties": False,
}
_OUTPUT = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "reasoning": {"type": "string"},
        "tool_calls": {"type": "array", "items": _CALL},
    },
    "additionalProperties": False,
}
_INPUT = {"type": "object", "properties": {"message": {"type": "string"}}}
_BIT = re.compile(r"\s*\S+\s*$|\s*\S+")


class ScriptedUpstream:
    """A provider that answers every model's name alike, by the user's last words."""

    def __init__(self, script: bytes) -> None:
        setup = ModelSetup(
            spec=f"scripted:{_FILE}",
            input_schema=_INPUT,
            output_schema=_OUTPUT,
            read_file=lambda _: script,
        )
        self._model: ScriptedModel = ScriptedProvider().open(setup)

    def unsaid(self, request: ModelRequest) -> list[str]:
        """None: it heeds nothing but the words, and refuses what its answer would lack."""
        left_out(request, wire_named("messages"))
        return []

    async def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Upstream`."""
        said = next((turn.text for turn in reversed(request.turns) if turn.role == "user"), "")
        reply = await self._model.answer({"message": said})
        yield AnswerStarted(wire="lineside", id=f"scripted-{uuid4().hex}", model=request.model)
        for at, (part, words) in enumerate(_parts(reply.output)):
            yield PartStarted(at=at, part=part)
            for bit in _BIT.findall(words):
                yield PartGrew(at=at, text=bit)
            yield PartEnded(at=at)
        called = bool(reply.output.get("tool_calls"))
        yield ChoiceEnded(finish_reason="tool_calls" if called else "stop")
        read = sum(len(turn.text.split()) for turn in request.all_turns)
        written = sum(len(words.split()) for _, words in _parts(reply.output))
        tokens = TokenCounts(
            tokens_in=read if reply.tokens_in is None else reply.tokens_in,
            tokens_out=written if reply.tokens_out is None else reply.tokens_out,
        )
        yield TokensCounted(tokens=tokens)
        yield AnswerEnded()

    async def close(self) -> None:
        """Do nothing: there are no connections."""


def _parts(output: dict[str, Any]) -> Iterator[tuple[Part, str]]:
    """Each part as it begins, with the words that come to it."""
    if output.get("reasoning"):
        yield ReasoningPart(), output["reasoning"]
    if output.get("text"):
        yield TextPart(text=""), output["text"]
    for at, call in enumerate(output.get("tool_calls", ())):
        arguments = orjson.dumps(call.get("arguments", {})).decode()
        yield ToolCall(id=f"call_{at}_{uuid4().hex[:8]}", name=call["name"]), arguments
