"""Keys, options and addresses of an endpoint, and a model in many event loops."""

import asyncio
import gc
from dataclasses import replace
from typing import Any

import pytest

from gateway.small_model import GOOD, KEY, QUICK, Opened, ask, setup_of
from lineside.core import Denied, Invalid, Unavailable
from lineside.gateway.prompted import PromptedProvider

pytestmark = pytest.mark.usefixtures("openai_key")


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
    with pytest.raises(Denied, match="refused a call without a key"):
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
    model = PromptedProvider("openai", QUICK).open(setup_of(folder, options=options))
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
    problems = PromptedProvider("openai").check(setup)
    assert len(problems) == 1
    assert problem in problems[0]
    assert KEY not in problems[0]
    with pytest.raises(Invalid) as caught:
        PromptedProvider("openai").open(setup)
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
    (found,) = PromptedProvider("openai").check(setup_of(folder, **changes))
    assert problem in found


def test_a_good_setup_has_no_problems_and_no_files(folder: Any) -> None:
    setup = setup_of(folder, options={"base_url": "http://127.0.0.1:11434/v1/", "seed": 1})
    provider = PromptedProvider("openai")
    assert (provider.check(setup), provider.files(setup), provider.fit(setup)) == ([], [], None)


async def test_the_address_may_come_from_the_environment(
    endpoint: Any, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{endpoint.url}/")
    endpoint.answers(GOOD)
    assert (await ask(PromptedProvider("openai", QUICK).open(setup_of(folder)))).output == GOOD


def test_a_bad_address_in_the_environment_is_refused(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "nonsense")
    with pytest.raises(Invalid, match="OPENAI_BASE_URL in the environment is no web address"):
        PromptedProvider("openai").open(setup_of(folder))


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
    model = PromptedProvider("openai", QUICK).open(setup)
    await model.answer({"message": "hi {{knob.tone}}"})
    await model.answer({"message": "hi"}, knobs={"tone": "warm"})
    await model.close()
    said = [request["body"]["messages"][0]["content"] for request in endpoint.requests]
    assert said == ["Answer in a plain tone: hi {{knob.tone}}", "Answer in a warm tone: hi"]


def test_a_prompt_that_places_an_unknown_knob_is_named(folder: Any) -> None:
    setup = replace(setup_of(folder, prompt="{{knob.tonne}}"), knobs={"tone": "plain"})
    (problem,) = PromptedProvider("openai").check(setup)
    assert problem == "The prompt places the knob `tonne`; the manifest has: `tone`"
