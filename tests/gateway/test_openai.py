"""An endpoint that answers well, badly, late or not at all."""

import asyncio
import gc
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import openai as stock
import pytest

from lineside.core import Denied, Invalid, Unavailable
from lineside.gateway import Model, ModelReply, ModelSetup
from lineside.gateway.openai import OpenAIProvider
from lineside.gateway.retry import Pace, read_retry_after

KEY = "sk-test-0123456789abcdefghij"
INPUT = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
OUTPUT = {
    "type": "object",
    "properties": {"topic": {"enum": ["refund", "card"]}, "confidence": {"type": "number"}},
    "required": ["topic", "confidence"],
}
GOOD = {"topic": "refund", "confidence": 0.7}
QUICK = Pace(first_s=0.01, longest_s=0.02, retry_after_max_s=2.0)

Opened = Callable[..., Model]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def setup_of(folder: Any, **changes: Any) -> ModelSetup:
    base: dict[str, Any] = {
        "spec": "openai:small",
        "input_schema": INPUT,
        "output_schema": OUTPUT,
        "read_file": folder({}),
        "prompt": "Name the topic.",
    }
    return ModelSetup(**{**base, **changes})


@pytest.fixture
def opened(endpoint: Any, folder: Any) -> Opened:
    def of(*, prompt: str | None = "Name the topic.", **options: Any) -> Model:
        schemas = {
            name: options.pop(name) for name in ("input_schema", "output_schema") if name in options
        }
        limits = {"timeout_s": 2.0, "retries_max": 2}
        given = {"base_url": endpoint.url, "api_key_env": "OPENAI_API_KEY", **limits, **options}
        options = {name: value for name, value in given.items() if value is not None}
        return OpenAIProvider(QUICK).open(
            setup_of(folder, prompt=prompt, options=options, **schemas)
        )

    return of


async def ask(model: Model, message: str = "Where is my money?") -> ModelReply:
    try:
        return await model.answer({"message": message})
    finally:
        await model.close()


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


async def test_nonsense_twice_fails_with_the_answer_shortened(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers("bla " * 10_000)
    with pytest.raises(Invalid, match=r"answered twice .* not JSON.* `bla bla") as caught:
        await ask(opened())
    assert caught.value.code == "output_misfit"
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
        ({"content": "x", "choices": [{"index": 0}]}, "reply_unreadable"),
    ],
)
async def test_a_reply_without_a_whole_answer_says_why(
    endpoint: Any, opened: Opened, changes: dict[str, Any], code: str
) -> None:
    endpoint.answers(**changes)
    with pytest.raises(Invalid, match="`small` at http://127") as caught:
        await ask(opened())
    assert caught.value.code == code
    assert caught.value.hint
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<!doctype html><h1>Welcome</h1>", "not_a_model_endpoint"),
        ("certainly!", "reply_unreadable"),
        ({"error": {"message": "upstream died"}}, "reply_unreadable"),
        ([], "reply_unreadable"),
        ("x" * 5 * 1024 * 1024, "reply_too_large"),
    ],
    ids=["html", "text", "error with status 200", "list", "5 MB"],
)
async def test_a_body_that_is_no_reply_is_told_apart(
    endpoint: Any, opened: Opened, body: object, code: str
) -> None:
    endpoint.plays(body)
    with pytest.raises(Invalid) as caught:
        await ask(opened())
    assert caught.value.code == code
    assert len(str(caught.value)) < 500


# Endpoints that do not answer


