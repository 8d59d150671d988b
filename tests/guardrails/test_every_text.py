"""Nothing that a caller can write goes to a provider unjudged, wherever it stands."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.models.conftest import FakeUpstream

MAIL = "jane.roe@example.com"
SECRET = "password: hunter2x"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
)
TEXT = {"type": "text", "text": "Hello"}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


def bodies(wire: str, said: str) -> dict[str, dict[str, Any]]:
    """What a request adds to a plain one so that a text stands at a place, by the place."""

    def user(*content: Any, **fields: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": list(content), **fields}]}

    def result(*content: Any) -> dict[str, Any]:
        call = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}
        back = {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(content)}
        asked = {"role": "assistant", "content": [call]}
        return {"messages": [{"role": "user", "content": "find"}, asked, *user(back)["messages"]]}

    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain"}}
    document["source"]["data"] = "Nothing"
    search = {"type": "search_result", "source": "https://x.org", "title": "T", "content": [TEXT]}
    picture = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    schema = {"type": "object", "properties": {"to": {"type": "string"}}}
    described = {"type": "object", "properties": {"to": {"type": "string", "description": said}}}
    if wire == "messages":
        return {
            "document": user(
                {**document, "source": {"type": "text", "media_type": "text/plain", "data": said}}
            ),
            "title": user({**document, "title": said}),
            "context": user({**document, "context": said}),
            "blocks": user(
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": said}]},
                }
            ),
            "search": user({**search, "content": [{"type": "text", "text": said}]}),
            "search title": user({**search, "title": said}),
            "result document": result({**document, "title": said}),
            "result search": result({**search, "content": [{"type": "text", "text": said}]}),
            "server tool": {
                "messages": [
                    {"role": "user", "content": "go"},
                    {
                        "role": "assistant",
                        "content": [
                            {
                                "type": "server_tool_use",
                                "id": "srvtoolu_1",
                                "name": "web_search",
                                "input": {"query": said},
                            },
                            {
                                "type": "web_search_tool_result",
                                "tool_use_id": "srvtoolu_1",
                                "content": [
                                    {
                                        "type": "web_search_result",
                                        "title": said,
                                        "url": "https://x.org",
                                        "encrypted_content": "abc=",
                                    }
                                ],
                            },
                        ],
                    },
                ]
            },
            "metadata": {"metadata": {"user_id": said}},
            "more metadata": {"metadata": {"user_id": "7", "note": said}},
            "mcp": {"mcp_servers": [{"type": "url", "url": "https://x.org", "name": said}]},
            "tool": {"tools": [{"name": "a", "description": said, "input_schema": schema}]},
            "schema": {"tools": [{"name": "a", "input_schema": described}]},
            "image field": user({"type": "image", "source": picture, "note": said}, TEXT),
            "unknown": user({"type": "hologram", "words": {"deep": [said]}}),
            "unknown field": {"new_thing": {"words": [said]}},
            "stop": {"stop_sequences": [said]},
            "system": {"system": [{"type": "text", "text": said}]},
        }
    if wire == "responses":
        item = {"type": "message", "role": "user"}
        return {
            "instructions": {"instructions": said},
            "metadata": {"metadata": {"note": said}},
            "file name": {
                "input": [
                    item
                    | {
                        "content": [
                            {
                                "type": "input_file",
                                "filename": said,
                                "file_data": f"data:application/pdf;base64,{PIXEL}",
                            }
                        ]
                    }
                ]
            },
            "item": {"input": [{"type": "mcp_call", "id": "mcp_1", "output": said}]},
            "result": {
                "input": [
                    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c1", "output": said},
                ]
            },
            "unknown field": {"new_thing": said},
            "user": {"user": said},
            "tool": {
                "tools": [{"type": "function", "name": "a", "parameters": described}],
            },
        }
    function = {"name": "a", "parameters": schema}
    form = {"name": "f", "schema": schema}
    file = {"file_data": f"data:application/pdf;base64,{PIXEL}", "filename": said}
    return {
        "prediction": {"prediction": {"type": "content", "content": said}},
        "tool": {"tools": [{"type": "function", "function": {**function, "description": said}}]},
        "schema": {
            "tools": [{"type": "function", "function": {**function, "parameters": described}}]
        },
        "form": {
            "response_format": {"type": "json_schema", "json_schema": {**form, "description": said}}
        },
        "form schema": {
            "response_format": {"type": "json_schema", "json_schema": {**form, "schema": described}}
        },
        "name": user(TEXT, name=said),
        "metadata": {"metadata": {"note": said}},
        "user": {"user": said},
        "stop": {"stop": said},
        "stops": {"stop": ["x", said]},
        "search": {"web_search_options": {"user_location": {"approximate": {"city": said}}}},
        "unknown": {"new_thing": said},
        "unknown message field": user(TEXT, new_thing={"words": said}),
        "unknown part": user({"type": "hologram", "words": said}),
        "file name": user({"type": "file", "file": file}),
        "escaped": {
            "messages": [
                {"role": "user", "content": "go"},
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {
                                "name": "a",
                                "arguments": json.dumps({"to": said}).replace("@", "\\u0040"),
                            },
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "done"},
            ]
        },
    }


def ask(doors: TestClient, wire: str, more: dict[str, Any]) -> Any:
    plain = {"input": "Hello"} if wire == "responses" else {}
    plain |= {"max_tokens": 99} if wire == "messages" else {}
    if wire != "responses":
        plain["messages"] = [{"role": "user", "content": "Hello"}]
    return doors.post(PATHS[wire], json={"model": f"{wire}/m"} | plain | more)


PLACES = [(wire, place) for wire in PATHS for place in bodies(wire, "")]


@pytest.mark.parametrize(("wire", "place"), PLACES)
def test_an_address_is_masked_wherever_it_stands(
    doors: TestClient, upstream: FakeUpstream, wire: str, place: str
) -> None:
    upstream.asked.clear()
    answer = ask(doors, wire, bodies(wire, MAIL)[place])

    assert answer.status_code == 200, answer.text
    assert "mask_pii=transform" in answer.headers["x-lineside-guards"]
    assert MAIL not in json.dumps(upstream.asked)
    assert "[EMAIL_1]" in json.dumps(upstream.asked)
    assert f"Mark: {MAIL}" in answer.text


@pytest.mark.parametrize(("wire", "place"), PLACES)
def test_a_password_is_held_back_wherever_it_stands(
    doors: TestClient, upstream: FakeUpstream, wire: str, place: str
) -> None:
    upstream.asked.clear()
    answer = ask(doors, wire, bodies(wire, SECRET)[place])

    assert answer.status_code == 403, answer.text
    assert "`no_secrets` held back the input" in answer.text
    assert upstream.asked == []


FIXED = {
    "picture": (
        "chat",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"https://x.org/?to={MAIL}"}}
                    ],
                }
            ]
        },
        "the address of a picture or file",
    ),
    "name": (
        "messages",
        {"tools": [{"name": MAIL, "input_schema": {"type": "object"}}]},
        "the name of a tool",
    ),
    "property": (
        "messages",
        {"tools": [{"name": "a", "input_schema": {"type": "object", "properties": {MAIL: {}}}}]},
        "a name in the schema of a tool",
    ),
    "key": ("chat", {"metadata": {MAIL: "x"}}, "a name in `metadata`"),
}


@pytest.mark.parametrize("place", FIXED)
def test_what_nothing_can_take_the_place_of_is_refused_in_words(
    doors: TestClient, upstream: FakeUpstream, place: str
) -> None:
    upstream.asked.clear()
    wire, more, said = FIXED[place]
    answer = ask(doors, wire, more)

    assert answer.status_code == 403
    assert f"it holds 1 email, in {said}, where nothing can take its place" in answer.text
    assert upstream.asked == []


def test_choices_are_masked_both_ways(doors: TestClient, upstream: FakeUpstream) -> None:
    upstream.asked.clear()
    schema = {"type": "object", "properties": {"to": {"enum": [MAIL, "nobody"]}}}
    answer = ask(doors, "messages", {"tools": [{"name": "a", "input_schema": schema}]})

    sent = upstream.asked[0]["tools"][0]["input_schema"]["properties"]["to"]["enum"]
    assert sent == ["[EMAIL_1]", "nobody"]
    assert MAIL in answer.text


@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_an_address_in_two_pieces_is_seen(
    doors: TestClient, upstream: FakeUpstream, wire: str
) -> None:
    upstream.asked.clear()
    pieces = ["Write to jane.roe@exa", "mple.com"]
    content = [{"type": "text", "text": piece} for piece in pieces]
    answer = ask(doors, wire, {"messages": [{"role": "user", "content": content}]})

    sent = [part["text"] for part in upstream.asked[0]["messages"][0]["content"]]
    assert sent == ["Write to [EMAIL_1", "]"]
    assert MAIL in answer.text


def test_the_header_names_each_guard_also_without_a_text(
    doors: TestClient, upstream: FakeUpstream
) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    answer = ask(doors, "chat", {"messages": [{"role": "user", "content": [picture]}]})

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-lineside-guards"] == "mask_pii=allow, no_secrets=allow"
    assert upstream.asked[-1]["messages"][0]["content"] == [picture]


@pytest.mark.parametrize("depth", [70, 300])
def test_what_nests_deeper_than_anybody_looks_is_refused(doors: TestClient, depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    answer = ask(doors, "chat", {"new_thing": deep})

    assert answer.status_code == 403
    assert "nests deeper than 64" in answer.text


def test_a_number_among_arguments_becomes_a_text(doors: TestClient, upstream: FakeUpstream) -> None:
    upstream.asked.clear()
    card = {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {"card": 4111111111111111}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "paid"}
    turns = [
        {"role": "user", "content": "pay"},
        {"role": "assistant", "content": [card]},
        {"role": "user", "content": [result]},
    ]
    answer = ask(doors, "messages", {"messages": turns})

    assert answer.status_code == 200, answer.text
    [sent] = upstream.asked[0]["messages"][1]["content"]
    assert sent["input"] == {"card": "[CARD_1]"}


STOCK = Path(__file__).parent / "stock_requests.json"


@pytest.mark.parametrize("wire", PATHS)
def test_what_stock_clients_send_goes_out_as_it_came(
    doors: TestClient, upstream: FakeUpstream, wire: str
) -> None:
    upstream.asked.clear()
    asked = json.loads(STOCK.read_text())[wire]
    answer = doors.post(PATHS[wire], json={"model": f"{wire}/m"} | asked)

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-lineside-guards"] == "mask_pii=allow, no_secrets=allow"
    assert upstream.asked == [{"model": "m"} | asked]
