"""Nothing that a provider gives reaches a caller unjudged, wherever it stands in an answer."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from starlette.testclient import TestClient

from api.models.conftest import FakeUpstream
from lineside.api import probed_answers

MAIL = "eve.noor@example.com"
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
ANSWERS = {
    "chat": probed_answers.chat_answers,
    "messages": probed_answers.messages_answers,
    "responses": probed_answers.responses_answers,
}
PLACES = [(wire, place) for wire, answers in ANSWERS.items() for place in answers("")]
Gives = Callable[..., None]


@pytest.fixture
def guard(doors_home: Path) -> Iterator[Callable[[str], object]]:
    """Declares guards of plain models, for one test."""
    file = doors_home / "guards.yaml"
    before = file.read_text()
    yield file.write_text
    file.write_text(before)


@pytest.fixture
def gives(upstream: FakeUpstream) -> Iterator[Gives]:
    """Lets a provider give an answer, or events of one, for one test."""
    kept = dict(upstream.by_provider)

    def give(wire: str, answer: dict[str, Any] | list[dict[str, Any]]) -> None:
        form, pieces = "application/json", [json.dumps(answer).encode()]
        if isinstance(answer, list):
            form = "text/event-stream"
            pieces = [
                f"event: {one.get('type', 'message')}\ndata: {json.dumps(one)}\n\n".encode()
                for one in answer
            ]
            pieces += [b"data: [DONE]\n\n"] if wire == "chat" else []
        upstream.by_provider[wire] = (200, form, pieces, {})

    yield give
    upstream.by_provider.update(kept)


def ask(doors: TestClient, wire: str, said: str = "Hello", **more: Any) -> httpx.Response:
    body: dict[str, Any] = {"input": said} if wire == "responses" else {}
    body |= {"max_tokens": 99} if wire == "messages" else {}
    if wire != "responses":
        body["messages"] = [{"role": "user", "content": said}]
    return doors.post(PATHS[wire], json={"model": f"{wire}/m"} | body | more)


def read(value: Any) -> str:
    """All that stands in an answer, read on over the places where a provider cut it."""
    if isinstance(value, dict):
        return "".join(
            read(one) for name, one in value.items() if name not in ("type", "signature")
        )
    if isinstance(value, list):
        return "".join(map(read, value))
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("wire", "place"), PLACES)
def test_an_address_is_masked_wherever_it_stands_in_an_answer(
    doors: TestClient, gives: Gives, guard: Callable[[str], object], wire: str, place: str
) -> None:
    guard("output: [mask_pii]\n")
    gives(wire, ANSWERS[wire](MAIL)[place])
    answer = ask(doors, wire)

    assert answer.status_code == 200, answer.text
    assert MAIL not in read(answer.json())
    assert "[masked:email]" in read(answer.json())
    assert answer.headers["x-lineside-guards"] == "mask_pii=transform"
    trace = doors.get(f"/api/traces/{answer.headers['x-lineside-trace-id']}")
    assert MAIL not in read(trace.json())


@pytest.mark.parametrize(("wire", "place"), PLACES)
def test_what_is_banned_leaves_in_no_place_of_an_answer(
    doors: TestClient, gives: Gives, guard: Callable[[str], object], wire: str, place: str
) -> None:
    guard("output:\n  - banned_phrases: [guaranteed returns]\n")
    gives(wire, ANSWERS[wire]("guaranteed returns")[place])
    answer = ask(doors, wire)

    assert answer.status_code == 403, answer.text
    assert "`banned_phrases` held back the answer" in answer.text
    for half in ("guaranteed", "returns"):
        assert half not in answer.text
        assert half not in doors.get(f"/api/traces/{answer.headers['x-lineside-trace-id']}").text


def test_without_guards_of_answers_all_of_one_passes_as_it_came(
    doors: TestClient, gives: Gives
) -> None:
    for wire, place in PLACES:
        given = ANSWERS[wire](MAIL)[place]
        gives(wire, given)
        assert MAIL in read(ask(doors, wire).json()), (wire, place)


def test_what_a_provider_repeats_of_a_request_is_nothing_new(
    doors: TestClient, gives: Gives, guard: Callable[[str], object]
) -> None:
    guard("input: [mask_pii]\noutput:\n  - banned_phrases: [guaranteed returns]\n")
    told = "Never promise guaranteed returns. Ask ann@example.com."
    plain = probed_answers.responses_answers("-")["a thought"]
    gives("responses", plain | {"instructions": told.replace("ann@example.com", "[EMAIL_1]")})
    answer = ask(doors, "responses", instructions=told)

    assert answer.status_code == 200, answer.text
    assert answer.json()["instructions"] == told


def test_a_recording_is_left_out_where_its_words_were_masked(
    doors: TestClient, gives: Gives, guard: Callable[[str], object]
) -> None:
    guard("output: [mask_pii]\n")
    sound = base64.b64encode(b"spoken" * 20).decode()
    for words, kept in ((f"Write to {MAIL}", ""), ("Write to us", sound)):
        answer = probed_answers.chat_answers(words)["a recording's words"]
        answer["choices"][0]["message"]["audio"]["data"] = sound
        gives("chat", answer)
        got = ask(doors, "chat")
        assert got.json()["choices"][0]["message"]["audio"]["data"] == kept
        assert got.headers.get("x-lineside-left-out") == (None if kept else "audio")


def test_probabilities_of_a_refusal_and_numbers_of_words_are_left_out(
    doors: TestClient, gives: Gives, guard: Callable[[str], object]
) -> None:
    guard("output: [mask_pii]\n")
    answer = probed_answers.chat_answers("No")["a refusal"]
    told = [{"token": "eve", "logprob": -0.1}]
    answer["choices"][0] |= {"logprobs": {"content": None, "refusal": told}, "token_ids": [7, 9]}
    gives("chat", answer)
    got = ask(doors, "chat")

    assert "logprobs" not in got.json()["choices"][0]
    assert "token_ids" not in got.text
    assert got.headers["x-lineside-left-out"] == "logprobs, token_ids"


def test_an_address_behind_an_escape_is_masked_in_arguments(
    doors: TestClient, gives: Gives, guard: Callable[[str], object]
) -> None:
    guard("output: [mask_pii]\n")
    arguments = json.dumps({"to": MAIL}).replace("@", "\\u0040")
    gives("chat", probed_answers.chat_answers(arguments)["arguments"])
    call = ask(doors, "chat").json()["choices"][0]["message"]["tool_calls"][0]

    assert json.loads(call["function"]["arguments"]) == {"to": "[masked:email]"}


CITED = {
    "type": "char_location",
    "cited_text": f"Ask {MAIL}",
    "document_index": 0,
    "document_title": "Staff",
    "start_char_index": 0,
    "end_char_index": 9,
}
STARTED = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}


def test_a_stock_client_of_messages_streams_masked_citations_and_searches(
    doors: TestClient, gives: Gives, guard: Callable[[str], object]
) -> None:
    guard("output: [mask_pii]\n")
    usage = {"input_tokens": 1, "output_tokens": 1}
    searched = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    query = json.dumps({"query": MAIL}).replace("@", "\\u0040")

    def delta(at: int, **more: Any) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": at, "delta": more}

    gives(
        "messages",
        [
            {"type": "message_start", "message": STARTED | {"usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": searched},
            delta(0, type="input_json_delta", partial_json=query[:9]),
            delta(0, type="input_json_delta", partial_json=query[9:]),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "text", "text": ""},
            },
            delta(1, type="text_delta", text="Ask her."),
            delta(1, type="citations_delta", citation=CITED),
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
            {"type": "message_stop"},
        ],
    )
    client = anthropic.Anthropic(
        api_key="local", max_retries=0, base_url="http://127.0.0.1", http_client=doors
    )
    asked = [{"role": "user", "content": "Whom?"}]
    with client.messages.stream(model="messages/m", max_tokens=99, messages=asked) as stream:
        said = stream.get_final_message()

    assert said.content[0].input == {"query": "[masked:email]"}
    assert said.content[1].text == "Ask her."
    assert said.content[1].citations[0].cited_text == "Ask [masked:email]"


def test_a_stock_client_of_responses_streams_masked_annotations(
    doors: TestClient, gives: Gives, guard: Callable[[str], object]
) -> None:
    guard("output: [mask_pii]\n")
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress"}
    cited = {"type": "url_citation", "url": f"https://x.org/?q={MAIL}", "title": MAIL}
    cited |= {"start_index": 0, "end_index": 3}
    part = {"type": "output_text", "text": "Her.", "annotations": [cited]}
    response = {"id": "resp_1", "object": "response", "model": "m", "created_at": 1}
    place = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    done = item | {"status": "completed", "content": [part]}
    events = [
        {
            "type": "response.created",
            "response": response | {"status": "in_progress", "output": []},
        },
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {"type": "response.content_part.added", "part": part | {"text": "", "annotations": []}},
        {"type": "response.output_text.delta", "delta": "Her."},
        {"type": "response.output_text.done", "text": "Her."},
        {"type": "response.content_part.done", "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {
            "type": "response.completed",
            "response": response | {"status": "completed", "output": [done]},
        },
    ]
    gives("responses", [place | one | {"sequence_number": n} for n, one in enumerate(events)])
    client = openai.OpenAI(
        api_key="local", max_retries=0, base_url="http://127.0.0.1/v1", http_client=doors
    )
    found = list(client.responses.create(model="responses/m", input="Whom?", stream=True))

    [last] = [one for one in found if one.type == "response.completed"]
    assert last.response.output[0].content[0].annotations[0].title == "[masked:email]"
    assert MAIL not in "".join(one.model_dump_json() for one in found)
