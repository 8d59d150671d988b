"""Limits as a caller of the doors meets them: in headers, in words, in each wire's own form."""

import time

import anthropic
import httpx
import openai
import pytest

from api.models.conftest import FakeUpstream

ASK = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def made_key(server: str) -> tuple[str, str]:
    """Id and secret of a key of its own; its limits are nobody else's."""
    wish = {"name": f"budgets {time.monotonic_ns()}", "rights": ["run"], "team": "blue"}
    made = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()
    return made["key"]["id"], made["secret"]


def limit(server: str, key_id: str, measure: str, amount: float, every: str) -> None:
    wish = {"about": "key", "subject": key_id, "measure": measure, "amount": amount, "every": every}
    assert httpx.post(f"{server}/api/budgets", json=wish, timeout=30).status_code == 201


def test_the_headers_say_what_is_left_and_then_when_to_come_back(
    server: str, made_key: tuple[str, str]
) -> None:
    key_id, secret = made_key
    limit(server, key_id, "requests", 1, "day")
    limit(server, key_id, "tokens", 100_000, "day")
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=secret, max_retries=2, timeout=30)
    asked = {"model": "play/any", "messages": ASK, "max_tokens": 100}
    first = client.chat.completions.with_raw_response.create(**asked).headers
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**asked)

    assert first["x-ratelimit-limit-requests"] == "1"
    assert first["x-ratelimit-remaining-requests"] == "0"
    assert first["x-ratelimit-limit-tokens"] == "100000"
    assert 90_000 < int(first["x-ratelimit-remaining-tokens"]) < 99_000
    assert first["x-ratelimit-reset-tokens"].endswith("s")
    assert refused.value.type == refused.value.code == "budget_exceeded"
    assert "1 request a day for this API key has no room" in refused.value.message
    told = refused.value.response.headers
    assert 0 < int(told["retry-after"]) <= 86_401
    spent = {
        use["cap"]["measure"]: use["spent"]
        for use in httpx.get(f"{server}/api/budgets", timeout=30).json()
        if use["cap"]["subject"] == key_id
    }
    assert spent == {"requests": 1, "tokens": 9}


def test_a_model_that_was_given_up_as_too_slow_counts_with_what_was_held_for_it(
    server: str, made_key: tuple[str, str], upstream: FakeUpstream
) -> None:
    key_id, secret = made_key
    limit(server, key_id, "tokens", 100_000, "day")
    upstream.stream("hang")
    body = {"model": "hasty-first", "messages": ASK, "max_tokens": 100, "stream": True}
    headers = {"authorization": f"Bearer {secret}"}
    answer = httpx.post(f"{server}/v1/chat/completions", json=body, headers=headers, timeout=20)

    assert answer.status_code == 504
    [use] = [
        use
        for use in httpx.get(f"{server}/api/budgets", timeout=30).json()
        if use["cap"]["subject"] == key_id
    ]
    assert 1_100 < use["spent"] < 1_300  # it may have written all of it; no more was reserved
    assert use["reserved"] == 0


def test_no_door_is_a_way_around(server: str, made_key: tuple[str, str]) -> None:
    key_id, secret = made_key
    limit(server, key_id, "requests", 0, "ever")
    headers = {"authorization": f"Bearer {secret}"}
    bodies = {
        "chat/completions": {"model": "play/any", "messages": ASK},
        "responses": {"model": "play/any", "input": "Hello"},
        "messages": {"model": "play/any", "messages": ASK, "max_tokens": 9},
        "messages/count_tokens": {"model": "fake-messages/any", "messages": ASK},
        "embeddings": {"model": "embedded/words", "input": "Hello"},
    }
    for path, body in bodies.items():
        for is_stream in (False, True):
            asked = body | ({"stream": True} if is_stream else {})
            answer = httpx.post(f"{server}/v1/{path}", json=asked, headers=headers, timeout=30)
            assert (path, answer.status_code) == (path, 429)
            assert answer.headers["x-should-retry"] == "false"
    client = anthropic.Anthropic(base_url=server, api_key=secret, max_retries=2, timeout=30)
    with pytest.raises(anthropic.RateLimitError, match="has no room for this call"):
        client.messages.create(model="play/any", max_tokens=9, messages=ASK)


def test_money_is_limited_by_the_price_table_and_an_unknown_price_refused(
    server: str, made_key: tuple[str, str]
) -> None:
    key_id, secret = made_key
    limit(server, key_id, "usd", 0.01, "month")
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=secret, max_retries=0, timeout=30)
    with pytest.raises(openai.BadRequestError, match="what the model costs is unknown"):
        client.chat.completions.create(model="play/any", messages=ASK)
    price = {"model": "priced", "provider": "play", "rates": {"input": 1, "output": 1}}
    httpx.post(f"{server}/api/prices", json=price, timeout=30)
    time.sleep(5.1)  # prices are read anew every few seconds
    stream = client.chat.completions.create(model="play/priced", messages=ASK, stream=True)
    assert "".join(one.choices[0].delta.content or "" for one in stream if one.choices)

    (use,) = [
        use
        for use in httpx.get(f"{server}/api/budgets", timeout=30).json()
        if use["cap"]["subject"] == key_id
    ]
    assert use["spent"] == pytest.approx(9e-6)
    assert use["reserved"] == 0


def test_a_key_may_be_for_some_models_only(server: str) -> None:
    wish = {"name": "narrow", "rights": ["run"], "models": ["play/a*"]}
    secret = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()["secret"]
    client = openai.OpenAI(base_url=f"{server}/v1", api_key=secret, max_retries=0, timeout=30)

    assert client.chat.completions.create(model="play/any", messages=ASK).choices
    with pytest.raises(openai.PermissionDeniedError, match="may not call `play/other`"):
        client.chat.completions.create(model="play/other", messages=ASK)
    with pytest.raises(openai.PermissionDeniedError, match="and no use case"):
        client.chat.completions.create(model="triage", messages=ASK)
