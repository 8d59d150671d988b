"""What a door does not take it says in the words of its wire, so that stock clients understand."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

LIMIT = 1_000_000
LONG = "x" * (8 * LIMIT)
ASK: Any = [{"role": "user", "content": "Hello"}]
Clients = tuple[openai.OpenAI, anthropic.Anthropic]

DOORS: dict[str, Callable[[Clients, str, str], Any]] = {
    "chat": lambda clients, model, text: clients[0].chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}]
    ),
    "responses": lambda clients, model, text: clients[0].responses.create(model=model, input=text),
    "embeddings": lambda clients, model, text: clients[0].embeddings.create(
        model=model, input=text
    ),
    "messages": lambda clients, model, text: clients[1].messages.create(
        model=model, max_tokens=9, messages=[{"role": "user", "content": text}]
    ),
    "count_tokens": lambda clients, model, text: clients[1].messages.count_tokens(
        model=model, messages=[{"role": "user", "content": text}]
    ),
}
every_door = pytest.mark.parametrize("door", DOORS)


@pytest.fixture(scope="module")
def settings_more() -> dict[str, Any]:
    return {"model_bytes_max": LIMIT}


@pytest.fixture(scope="module")
def clients(server: str) -> Iterator[Clients]:
    usual: Any = {"max_retries": 0, "timeout": 60}
    with (
        openai.OpenAI(base_url=f"{server}/v1", api_key="local", **usual) as one,
        anthropic.Anthropic(base_url=server, api_key="local", **usual) as other,
    ):
        yield one, other


def told(failed: pytest.ExceptionInfo[Any]) -> tuple[int, str, str]:
    """Status, type and words, each read where the client's own wire has it."""
    error = failed.value
    body = error.response.json()
    if isinstance(error, anthropic.APIStatusError):
        assert body["type"] == "error"
        assert body["request_id"] == error.request_id
    else:
        assert body["error"].keys() == {"message", "type", "param", "code"}
        assert error.request_id
    return error.status_code, body["error"]["type"], body["error"]["message"]


@every_door
def test_a_body_that_is_too_large_is_refused_in_words_of_its_wire(
    clients: Clients, door: str
) -> None:
    kinds = openai.APIStatusError, anthropic.RequestTooLargeError
    with pytest.raises(kinds) as failed:
        DOORS[door](clients, "play/any", LONG)

    is_anthropic = door in ("messages", "count_tokens")
    status, kind, words = told(failed)
    assert status == 413
    assert kind == ("request_too_large" if is_anthropic else "invalid_request_error")
    assert "larger than 1,000,000 bytes" in words
    assert "LINESIDE_MODEL_BYTES_MAX" in words


@pytest.mark.parametrize("path", ["chat/completions", "messages"])
def test_so_is_one_that_does_not_say_how_large_it_is(server: str, path: str) -> None:
    pieces = (b"x" * 65_536 for _ in range(100))
    answer = httpx.post(f"{server}/v1/{path}", content=pieces, timeout=60)

    assert answer.status_code == 413
    error = answer.json()["error"]
    assert error["type"] in ("request_too_large", "invalid_request_error")
    assert "larger than 1,000,000 bytes" in error["message"]


@every_door
def test_an_unknown_model_is_not_found(clients: Clients, door: str) -> None:
    with pytest.raises((openai.NotFoundError, anthropic.NotFoundError)) as failed:
        DOORS[door](clients, "nobody-knows-it", "Hello")

    status, kind, words = told(failed)
    assert (status, "nobody-knows-it" in words) == (404, True)
    assert kind in ("not_found_error", "invalid_request_error")


@every_door
def test_a_bad_key_is_not_let_in(server: str, door: str) -> None:
    usual: Any = {"max_retries": 0, "timeout": 60, "api_key": "lsk_nobody"}
    clients = (
        openai.OpenAI(base_url=f"{server}/v1", **usual),
        anthropic.Anthropic(base_url=server, **usual),
    )
    with pytest.raises((openai.AuthenticationError, anthropic.AuthenticationError)) as failed:
        DOORS[door](clients, "play/any", "Hello")

    assert told(failed)[:2] == (401, "authentication_error")


@every_door
def test_a_used_up_limit_is_too_many_requests(server: str, door: str) -> None:
    wish = {"name": f"shop {door}", "rights": ["run"]}
    key = httpx.post(f"{server}/api/keys", json=wish, timeout=60).json()
    cap = {"about": "key", "subject": key["key"]["id"], "amount": 0}
    every_day = {"measure": "requests", "every": "day"}
    made = httpx.post(f"{server}/api/budgets", json=cap | every_day, timeout=60)
    assert made.status_code == 201, made.text
    usual: Any = {"max_retries": 0, "timeout": 60, "api_key": key["secret"]}
    clients = (
        openai.OpenAI(base_url=f"{server}/v1", **usual),
        anthropic.Anthropic(base_url=server, **usual),
    )
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)) as failed:
        DOORS[door](clients, "play/any", "Hello")

    assert told(failed)[1] in ("budget_exceeded", "rate_limit_error")
