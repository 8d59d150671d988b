"""The stock clients at the doors, before a provider that plays a script."""

from typing import Any

import anthropic
import httpx
import openai
import pytest

ASK = [{"role": "user", "content": "Say hello."}]
WEATHER = [{"role": "user", "content": "The weather in Graz and Linz?"}]
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_chat_completions_answers_and_streams(openai_client: openai.OpenAI) -> None:
    whole = openai_client.chat.completions.create(model="play/any", messages=ASK)
    chunks = list(
        openai_client.chat.completions.create(
            model="play/any", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )

    assert whole.choices[0].message.content == "Grüß Gott aus Graz."
    assert (whole.choices[0].finish_reason, whole.usage.total_tokens) == ("stop", 9)
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "Grüß Gott aus Graz."
    assert len(chunks) > 4
    assert chunks[-1].usage.prompt_tokens == 5


def test_chat_completions_streams_parallel_tool_calls(openai_client: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
    with openai_client.chat.completions.stream(
        model="play/any", messages=WEATHER, tools=tools
    ) as stream:
        final = stream.get_final_completion()

    choice = final.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert [call.function.arguments for call in choice.message.tool_calls] == [
        '{"city":"Graz"}',
        '{"city":"Linz"}',
    ]


def test_responses_answers_and_streams(openai_client: openai.OpenAI) -> None:
    whole = openai_client.responses.create(model="play/any", input="Say hello.")
    with openai_client.responses.stream(model="play/any", input=WEATHER) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert (whole.output_text, whole.status, whole.usage.total_tokens) == (
        "Grüß Gott aus Graz.",
        "completed",
        9,
    )
    assert [item.type for item in final.output] == ["reasoning", "function_call", "function_call"]
    assert final.output[1].arguments == '{"city":"Graz"}'
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    thought = list(dict.fromkeys(kind for kind in kinds if "reasoning" in kind))
    assert thought == [
        f"response.reasoning_summary_{what}"
        for what in ("part.added", "text.delta", "text.done", "part.done")
    ]


def test_a_provider_that_is_not_there_is_named_with_those_that_are(
    openai_client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.chat.completions.create(model="pley/any", messages=ASK)

    assert missing.value.code == "unknown_model"
    assert "neither a use case nor a model of a known provider" in missing.value.message
    assert "Did you mean `play`?" in missing.value.message


@pytest.mark.parametrize("more", [{"n": 2}, {"logprobs": True}])
def test_a_script_refuses_what_its_answer_would_lack(
    openai_client: openai.OpenAI, more: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError, match="The model that is to answer cannot give"):
        openai_client.chat.completions.create(model="play/any", messages=ASK, **more)


def test_messages_answers_and_streams(anthropic_client: anthropic.Anthropic) -> None:
    whole = anthropic_client.messages.create(model="play/any", max_tokens=100, messages=ASK)
    with anthropic_client.messages.stream(
        model="play/any", max_tokens=100, messages=WEATHER
    ) as stream:
        final = stream.get_final_message()

    assert (whole.content[0].text, whole.stop_reason) == ("Grüß Gott aus Graz.", "end_turn")
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (5, 4)
    assert [block.type for block in final.content] == ["thinking", "tool_use", "tool_use"]
    assert final.content[2].input == {"city": "Linz"}
    assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", 7)


def test_embeddings_come_without_a_provider(openai_client: openai.OpenAI) -> None:
    answer = openai_client.embeddings.create(
        model="embedded/words", input=["an invoice", "a bill", "a tyre"]
    )

    invoice, bill, tyre = (item.embedding for item in answer.data)
    near = sum(a * b for a, b in zip(invoice, bill, strict=True))
    far = sum(a * b for a, b in zip(invoice, tyre, strict=True))
    assert len(invoice) == 256
    assert near > far


def test_models_are_listed_for_both_clients(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    names = [model.id for model in openai_client.models.list()]

    assert {"fast", "fake-chat/small", "embedded/words"} <= set(names)
    assert [model.id for model in anthropic_client.models.list()] == names
    for client in (openai_client, anthropic_client):
        assert client.models.retrieve("fake-chat/small").id == "fake-chat/small"
    with pytest.raises(openai.NotFoundError, match="Did you mean `fake-chat/small`"):
        openai_client.models.retrieve("fake-chat/smal")
    with pytest.raises(anthropic.NotFoundError, match="No model is listed as `nothing`"):
        anthropic_client.models.retrieve("nothing")


def test_a_key_of_a_use_case_is_listed_only_what_it_may_call(server: str) -> None:
    def listed(**limits: list[str]) -> list[str]:
        wish = {"name": f"of {limits}", "rights": ["run"], **limits}
        secret = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()["secret"]
        client = openai.OpenAI(base_url=f"{server}/v1", api_key=secret, max_retries=0)
        return [model.id for model in client.models.list()]

    assert "fake-chat/small" in listed()
    assert listed(use_cases=["triage"]) == []  # nothing of it is live here
    assert listed(use_cases=["triage"], models=["fake-*"]) == ["fake-chat/small"]


def test_a_path_that_is_no_door_is_refused_in_the_words_of_each_wire(
    server: str, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    with pytest.raises(openai.NotFoundError) as gone:
        openai_client.post("/completions", body={}, cast_to=object)
    assert gone.value.code == "unknown_path"
    with pytest.raises(anthropic.NotFoundError, match="There is no door at `POST /v1/complete`"):
        anthropic_client.post("/v1/complete", body={}, cast_to=object)

    wrong = httpx.get(f"{server}/v1/chat/completions")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    also_wrong = httpx.get(f"{server}/v1/messages")
    assert (also_wrong.status_code, also_wrong.json()["type"]) == (405, "error")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "play/any"}, 400, "`body.messages` is missing"),
        (
            {"model": "play/any", "messages": [{"role": "user", "content": 5}]},
            400,
            "a whole number",
        ),
        ({"model": "nowhere", "messages": ASK}, 404, "no use case `nowhere`"),
        (
            {"model": "play/any", "messages": [{"role": "user", "content": "broken"}]},
            503,
            "on purpose",
        ),
    ],
)
def test_errors_are_in_the_words_of_each_wire(
    server: str, body: dict, status: int, words: str
) -> None:
    chat = httpx.post(f"{server}/v1/chat/completions", json=body)
    messages = httpx.post(f"{server}/v1/messages", json=body)

    assert (chat.status_code, messages.status_code) == (status, status)
    assert words in chat.json()["error"]["message"]
    assert {"message", "type", "param", "code"} == chat.json()["error"].keys()
    assert messages.json()["type"] == "error"
    assert messages.json()["request_id"] == messages.headers["request-id"]


def test_a_use_case_gives_no_vectors(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"use case answers in words.*embedded/words"):
        openai_client.embeddings.create(model="topics", input="Good morning")


def test_a_bad_key_opens_no_door(server: str) -> None:
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{server}/v1", api_key="lsk_no").models.list()
    with pytest.raises(openai.AuthenticationError, match="may send `local`"):
        openai.OpenAI(base_url=f"{server}/v1", api_key="sk-somebody-elses").models.list()
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=server, api_key="lsk_no").messages.create(
            model="play/any", max_tokens=5, messages=ASK
        )


