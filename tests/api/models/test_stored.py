"""Responses that are kept, as OpenAI's stock client asks for them again and goes on from them."""

import json
from typing import Any

import httpx
import openai
import pytest

from api.models.conftest import FakeUpstream
from api.models.test_across import CHAT_CALL, CHAT_TOOLS, RESPONSE_CALL

Kept = openai.types.responses.Response
TOOLS: list[Any] = [{"type": "function", **CHAT_TOOLS[0]["function"]}]
SEALED = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [],
    "encrypted_content": "gAAAAABsealed0123456789==",
}
CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "small-1"}


def chunk(words: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": words}, "finish_reason": finish}
    return b"data: " + json.dumps(CHUNK | {"choices": [choice]}).encode() + b"\n\n"


def create(client: openai.OpenAI, words: Any, **more: Any) -> Kept:
    return client.responses.create(**{"model": "play/any", "input": words} | more)


def listed(client: openai.OpenAI, response_id: str, **more: Any) -> list[tuple[str, str]]:
    items = client.responses.input_items.list(response_id, **more)
    return [(item.role, item.content[0].text) for item in items]


def client_of(server: str, *rights: str, **limits: Any) -> openai.OpenAI:
    wish = {"name": "-".join(rights), "rights": rights, **limits}
    made = httpx.post(f"{server}/api/keys", json=wish, timeout=30)
    assert made.status_code in (200, 201), made.text
    return openai.OpenAI(base_url=f"{server}/v1", api_key=made.json()["secret"], max_retries=0)


def test_a_response_is_kept_as_it_was_answered_until_it_is_deleted(
    openai_client: openai.OpenAI,
) -> None:
    said = create(openai_client, "Say hello.", metadata={"order": "17"})

    assert said.id.startswith("resp_")
    assert said.metadata == {"order": "17"}
    again = openai_client.responses.retrieve(said.id)
    assert again == said
    assert again.output_text == "Grüß Gott aus Graz."
    assert listed(openai_client, said.id) == [("user", "Say hello.")]
    with pytest.raises(openai.BadRequestError, match="nothing is answered in the background"):
        openai_client.responses.cancel(said.id)

    openai_client.responses.delete(said.id)
    for ask in (
        openai_client.responses.retrieve,
        openai_client.responses.delete,
        openai_client.responses.cancel,
        openai_client.responses.input_items.list,
    ):
        with pytest.raises(openai.NotFoundError) as gone:
            ask(said.id)
        assert gone.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        create(openai_client, "And then?", previous_response_id=said.id)
    assert refused.value.code == "previous_response_not_found"


@pytest.mark.parametrize("more", [{}, {"store": False}, {"stream": True}])
def test_a_response_repeats_what_it_was_asked_whatever_its_models_wire(
    openai_client: openai.OpenAI, upstream: FakeUpstream, more: dict[str, Any]
) -> None:
    upstream.answer(CHAT_CALL)
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "max_output_tokens": 77,
        "tools": [{**TOOLS[0], "strict": False}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
    }
    said: Any = create(openai_client, "Hi", model="fake-chat/small", **asked, **more)
    if "stream" in more:
        events = list(said)
        assert events[0].response.temperature == 0.5
        said = events[-1].response

    assert {name: said.to_dict()[name] for name in asked} == asked
    if "store" not in more:
        assert openai_client.responses.retrieve(said.id) == said


def test_one_that_is_not_to_be_kept_is_not(openai_client: openai.OpenAI) -> None:
    said = create(openai_client, "Say hello.", store=False)

    assert said.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(said.id)


def test_a_conversation_goes_on_with_all_that_was_said_but_its_instructions(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    asking: dict[str, Any] = {"model": "fake-chat/small", "tools": TOOLS}
    first = create(openai_client, "Weather in Graz?", instructions="Speak like a poet.", **asking)
    call = next(item for item in first.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = create(openai_client, [result], previous_response_id=first.id, **asking)
    third = create(openai_client, "And Linz?", previous_response_id=second.id, **asking)

    assert third.previous_response_id == second.id
    sent = upstream.asked[2]["messages"]
    assert [one["role"] for one in sent] == [
        *("user", "assistant", "tool", "assistant", "user"),
    ]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == call.call_id
    assert "poet" in json.dumps(upstream.asked[0])
    assert "poet" not in json.dumps(upstream.asked[1:])
    assert "previous_response_id" not in json.dumps(upstream.asked)
    kinds = [item.type for item in openai_client.responses.input_items.list(third.id, order="asc")]
    assert kinds == [
        *("message", "message", "function_call", "function_call_output"),
        *("message", "function_call", "message"),
    ]


def test_one_response_can_be_gone_on_from_twice(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(CHAT_CALL)
    first = create(openai_client, "One", model="fake-chat/small")
    for words in ("Two", "Three"):
        create(openai_client, words, model="fake-chat/small", previous_response_id=first.id)

    assert [one["messages"][-1]["content"] for one in upstream.asked] == ["One", "Two", "Three"]
    assert len(upstream.asked[2]["messages"]) == len(upstream.asked[1]["messages"])


def test_where_a_response_in_between_is_gone_nobody_goes_on_without_it(
    openai_client: openai.OpenAI,
) -> None:
    first = create(openai_client, "One")
    second = create(openai_client, "Two", previous_response_id=first.id)
    openai_client.responses.delete(first.id)

    with pytest.raises(openai.BadRequestError, match="not whole any more") as refused:
        create(openai_client, "Three", previous_response_id=second.id)
    assert refused.value.code == "previous_response_gone"
    assert listed(openai_client, second.id) == [("user", "Two")]


def test_a_stream_is_kept_once_it_is_whole_and_can_be_streamed_again(
    openai_client: openai.OpenAI,
) -> None:
    asked = "The weather in Graz and Linz?"
    events: Any = list(create(openai_client, asked, stream=True, metadata={"a": "b"}))
    final = events[-1].response

    assert {final.id} == {one.response.id for one in events if hasattr(one, "response")}
    kept = openai_client.responses.retrieve(final.id)
    assert (kept, kept.metadata) == (final, {"a": "b"})
    replayed = list(openai_client.responses.retrieve(final.id, stream=True))
    assert replayed[0].type == "response.created"
    assert replayed[-1].type == "response.completed"
    assert replayed[-1].response == kept
    tail = list(openai_client.responses.retrieve(final.id, stream=True, starting_after=2))
    assert tail == replayed[3:]
    more = create(openai_client, "Thank you", previous_response_id=final.id)
    assert more.output_text


def test_a_stream_that_breaks_off_is_not_kept(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.stream(chunk("Half an"), "reset")
    stream = openai_client.responses.create(model="shaky-19/m", input="Hi", stream=True)
    events = list(stream)
    made = events[0].response.id

    assert events[-1].type == "error"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(made)


def test_an_answer_that_was_cut_at_its_limit_is_kept_as_incomplete(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    [choice] = [dict(one) for one in CHAT_CALL["choices"]]
    cut = choice | {"finish_reason": "length"}
    upstream.answer(CHAT_CALL | {"choices": [cut]})
    said = create(openai_client, "Tell me all", model="fake-chat/small")

    kept = openai_client.responses.retrieve(said.id)
    assert (kept.status, kept.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_provider_of_the_same_wire_gets_back_what_it_sealed_and_no_id_of_ours(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    upstream.answer(RESPONSE_CALL | {"output": [SEALED, *RESPONSE_CALL["output"]]})
    asking: dict[str, Any] = {"model": "fake-responses/gpt-1", "tools": TOOLS}
    asking["include"] = ["reasoning.encrypted_content"]
    first = create(openai_client, "Weather in Graz?", **asking)
    result = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    second = create(openai_client, [result], previous_response_id=first.id, store=True, **asking)

    assert first.id != second.id
    assert openai_client.responses.retrieve(first.id).output[0].encrypted_content
    sent = upstream.asked[1]
    assert sent["input"][1] == SEALED
    assert sent["input"][-1] == result
    assert not sent.keys() & {"previous_response_id", "store"}
    assert first.id not in json.dumps(sent)


def test_a_thought_of_another_wires_model_is_not_sent_to_one_that_would_refuse_it(
    openai_client: openai.OpenAI, upstream: FakeUpstream
) -> None:
    first = create(openai_client, "The weather in Graz and Linz?")
    assert first.output[0].type == "reasoning"
    results = [
        {"type": "function_call_output", "call_id": one.call_id, "output": "sunny"}
        for one in first.output[1:]
    ]
    upstream.answer(RESPONSE_CALL)
    create(openai_client, results, model="fake-responses/gpt-1", previous_response_id=first.id)

    kinds = [item.get("type", "message") for item in upstream.asked[0]["input"]]
    assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2]


def test_input_items_come_by_pages(openai_client: openai.OpenAI) -> None:
    turns: list[Any] = [{"role": "user", "content": f"{at}"} for at in range(45)]
    said = create(openai_client, turns)

    numbers = [str(at) for at in range(45)]
    assert [text for _, text in listed(openai_client, said.id, order="asc")] == numbers
    assert [text for _, text in listed(openai_client, said.id, limit=7)] == numbers[::-1]
    page = openai_client.responses.input_items.list(said.id, order="asc", limit=10)
    assert (len(page.data), page.has_more) == (10, True)
    following = openai_client.responses.input_items.list(said.id, order="asc", after=page.last_id)
    assert following.data[0].content[0].text == "10"
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "up"}, {"after": "msg_nobody"}):
        with pytest.raises(openai.BadRequestError):
            openai_client.responses.input_items.list(said.id, **wrong)


def test_a_key_sees_what_it_asked_and_what_it_may_read_and_nothing_else(
    openai_client: openai.OpenAI, server: str
) -> None:
    one, other = client_of(server, "run"), client_of(server, "run")
    reader, eraser = client_of(server, "run", "read"), client_of(server, "read", "erase")
    elsewhere = client_of(server, "run", "read", "erase", use_cases=["triage"])
    said = create(one, "A secret plan")
    nobody = "resp_" + "0" * 48

    told: list[str] = []
    for stranger in (other, elsewhere):
        for ask in (stranger.responses.retrieve, stranger.responses.delete):
            for response_id in (said.id, nobody):
                with pytest.raises(openai.NotFoundError) as refused:
                    ask(response_id)
                told.append(str(refused.value).replace(response_id, "ID"))
        with pytest.raises(openai.NotFoundError):
            stranger.responses.input_items.list(said.id)
    assert len(set(told)) == 1
    told.clear()
    for response_id in (said.id, nobody):
        with pytest.raises(openai.BadRequestError) as refused:
            create(other, "Go on", previous_response_id=response_id)
        told.append(str(refused.value).replace(response_id, "ID"))
    assert len(set(told)) == 1

    assert one.responses.retrieve(said.id) == said
    assert reader.responses.retrieve(said.id) == said
    assert openai_client.responses.retrieve(said.id) == said
    with pytest.raises(openai.PermissionDeniedError, match="erase"):
        reader.responses.delete(said.id)
    eraser.responses.delete(said.id)
    with pytest.raises(openai.NotFoundError):
        one.responses.retrieve(said.id)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"conversation": "conv_1"}, "previous_response_id"),
        ({"background": True}, "while its caller waits"),
        ({"prompt": {"id": "pmpt_1"}}, "instructions"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "Send the item itself"),
        ({"tools": [{"type": "web_search"}]}, "runs at one provider"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "runs at one"),
        ({"previous_response_id": 7}, "expected a text"),
        ({"store": "yes"}, "expected true or false"),
    ],
)
@pytest.mark.parametrize("model", ["fake-chat/small"])
def test_what_rests_on_things_kept_elsewhere_is_refused_in_words(
    server: str, upstream: FakeUpstream, model: str, asked: dict[str, Any], words: str
) -> None:
    upstream.answer(CHAT_CALL)
    body = {"model": model, "input": "Hi"} | asked
    answer = httpx.post(f"{server}/v1/responses", json=body, timeout=30)

    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
    assert upstream.asked == []


def test_what_else_the_client_has_for_responses_is_refused_in_words(
    openai_client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.NotFoundError, match="count_tokens"):
        openai_client.responses.input_tokens.count(model="play/any", input="Hi")
    with pytest.raises(openai.NotFoundError, match="begin anew"):
        openai_client.responses.compact(model="play/any", input="Hi")


def test_the_other_doors_go_on_from_nothing(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="only `/v1/responses` has it"):
        openai_client.chat.completions.create(
            model="play/any",
            messages=[{"role": "user", "content": "Hi"}],
            extra_body={"previous_response_id": "resp_1"},
        )
