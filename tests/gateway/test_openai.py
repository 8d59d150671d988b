"""What an endpoint answers, well and badly, is read."""

import json
from typing import Any

import openai as stock
import pytest

from gateway.small_model import GOOD, KEY, OUTPUT, Opened, ask
from lineside.core import Invalid, Unavailable
from lineside.gateway import ModelReply

pytestmark = pytest.mark.usefixtures("openai_key")


async def test_a_typed_answer_comes_with_what_it_took(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD)
    reply = await ask(opened(usd_per_million_in=2.0, usd_per_million_out=10.0))
    assert reply == ModelReply(
        output=GOOD,
        model="small-2026-01-01",
        confidence=None,
        tokens_in=100,
        tokens_out=10,
        cost_usd=pytest.approx(0.0003),
        attempts=1,
    )


async def test_our_request_is_the_one_the_stock_client_sends(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD)
    await ask(opened(temperature=0.2, max_tokens=50, seed=7))
    strict = {**OUTPUT, "additionalProperties": False}
    async with stock.AsyncOpenAI(base_url=endpoint.url, api_key=KEY) as client:
        completion = await client.chat.completions.create(
            model="small",
            messages=[
                {"role": "system", "content": "Name the topic."},
                {"role": "user", "content": "Where is my money?"},
            ],
            temperature=0.2,
            max_tokens=50,
            seed=7,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": strict, "strict": True},
            },
        )
    ours, theirs = endpoint.requests
    assert ours["body"] == theirs["body"]
    assert ours["path"] == theirs["path"]
    for header in ("Authorization", "Content-Type"):
        assert ours["headers"][header] == theirs["headers"][header]
    assert json.loads(completion.choices[0].message.content or "") == GOOD
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 100


async def test_the_stock_client_reads_our_failures_as_we_do(endpoint: Any) -> None:
    endpoint.fails(401, text="no such key").fails(404).fails(429)
    async with stock.AsyncOpenAI(base_url=endpoint.url, api_key=KEY, max_retries=0) as client:
        for kind in (stock.AuthenticationError, stock.NotFoundError, stock.RateLimitError):
            with pytest.raises(kind):
                await client.chat.completions.create(model="small", messages=[])


@pytest.mark.parametrize("prices", [{}, {"usd_per_million_in": 1.0}, {"usd_per_million_out": 1.0}])
async def test_a_cost_without_both_prices_is_unknown(
    endpoint: Any, opened: Opened, prices: dict[str, float]
) -> None:
    endpoint.answers(GOOD)
    assert (await ask(opened(**prices))).cost_usd is None