async def test_an_endpoint_that_is_down_is_tried_to_the_limit(folder: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        options = {"base_url": url, "retries_max": 2}
        model = OpenAIProvider(QUICK).open(setup_of(folder, options=options))
        with pytest.raises(Unavailable, match=r"did not answer: Cannot connect .*asked 3 times"):
            await ask(model)


async def test_a_slow_endpoint_is_given_up_on(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD, delay_s=1.0)
    with pytest.raises(Unavailable, match=r"no answer within 0.1 s \(asked 2 times") as caught:
        await ask(opened(timeout_s=0.1, retries_max=1))
    assert caught.value.code == "model_slow"


async def test_an_endpoint_that_was_slow_once_answers(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD, delay_s=1.0).answers(GOOD)
    assert (await ask(opened(timeout_s=0.2))).attempts == 2


async def test_a_rate_limit_is_waited_out_as_asked(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(429, headers={"Retry-After": "0.3"}).answers(GOOD)
    reply = await ask(opened())
    first, second = (request["at_s"] for request in endpoint.requests)
    assert 0.3 <= second - first < 1.5
    assert (reply.output, reply.attempts, reply.tokens_in) == (GOOD, 2, 100)


async def test_a_rate_limit_for_ever_ends(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(429, text="slow down")
    with pytest.raises(Unavailable, match=r"status 429: slow down \(asked 3 times") as caught:
        await ask(opened())
    assert caught.value.code == "model_rate_limited"


async def test_a_longer_wait_than_we_take_fails_at_once_and_says_how_long(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.fails(429, headers={"Retry-After": "3600"})
    with pytest.raises(Unavailable, match="asks to wait 3600 s") as caught:
        await ask(opened())
    assert "Try again in 3600 s" in str(caught.value.hint)
    assert len(endpoint.requests) == 1


async def test_a_quota_that_is_used_up_is_not_asked_again(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(429, code="insufficient_quota", text="You exceeded your quota")
    with pytest.raises(Unavailable, match="quota is used up"):
        await ask(opened())
    assert len(endpoint.requests) == 1


async def test_a_gateway_page_is_retried_and_its_text_kept_short(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.plays("<html>Bad gateway</html>" + "x" * 5000, status=502)
    with pytest.raises(Unavailable, match="status 502: <html>Bad gateway</html>x") as caught:
        await ask(opened())
    assert len(endpoint.requests) == 3
    assert len(str(caught.value)) < 500


async def test_retries_and_the_re_ask_share_one_limit(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(500).answers("nonsense").fails(500).fails(500)
    with pytest.raises(Unavailable, match="asked 4 times"):
        await ask(opened(retries_max=2))


async def test_an_unknown_model_is_named_with_its_endpoint(endpoint: Any, opened: Opened) -> None:
    endpoint.fails(404, text="The model does not exist")
    with pytest.raises(Invalid, match=r"`small` at http://127.*is not there .*does not exist"):
        await ask(opened())
    assert len(endpoint.requests) == 1


async def test_a_redirect_is_not_followed_with_the_key(endpoint: Any, opened: Opened) -> None:
    endpoint.plays({}, status=307, headers={"Location": "http://127.0.0.1:1/v1"})
    with pytest.raises(Invalid, match="status 307"):
        await ask(opened())


def test_retry_after_is_read_as_seconds_or_date_and_rubbish_is_nothing() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    date = format_datetime(moment + timedelta(seconds=20), usegmt=True)
    headers = ["7", "1.5", date, format_datetime(moment - timedelta(days=1), usegmt=True)]
    assert [read_retry_after(header, moment=moment) for header in headers] == [7, 1.5, 20, 0]
    for rubbish in (None, "", "soon", "-1", "nan", "inf", "Mon, 99 Foo"):
        assert read_retry_after(rubbish, moment=moment) is None


def test_waits_grow_to_a_limit_and_spread() -> None:
    pace = Pace(first_s=1.0, longest_s=8.0)
    longest = [max(pace.wait_s(retry, asked_s=None) for _ in range(400)) for retry in range(6)]
    assert all(before < after + 0.5 for before, after in pairwise(longest))
    assert 0.8 < longest[0] <= 1.0
    assert 6.4 < longest[5] <= 8.0
    assert 5.0 <= pace.wait_s(0, asked_s=5.0) <= 6.0


# Keys


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_denied_by_the_name_of_its_variable(
    endpoint: Any, opened: Opened, status: int
) -> None:
    endpoint.fails(status, text=f"Incorrect API key provided: {KEY}")
    with pytest.raises(Denied, match="the environment variable `OPENAI_API_KEY`") as caught:
        await ask(opened())
    assert KEY not in f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 418, 429, 500])
async def test_a_key_that_the_endpoint_quotes_is_taken_out(
    endpoint: Any, opened: Opened, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "plain secret words")
    endpoint.fails(status, text=f"plain secret words and {KEY} were wrong")
    with pytest.raises((Invalid, Unavailable), match=r"\[key\] and \[key\]") as caught:
        await ask(opened())
    assert "secret" not in str(caught.value)


async def test_a_local_endpoint_needs_no_key(
    endpoint: Any, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint.answers(GOOD)
    assert (await ask(opened(api_key_env=None))).output == GOOD
    assert "Authorization" not in endpoint.requests[0]["headers"]


async def test_a_refused_call_without_a_key_says_that_none_was_there(
    endpoint: Any, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint.fails(401)
    with pytest.raises(Denied, match="a call without a key, since nothing is in"):
        await ask(opened(api_key_env=None))


async def test_an_address_in_a_manifest_is_not_handed_openais_key(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers(GOOD)
    await ask(opened(api_key_env=None))
    assert "Authorization" not in endpoint.requests[0]["headers"]


@pytest.mark.parametrize("options", [{}, {"api_key_env": "MY_KEY", "base_url": "http://[::1]/v1"}])
async def test_a_missing_key_is_denied_before_any_call(
    folder: Any, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    model = OpenAIProvider(QUICK).open(setup_of(folder, options=options))
    with pytest.raises(Denied, match=f"`{options.get('api_key_env', 'OPENAI_API_KEY')}` holds no"):
        await ask(model)


async def test_a_key_of_its_own_variable_is_sent_and_may_change(
    endpoint: Any, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.answers(GOOD)
    model = opened(api_key_env="MY_KEY")
    for key in ("one", "two\n"):
        monkeypatch.setenv("MY_KEY", key)
        await model.answer({"message": "x"})
    await model.close()
    sent = [request["headers"]["Authorization"] for request in endpoint.requests]
    assert sent == ["Bearer one", "Bearer two"]


async def test_a_key_of_two_lines_is_refused_unseen(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "first\r\nsecond")
    with pytest.raises(Denied, match="holds signs no key has") as caught:
        await ask(opened())
    assert "second" not in str(caught.value)


# The manifest


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"api_key_env": KEY}, "looks like a key itself"),
        ({"api_key_env": "gsk_0a1b2c3d4e5f6g7h8i9j"}, "looks like a key itself"),
        ({"api_key_env": "MY KEY"}, "no name of an environment variable"),
        ({"api_key": KEY}, "`api_key` is not taken, since a manifest holds no keys"),
        ({KEY: 1}, "An option has a key for its name"),
        ({"temprature": 1}, "did you mean `temperature`?"),
        ({"temperature": 3}, "Option `temperature` is `3`: "),
        ({"temperature": "0.2"}, "Option `temperature` is `'0.2'`: "),
        ({"seed": KEY}, "Option `seed` is `'[key]'`: "),
        ({"timeout_s": 0}, "Option `timeout_s` is `0`: "),
        ({"retries_max": 1000}, "Option `retries_max` is `1000`: "),
        ({"base_url": "localhost:8000"}, "is no web address"),
        ({"base_url": "http://a b/v1"}, "is no web address"),
        ({"base_url": "http://host:port/v1"}, "is no web address"),
        ({"base_url": f"https://me:{KEY}@host/v1"}, "carries a user, a key or a query"),
        ({"base_url": f"https://host/v1?key={KEY}"}, "carries a user, a key or a query"),
    ],
)
def test_a_wrong_option_is_named_and_no_key_is_shown(
    folder: Any, options: dict[str, Any], problem: str
) -> None:
    setup = setup_of(folder, options=options)
    problems = OpenAIProvider().check(setup)
    assert len(problems) == 1
    assert problem in problems[0]
    assert KEY not in problems[0]
    with pytest.raises(Invalid) as caught:
        OpenAIProvider().open(setup)
    assert KEY not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"spec": "openai:"}, "names no model"),
        ({"prompt": "Topic of {{mesage}}"}, "did you mean `{{message}}`?"),
        ({"output_schema": {"type": "objekt"}}, "no JSON Schema"),
        (
            {"options": {"trust_confidence": True}, "output_schema": {"type": "object"}},
            "needs a `confidence` in the output",
        ),
    ],
)
def test_a_setup_that_cannot_work_is_named(
    folder: Any, changes: dict[str, Any], problem: str
) -> None:
    (found,) = OpenAIProvider().check(setup_of(folder, **changes))
    assert problem in found


def test_a_good_setup_has_no_problems_and_no_files(folder: Any) -> None:
    setup = setup_of(folder, options={"base_url": "http://127.0.0.1:11434/v1/", "seed": 1})
    provider = OpenAIProvider()
    assert (provider.check(setup), provider.files(setup), provider.fit(setup)) == ([], [], None)


async def test_the_address_may_come_from_the_environment(
    endpoint: Any, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{endpoint.url}/")
    endpoint.answers(GOOD)
    assert (await ask(OpenAIProvider(QUICK).open(setup_of(folder)))).output == GOOD


def test_a_bad_address_in_the_environment_is_refused(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    with pytest.raises(Invalid, match="OPENAI_BASE_URL in the environment is no web address"):
        OpenAIProvider().open(setup_of(folder))


# Many calls, many loops


async def test_fifty_calls_run_side_by_side(endpoint: Any, opened: Opened) -> None:
    endpoint.answers(GOOD, delay_s=0.2)
    model = opened(timeout_s=10.0)
    replies = await asyncio.gather(*(model.answer({"message": str(n)}) for n in range(50)))
    await model.close()
    assert [reply.output for reply in replies] == [GOOD] * 50
    assert endpoint.at_once_max > 25


def test_one_model_serves_many_event_loops_and_closes_quietly(
    endpoint: Any, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answers(GOOD)
    model = opened()

    async def twice() -> list[dict[str, Any]]:
        return [(await model.answer({"message": "x"})).output for _ in range(2)]

    ended = asyncio.run(twice())
    resting = asyncio.new_event_loop()
    rested = resting.run_until_complete(twice())

    async def last() -> list[dict[str, Any]]:
        outputs = await twice()
        await model.close()
        return outputs

    assert [*ended, *rested, *asyncio.run(last())] == [GOOD] * 6
    resting.close()
    gc.collect()
    assert caplog.text == ""


async def test_a_session_in_a_loop_of_another_thread_is_closed_too(
    endpoint: Any, opened: Opened
) -> None:
    endpoint.answers(GOOD)
    model = opened()
    await model.answer({"message": "x"})

    async def elsewhere() -> None:
        await model.answer({"message": "x"})
        await model.close()

    await asyncio.to_thread(asyncio.run, elsewhere())
    with pytest.raises(Unavailable, match="was closed"):
        await model.answer({"message": "x"})


async def test_a_knob_is_placed_in_the_prompt_and_never_by_the_input(
    endpoint: Any, folder: Any
) -> None:
    endpoint.answers(GOOD)
    setup = replace(
        setup_of(
            folder,
            prompt="Answer in a {{knob.tone}} tone: {{message}}",
            options={"base_url": endpoint.url},
        ),
        knobs={"tone": "plain"},
    )
    model = OpenAIProvider(QUICK).open(setup)
    await model.answer({"message": "hi {{knob.tone}}"})
    await model.answer({"message": "hi"}, knobs={"tone": "warm"})
    await model.close()
    said = [request["body"]["messages"][0]["content"] for request in endpoint.requests]
    assert said == ["Answer in a plain tone: hi {{knob.tone}}", "Answer in a warm tone: hi"]


def test_a_prompt_that_places_an_unknown_knob_is_named(folder: Any) -> None:
    setup = replace(setup_of(folder, prompt="{{knob.tonne}}"), knobs={"tone": "plain"})
    (problem,) = OpenAIProvider().check(setup)
    assert problem == "The prompt places the knob `tonne`; the manifest has: `tone`"