def test_a_call_joins_the_callers_trace_and_says_what_it_took(server: str) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = httpx.post(
        f"{server}/v1/chat/completions",
        json={"model": "play/any", "messages": ASK},
        headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"},
    )
    found = httpx.get(f"{server}/api/traces/{trace_id}", timeout=30)

    assert found.status_code == 200, found.text
    assert answer.headers["x-lineside-trace-id"] == trace_id
    assert answer.headers["traceparent"].startswith(f"00-{trace_id}-")
    assert float(answer.headers["x-lineside-own-ms"]) < 500
    [span] = found.json()
    assert span["parent_span_id"] == "b7ad6b7169203331"
    assert (span["provider"], span["model"], span["tokens_in"]) == ("play", "any", 5)
    assert span["messages_out"][0]["parts"][0]["content"] == "Grüß Gott aus Graz."


@pytest.mark.parametrize(
    "header",
    [
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"ff-{'1' * 32}-{'2' * 16}-01",
        f"00-{'1' * 32}-{'2' * 16}-01-more",
    ],
)
def test_a_header_that_names_no_place_begins_a_trace_of_the_calls_own(
    server: str, header: str
) -> None:
    asked = {"model": "play/any", "messages": ASK}
    answer = httpx.post(
        f"{server}/v1/chat/completions", json=asked, headers={"traceparent": header}
    )

    trace_id = answer.headers["x-lineside-trace-id"]
    assert trace_id not in ("0" * 32, "1" * 32)
    [span] = httpx.get(f"{server}/api/traces/{trace_id}", timeout=30).json()
    assert span["parent_span_id"] is None


def test_a_header_of_a_later_version_is_understood_as_far_as_it_is_known(server: str) -> None:
    asked = {"model": "play/any", "messages": ASK}
    later = {"traceparent": f"01-{'3' * 32}-{'2' * 16}-01-what-comes-then"}
    answer = httpx.post(f"{server}/v1/chat/completions", json=asked, headers=later)

    assert answer.headers["x-lineside-trace-id"] == "3" * 32
