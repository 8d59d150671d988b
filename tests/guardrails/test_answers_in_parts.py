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


PHRASE = "guaranteed returns"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", ["messages", "responses"])
@pytest.mark.parametrize(
    "given",
    [
        [f"It has {PHRASE}", "And more."],
        ["Answer", f"{PHRASE} are there."],
        ["One", PHRASE, "two"],
        ["One", f"{PHRASE}.", "Two", "three."],
        ["It has guaranteed ", "returns", "And more."],
    ],
)
def test_the_next_part_does_not_hide_what_one_holds(
    doors: TestClient, gives: Gives, guard: Guard, given: list[str], wire: str, stream: bool
) -> None:
    guard(f"output:\n  - banned_phrases: [{PHRASE}]\n")
    if wire == "messages":
        gives(wire, streamed(*([part[:9], part[9:]] for part in given)))
    else:
        gives(wire, said_in_messages(*given))
    answer = ask(doors, wire, stream=stream)

    assert "`banned_phrases` held back the answer" in answer.text
    assert PHRASE not in answer.text
    assert PHRASE not in doors.get(f"/api/traces/{answer.headers['x-lineside-trace-id']}").text


def said_in_messages(*parts: str) -> dict[str, Any]:
    """An answer of Responses in which each part is a message of its own, as they are shown."""
    whole = {"id": "resp_1", "object": "response", "status": "completed", "model": "m"}
    item = {"type": "message", "role": "assistant", "status": "completed"}
    messages = [
        item
        | {"id": f"msg_{at}", "content": [{"type": "output_text", "text": text, "annotations": []}]}
        for at, text in enumerate(parts)
    ]
    return whole | {"created_at": 1, "output": messages}


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        [["The card ", CARD], ["2 days."], [CARD], ["9 of them."]],
        [["The card ", CARD[:7]], [CARD[7:]], ["2 days."], [CARD], ["9"]],
        [["One. "], [CARD[:7]], [CARD[7:]], ["2 days. "], [CARD]],
    ],
)
def test_a_number_is_masked_where_the_next_part_begins_with_one(
    doors: TestClient, gives: Gives, guard: Guard, given: list[list[str]], stream: bool
) -> None:
    guard("output: [mask_pii]\n")
    gives("messages", streamed(*given))
    if stream:
        parts = [text for _, text in heard(doors)]
    else:
        parts = [block["text"] for block in ask(doors, "messages").json()["content"]]

    said = "".join(piece for block in given for piece in block)
    assert len(parts) == len(given)
    assert "".join(parts) == said.replace(CARD, "[masked:card]")


def thinking(words: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": "-"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", ["chat", "messages"])
@pytest.mark.parametrize(
    "given",
    [
        [["It has guaranteed "], thinking("Hm."), ["returns for you."]],
        [["guar"], CALL, ["anteed ret"], CALL, ["urns"]],
        [thinking("It has guaranteed "), ["Wait."], thinking("returns for you.")],
        [thinking("guaranteed"), CALL, thinking(" ret"), ["Wait."], thinking("urns")],
    ],
)
def test_what_comes_between_does_not_let_a_phrase_through(
    doors: TestClient, gives: Gives, guard: Guard, given: list[Any], wire: str, stream: bool
) -> None:
    guard(f"output:\n  - banned_phrases: [{PHRASE}]\n")
    gives("messages", streamed(*given))
    answer = ask(doors, wire, model="messages/m", stream=stream)

    assert "`banned_phrases` held back the answer" in answer.text
    assert "begins in words that were said before" in answer.text
