"""What goes to a provider beside the request, and what callers are not told of it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.models.conftest import FakeUpstream
from api.models.fakes import trace_of
from api.models.test_across import CHAT_CALL

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def gateway_yaml(gateway_yaml: dict[str, Any]) -> dict[str, Any]:
    nobody = {"wire": "chat", "base_url": "http://127.0.0.1:9/inside/v1"}
    keyless = nobody | {"api_key_env": "NO_SUCH_KEY"}
    return gateway_yaml | {
        "providers": gateway_yaml["providers"] | {"nobody": nobody, "keyless": keyless},
        "routes": gateway_yaml["routes"] | {"once": {"targets": ["nobody/m"], "retries_max": 0}},
    }


@pytest.fixture(scope="module")
def of_key(server: str) -> Iterator[httpx.Client]:
    wish = {"name": "shop", "rights": ["run"], "team": "support"}
    secret = httpx.post(f"{server}/api/keys", json=wish, timeout=30).json()["secret"]
    with httpx.Client(headers={"authorization": f"Bearer {secret}"}, timeout=30) as client:
        yield client


def test_a_provider_hears_where_its_answer_hangs_in_the_callers_trace(
    server: str, upstream: FakeUpstream, of_key: httpx.Client
) -> None:
    upstream.answer(CHAT_CALL)
    url, headers = f"{server}/v1/chat/completions", {"traceparent": PARENT}
    answer = of_key.post(url, json={"model": "fake-chat/small", **ASK}, headers=headers)
    assert answer.status_code == 200

    heard = upstream.headers[0]["traceparent"]
    assert heard == answer.headers["traceparent"]
    assert heard.split("-")[1] == PARENT.split("-")[1]
    [span] = trace_of(server, PARENT.split("-")[1])
    assert (span["span_id"], span["parent_span_id"]) == (heard.split("-")[2], PARENT.split("-")[2])
    said = {name: span["attributes"][f"lineside.{name}"] for name in ("key", "team")}
    assert said == {"key": "shop", "team": "support"}
    assert span["attributes"]["lineside.key_id"]


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("once", "model_down", "`m` at `nobody` did not answer"),
        ("keyless/m", "model_key_missing", "the provider's key is not in order"),
    ],
)
def test_a_key_is_not_told_where_a_provider_is_nor_how_its_key_is_named(
    server: str, of_key: httpx.Client, model: str, code: str, words: str
) -> None:
    told = of_key.post(f"{server}/v1/chat/completions", json={"model": model, **ASK})
    whole = httpx.post(f"{server}/v1/chat/completions", json={"model": model, **ASK}, timeout=30)

    error = told.json()["error"]
    assert (error["code"], whole.json()["error"]["code"]) == (code, code)
    assert words in error["message"]
    for private in ("127.0.0.1", "inside", "NO_SUCH_KEY"):
        assert private not in told.text
    if code == "model_key_missing":
        assert "NO_SUCH_KEY" in whole.text
    [span] = trace_of(server, told.headers["x-lineside-trace-id"])
    assert "NO_SUCH_KEY" in span["error"] or "127.0.0.1:9" in span["error"]