async def test_a_reply_without_usage_has_unknown_tokens_and_cost(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers(GOOD, usage=None)
    reply = await ask(opened(usd_per_million_in=2.0, usd_per_million_out=10.0))
    assert (reply.tokens_in, reply.tokens_out, reply.cost_usd) == (None, None, None)


async def test_a_reported_confidence_counts_only_when_trusted(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers(GOOD)
    assert (await ask(opened(trust_confidence=True))).confidence == 0.7


async def test_a_trusted_confidence_outside_0_to_1_is_asked_again(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers({"topic": "card", "confidence": 95}).answers(GOOD)
    reply = await ask(opened(trust_confidence=True))
    assert (reply.confidence, reply.attempts) == (0.7, 2)


# What the model is shown


async def test_placeholders_are_filled_once(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD)
    await ask(opened(prompt="Topic of: {{ message }}"), "a {{message}} b")
    assert endpoint.requests[0]["body"]["messages"] == [
        {"role": "system", "content": "Topic of: a {{message}} b"},
        {"role": "user", "content": "Answer now."},
    ]


async def test_fields_that_the_prompt_does_not_place_follow_as_json(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers(GOOD)
    two = {"type": "object", "properties": {"message": {}, "channel": {}}}
    model = opened(prompt="By {{channel}}", input_schema=two)
    await model.answer({"message": "Grüße", "channel": "mail"})
    await model.close()
    assert [m["content"] for m in endpoint.requests[0]["body"]["messages"]] == [
        "By mail",
        '{"message": "Grüße"}',
    ]


async def test_without_a_prompt_only_the_input_is_sent(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD)
    await ask(opened(prompt=None), "Hello")
    assert endpoint.requests[0]["body"]["messages"] == [{"role": "user", "content": "Hello"}]


async def test_a_schema_with_optional_fields_is_sent_as_it_is_and_not_strict(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers({"topic": "card"})
    loose = {**OUTPUT, "required": ["topic"]}
    await ask(opened(output_schema=loose))
    sent = endpoint.requests[0]["body"]["response_format"]["json_schema"]
    assert (sent["schema"], sent["strict"]) == (loose, False)


async def test_an_endpoint_without_json_schema_is_asked_for_json_from_then_on(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.fails(400, text="response_format json_schema is not supported").answers(GOOD)
    model = opened()
    first = await model.answer({"message": "x"})
    second = await model.answer({"message": "y"})
    await model.close()
    bodies = [request["body"] for request in endpoint.requests]
    kinds = [body["response_format"]["type"] for body in bodies]
    assert kinds == ["json_schema", "json_object", "json_object"]
    assert '"enum": ["refund", "card"]' in bodies[1]["messages"][0]["content"]
    assert bodies[1]["messages"][0]["content"].startswith("Name the topic.")
    assert (first.attempts, second.attempts) == (2, 1)


async def test_an_endpoint_that_knows_neither_form_is_named_with_its_reason(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.fails(400, text="response_format is not supported")
    with pytest.raises(Invalid, match=r"status 400\): response_format is not supported"):
        await ask(opened())
    assert len(endpoint.requests) == 2


# Answers that do not fit


@pytest.mark.parametrize(
    "nonsense",
    ["I think it is a refund", '{"topic": "dog", "confidence": 1}', "[1]", "42", '{"topic": "re'],
)
async def test_nonsense_is_shown_to_the_model_once_and_both_are_paid_for(
    endpoint: Any, opened: Opened, nonsense: str
) -> None:
    endpoint.answers(nonsense).answers(GOOD)
    reply = await ask(opened(usd_per_million_in=1.0, usd_per_million_out=1.0))
    *_, shown, complaint = endpoint.requests[1]["body"]["messages"]
    assert shown == {"role": "assistant", "content": nonsense}
    assert "does not fit" in complaint["content"]
    assert (reply.output, reply.attempts, reply.tokens_in) == (GOOD, 2, 200)
    assert reply.cost_usd == pytest.approx(220 / 1e6)


async def test_nonsense_twice_fails_and_its_words_wait_for_guards(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers("bla " * 10_000)
    with pytest.raises(Invalid, match=r"in a form that does not fit$") as caught:
        await ask(opened())
    assert caught.value.code == "output_misfit"
    assert caught.value.quotes[1].startswith("bla bla")
    assert len(str(caught.value)) < 1000
    assert len(endpoint.requests) == 2


async def test_a_markdown_fence_around_the_answer_is_no_misfit(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers(f"```json\n{json.dumps(GOOD)}\n```")
    assert (await ask(opened())).attempts == 1


async def test_a_schema_elsewhere_is_never_fetched(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD)
    elsewhere = {"type": "object", "properties": {"topic": {"$ref": f"{endpoint.url}/topic"}}}
    with pytest.raises(Invalid, match="refers to something that is not in it"):
        await ask(opened(output_schema=elsewhere))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"content": None, "refusal": "I cannot help with that"}, "model_refused"),
        ({"content": '{"topic": "ref', "finish_reason": "length"}, "answer_cut_off"),
        ({"content": "", "finish_reason": "content_filter"}, "answer_filtered"),
        ({"content": "  "}, "answer_empty"),
        ({"content": "x", "choices": []}, "reply_unreadable"),
    ],
)
async def test_a_reply_without_a_whole_answer_says_why(
    endpoint: Any, opened: Opened, changes: dict[str, Any], code: str
) -> None:
    endpoint.answers(**changes)
    with pytest.raises(Invalid, match="`small` at http://127") as caught:
        await ask(opened())
    assert caught.value.code == code
    for said in ("I cannot help", '{"topic": "ref'):  # for guards to judge before it is told
        assert said not in str(caught.value)
    assert bool(caught.value.quotes) == (code in ("model_refused", "answer_cut_off"))
    assert caught.value.is_paid
    assert caught.value.hint
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<!doctype html><h1>Welcome</h1>", "not_a_model_endpoint"),
        ("certainly!", "reply_unreadable"),
        ({"error": {"message": "upstream died"}}, "reply_unreadable"),
        ({"choices": [{"index": 0}]}, "reply_unreadable"),
        ([], "reply_unreadable"),
        ("x" * 5 * 1024 * 1024, "reply_too_large"),
    ],
    ids=["html", "text", "error with status 200", "half an answer", "list", "5 MB"],
)
async def test_a_body_that_is_no_reply_is_told_apart(
    endpoint: Any, opened: Opened, body: object, code: str
) -> None:
    endpoint.plays(body)
    with pytest.raises((Invalid, Unavailable)) as caught:
        await ask(opened())
    assert caught.value.code == code
    assert len(endpoint.requests) == 1
    assert len(str(caught.value)) < 500
