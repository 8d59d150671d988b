"""What a provider signed goes out behind the words it was given for, though guards hold those."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pytest

from lineside.apps.guards_file import GuardsFile
from lineside.apps.model_guards import ModelGuards
from lineside.gateway import calls, canonical, wires
from lineside.gateway.wires.sse import SseEvent

SEAL = "c2VhbGVk"


GUARDS = "output: [mask_pii]\n"


def streamed(
    tmp_path: Path, *parts: dict[str, object], guards: str = GUARDS
) -> list[dict[str, object]]:
    """The parts that a caller gets of an answer that Gemini streams, a part in each event."""
    (tmp_path / "guards.yaml").write_text(guards)
    wire = wires.wire_named("gemini")
    reader = wire.stream_reader()
    events: list[canonical.AnswerEvent] = []
    for at, part in enumerate(parts):
        end = {"finishReason": "STOP"} if at == len(parts) - 1 else {}
        content = {"role": "model", "parts": [part]}
        body = {"responseId": "r1", "candidates": [{"content": content, "index": 0} | end]}
        events += reader.read(SseEvent("", orjson.dumps(body).decode()))
    events += reader.end()
    turn = canonical.Turn(role="user", parts=(canonical.TextPart(text="Hello"),))
    request = canonical.ModelRequest(wire="gemini", model="g/m", turns=(turn,))
    call = calls.ModelCall(request=request, workspace="w", actor="a", key=None, team=None)
    writer = wire.stream_writer(request)

    async def proceed(_: calls.ModelCall) -> AsyncGenerator[canonical.AnswerEvent, None]:
        for event in events:
            yield event

    async def said() -> list[dict[str, object]]:
        step = ModelGuards(GuardsFile(tmp_path / "guards.yaml")).step(call, proceed)
        written = b"".join([writer.write(event) async for event in step])
        bodies = [orjson.loads(line[6:]) for line in written.splitlines() if line[:5] == b"data:"]
        told = [one for body in bodies for one in body.get("candidates", ())]
        return [part for one in told for part in one.get("content", {}).get("parts", ())]

    return asyncio.run(said())


@pytest.mark.parametrize("thought", [{}, {"thought": True}])
def test_a_signature_stands_behind_the_last_of_its_words(
    tmp_path: Path, thought: dict[str, object]
) -> None:
    first = {"text": "Ask eve@exa"} | thought
    last = {"text": "mple.com.", "thoughtSignature": SEAL} | thought
    parts = streamed(tmp_path, first, last)
    alone = streamed(tmp_path, last)

    for got, words in ((parts, "Ask [masked:email]."), (alone, "mple.com.")):
        assert "".join(str(one["text"]) for one in got) == words
        assert [one.get("thoughtSignature") for one in got if one["text"]][-1] == SEAL
        assert sum("thoughtSignature" in one for one in got) == 1


def test_a_call_of_a_tool_keeps_its_signature(tmp_path: Path) -> None:
    call = {"functionCall": {"name": "a", "args": {"b": 1}}, "thoughtSignature": SEAL}

    assert streamed(tmp_path, call) == [call]


@pytest.mark.parametrize("guards", [GUARDS, ""])
@pytest.mark.parametrize("thought", [{}, {"thought": True}])
def test_of_several_signatures_each_stands_behind_its_own_words(
    tmp_path: Path, thought: dict[str, object], guards: str
) -> None:
    seals = ["Zmlyc3Q=", "c2Vjb25k", "dGhpcmQ="]
    given: list[dict[str, object]] = [
        *({"text": "One "}, {"text": "and. ", "thoughtSignature": seals[0]}),
        *({"text": "Two. ", "thoughtSignature": seals[1]}, {"text": "Three"}),
        {"text": "", "thoughtSignature": seals[2]},
    ]
    parts = streamed(tmp_path, *(part | thought for part in given), guards=guards)

    words, behind = "", []
    for part in parts:
        words += str(part["text"])
        if "thoughtSignature" in part:
            behind.append((words, part["thoughtSignature"]))
    assert behind == list(
        zip(["One and. ", "One and. Two. ", "One and. Two. Three"], seals, strict=True)
    )
