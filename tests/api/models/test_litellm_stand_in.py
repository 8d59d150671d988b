"""What goes to litellm and what is told of its errors, with a module that stands in for it."""

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import httpx
import pytest

from api.models.fakes import trace_of

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
NAMED, USUAL = "sk-fake-0123456789abcdef", "azure:Xy77-usual-key"


class Refused(Exception):
    status_code = 400


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What litellm is asked; it refuses all of it, and quotes what it was sent."""
    heard: list[dict[str, Any]] = []

    async def acompletion(**arguments: Any) -> None:
        heard.append(arguments)
        inside = arguments.get("api_base", "its usual address")
        raise Refused(f"litellm.BadRequestError: {inside} does not take {NAMED} or {USUAL}")

    module = ModuleType("litellm")
    module.__spec__ = ModuleSpec("litellm", None)
    module.__dict__["acompletion"] = acompletion
    monkeypatch.setitem(sys.modules, "litellm", module)
    monkeypatch.setenv("TAIL_API_KEY", USUAL)
    return heard


@pytest.fixture(scope="module")
def gateway_yaml() -> dict[str, Any]:
    named = {"api_key_env": "FAKE_KEY", "base_url": "http://10.1.2.3/inside"}
    return {"litellm": {"named": named, "usual": {"provider": "azure"}}}


@pytest.fixture(scope="module")
def of_key(server: str) -> Iterator[httpx.Client]:
    wish = {"name": "shop", "rights": ["run"]}
    secret = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()["secret"]
    with httpx.Client(headers={"authorization": f"Bearer {secret}"}, timeout=30) as client:
        yield client


def test_litellm_is_told_where_its_answer_hangs_in_the_callers_trace(
    server: str, of_key: httpx.Client, asked: list[dict[str, Any]]
) -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    url = f"{server}/v1/chat/completions"
    answer = of_key.post(url, json={"model": "named/m", **ASK}, headers=headers)

    assert asked[0]["extra_headers"] == {"traceparent": answer.headers["traceparent"]}
    [span] = trace_of(server, TRACE)
    assert answer.headers["traceparent"] == f"00-{TRACE}-{span['span_id']}-01"


@pytest.mark.parametrize(("model", "key"), [("named/m", NAMED), ("usual/m", USUAL)])
def test_neither_a_key_nor_an_inner_address_is_told_of_what_litellm_says(
    server: str, of_key: httpx.Client, asked: list[dict[str, Any]], model: str, key: str
) -> None:
    answer = of_key.post(f"{server}/v1/chat/completions", json={"model": model, **ASK})

    told = answer.json()["error"]
    assert (answer.status_code, told["code"]) == (400, "model_refused_request")
    assert "does not take" in told["message"]
    assert len(asked) == 1
    [span] = trace_of(server, answer.headers["x-lineside-trace-id"])
    for said in (answer.text, span["error"]):
        assert key not in said
    assert "10.1.2.3" not in answer.text
    assert "FAKE_KEY" not in answer.text
