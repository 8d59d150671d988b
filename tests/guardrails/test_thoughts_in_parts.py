"""Thoughts that follow each other are judged as the one text that their reader reads."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from guardrails.test_every_answer import Gives, ask, gives, guard

__all__ = ["gives", "guard"]
Guard = Callable[[str], object]
COUNTS = {"input_tokens": 1, "output_tokens": 1}
WHOLE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
TEXT = {"type": "text", "text": "Done."}


def thought(words: str, *, seal: str = "") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": seal}


def whole(*blocks: dict[str, Any]) -> dict[str, Any]:
    return WHOLE | {"content": list(blocks), "stop_reason": "end_turn", "usage": COUNTS}


def streamed(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """The same as events, the words of each thought in two pieces."""
    events = [{"type": "message_start", "message": WHOLE | {"content": [], "usage": COUNTS}}]
    for index, block in enumerate(blocks):
        at = {"index": index}
        name = "thinking" if block["type"] == "thinking" else "text"
        words = block[name]
        begun = {key: "" for key in block if key != "type"} | {"type": block["type"]}
        deltas = [
            {"type": f"{name}_delta", name: piece} for piece in (words[:3], words[3:]) if piece
        ]
        if block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        events.append({"type": "content_block_start", "content_block": begun, **at})
        events += [{"type": "content_block_delta", "delta": delta, **at} for delta in deltas]
        events.append({"type": "content_block_stop", **at})
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": COUNTS}
    return [*events, ended, {"type": "message_stop"}]


def blocks_of(doors: TestClient, *, stream: bool) -> list[dict[str, Any]]:
    """The blocks of an answer to Messages, whichever way it comes."""
    answer = ask(doors, "messages", stream=stream)
    if not stream:
        content: list[dict[str, Any]] = answer.json()["content"]
        return content
    blocks: list[dict[str, Any]] = []
    for line in answer.text.splitlines():
        event = json.loads(line[6:]) if line.startswith("data: ") else {"type": ""}
        assert event["type"] != "error", event
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta = {name: said for name, said in event["delta"].items() if name != "type"}
            for name, said in delta.items():
                blocks[-1][name] = blocks[-1].get(name, "") + said
    return blocks


@pytest.mark.parametrize("stream", [False, True])
def test_an_address_over_two_thoughts_is_masked(
    doors: TestClient, gives: Gives, guard: Guard, stream: bool
) -> None:
    guard("output: [mask_pii]\n")
    thoughts = [thought("Ask eve@exa"), thought("mple.com", seal="abc"), thought(" at noon.")]
    given = (*thoughts, TEXT)
    gives("messages", streamed(*given) if stream else whole(*given))

    blocks = blocks_of(doors, stream=stream)

    assert [block["type"] for block in blocks] == ["thinking"] * 3 + ["text"]
    words = "".join(block.get("thinking", "") for block in blocks)
    assert "eve" not in words
    assert "[masked:email]" in words
    assert words.endswith(" at noon.")
    assert blocks[-1]["text"] == "Done."


@pytest.mark.parametrize("stream", [False, True])
def test_a_phrase_over_two_thoughts_is_held_back(
    doors: TestClient, gives: Gives, guard: Guard, stream: bool
) -> None:
    guard("output:\n  - banned_phrases: [guaranteed returns]\n")
    given = (thought("Say guaranteed "), thought("returns."), TEXT)
    gives("messages", streamed(*given) if stream else whole(*given))

    answer = ask(doors, "messages", stream=stream)

    assert "`banned_phrases` held back the answer" in answer.text
    assert "returns." not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_clean_thoughts_come_as_they_were_with_their_seals(
    doors: TestClient, gives: Gives, guard: Guard, stream: bool
) -> None:
    guard("output: [mask_pii]\n")
    given = (thought("One. ", seal="s1"), thought("Two.", seal="s2"), TEXT, thought("Three."))
    gives("messages", streamed(*given) if stream else whole(*given))

    blocks = blocks_of(doors, stream=stream)

    assert [block.get("thinking") for block in blocks] == ["One. ", "Two.", None, "Three."]
    assert [block.get("signature") for block in blocks[:2]] == ["s1", "s2"]


def test_thoughts_with_words_between_them_keep_their_place(
    doors: TestClient, gives: Gives, guard: Guard
) -> None:
    guard("output:\n  - banned_phrases: [guaranteed returns]\n")
    gives("messages", streamed(thought("Say guaranteed."), TEXT, thought(" Returns."), TEXT))

    assert len(blocks_of(doors, stream=True)) == 4
