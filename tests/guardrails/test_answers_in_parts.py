"""An answer in several parts of text is judged as the one text that its reader reads."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from guardrails.test_every_answer import Gives, ask, gives, guard

__all__ = ["gives", "guard"]
Guard = Callable[[str], object]


def streamed(*blocks: dict[str, Any] | list[str]) -> list[dict[str, Any]]:
    """Events of Messages: a list is a block of text in those pieces, else a block as it is."""
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    counts = {"input_tokens": 1, "output_tokens": 1}
    events = [{"type": "message_start", "message": whole | {"usage": counts}}]
    for index, block in enumerate(blocks):
        pieces = block if isinstance(block, list) else []
        begun = {"type": "text", "text": ""} if isinstance(block, list) else block
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        for piece in pieces:
            delta = {"type": "text_delta", "text": piece}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts}
    return [*events, ended, {"type": "message_stop"}]


def heard(doors: TestClient) -> list[tuple[str, str]]:
    """Kind and words of each block of a stream of Messages, in the order they came."""
    blocks: list[tuple[str, str]] = []
    open_at = None
    for line in ask(doors, "messages", stream=True).text.splitlines():
        event = json.loads(line[6:]) if line.startswith("data: ") else {"type": ""}
        if event["type"] == "content_block_start":
            assert open_at is None
            open_at = event["index"]
            begun = event["content_block"]
            blocks.append((begun["type"], begun.get("text", "")))
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_at
            kind, words = blocks[-1]
            blocks[-1] = (kind, words + event["delta"].get("text", ""))
        elif event["type"] == "content_block_stop":
            assert event["index"] == open_at
            open_at = None
        assert event["type"] != "error", event
    return blocks


CALL = {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([["Ask eve@exa"], ["mple.com", " now."]], ["Ask [masked:email] now.", ""]),
        ([["Ask ", "eve@"], ["exa"], ["mple.com, then me."]], None),
        ([["One. ", "Two"], [" and three."]], ["One. Two", " and three."]),
        ([["Ask eve@example.com."], [" Thank ", "you."]], ["Ask [masked:email].", " Thank you."]),
        ([["One."], [""], ["Two."]], ["One.", "", "Two."]),
    ],
)
def test_an_address_over_two_parts_is_masked_and_what_is_clean_stays_in_its_part(
    doors: TestClient,
    gives: Gives,
    guard: Guard,
    given: list[list[str]],
    expected: list[str] | None,
) -> None:
    guard("output: [mask_pii]\n")
    gives("messages", streamed(*given))
    blocks = heard(doors)

    words = "".join(text for _, text in blocks)
    assert len(blocks) == len(given)
    said = "".join(piece for block in given for piece in block)
    assert words == said.replace("eve@example.com", "[masked:email]")
    if expected is not None:
        assert [text for _, text in blocks] == expected


def test_parts_of_another_kind_keep_their_place_between_texts(
    doors: TestClient, gives: Gives, guard: Guard
) -> None:
    guard("output: [mask_pii]\n")
    gives("messages", streamed(["Let me ", "look."], CALL, ["Done."], CALL))

    assert heard(doors) == [
        *(("text", "Let me look."), ("tool_use", "")),
        *(("text", "Done."), ("tool_use", "")),
    ]


def test_a_phrase_over_two_parts_of_a_stream_is_held_back(
    doors: TestClient, gives: Gives, guard: Guard
) -> None:
    guard("output:\n  - banned_phrases: [guaranteed returns]\n")
    gives("messages", streamed(["Yes, guaranteed "], ["returns for you."]))
    answer = ask(doors, "messages", stream=True)

    assert "`banned_phrases` held back the answer" in answer.text
    assert "returns for you" not in answer.text


@pytest.mark.parametrize("wire", ["messages", "responses"])
def test_so_is_one_of_a_whole_answer(
    doors: TestClient, gives: Gives, guard: Guard, wire: str
) -> None:
    guard("output:\n  - banned_phrases: [guaranteed returns]\n")
    first, second = "Yes, guaranteed ", "returns for you."
    if wire == "messages":
        whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
        blocks = [{"type": "text", "text": first}, {"type": "text", "text": second}]
        counts = {"input_tokens": 1, "output_tokens": 1}
        gives(wire, whole | {"content": blocks, "stop_reason": "end_turn", "usage": counts})
    else:
        whole = {"id": "resp_1", "object": "response", "status": "completed", "model": "m"}
        pieces = [
            {"type": "output_text", "text": words, "annotations": []} for words in (first, second)
        ]
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        gives(wire, whole | {"created_at": 1, "output": [item | {"content": pieces}]})
    answer = ask(doors, wire)

    assert answer.status_code == 403, answer.text
    assert "`banned_phrases` held back the answer" in answer.text
