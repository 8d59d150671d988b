"""Knobs over OFREP, with the stock client where it can, against a server on a socket."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, OpenFeatureError, TypeMismatchError
from openfeature.flag_evaluation import Reason

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import Scope, create_key, local_scope
from lineside.usecases import read_folder


@pytest.fixture
def server(settings: Settings, make_folder) -> Iterator[tuple[str, Scope]]:
    """Address of a use case on a real server, and its owner."""
    store = open_line(settings)  # as another process has it
    scope = local_scope(store)
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage", knobs={"hand_off_below": "1"})
    running = uvicorn.Server(uvicorn.Config(build(settings), port=0, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        thread.join(0.02)
        assert thread.is_alive()
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/api/usecases/triage", scope
    running.should_exit = True
    thread.join(20)
    store.close()


def test_the_stock_client_reads_every_kind_of_knob(server: tuple[str, Scope]) -> None:
    client = OFREPProvider(server[0])
    user = EvaluationContext(targeting_key="u1", attributes={"plan": "pro"})

    autonomy = client.resolve_string_details("autonomy", "none", user)
    bar = client.resolve_float_details("hand_off_below", 0.0, user)

    assert (autonomy.value, autonomy.variant, autonomy.reason) == (
        *("suggest", "suggest"),
        Reason.STATIC,
    )
    assert (bar.value, bar.flag_metadata["turned_by"]) == (1.0, "operator")
    with pytest.raises(FlagNotFoundError, match="Did you mean `autonomy`"):
        client.resolve_string_details("autonomie", "none", user)
    with pytest.raises(TypeMismatchError):
        client.resolve_boolean_details("autonomy", False, user)
    nowhere = OFREPProvider(server[0].replace("triage", "triag"))
    with pytest.raises(FlagNotFoundError, match="no use case"):
        nowhere.resolve_string_details("autonomy", "none", user)


def test_all_knobs_come_at_once_and_only_when_something_changed(
    server: tuple[str, Scope],
) -> None:
    url = f"{server[0]}/ofrep/v1/evaluate/flags"
    body = {"context": {"targetingKey": "u1"}}

    first = httpx.post(url, json=body)
    tag = {"If-None-Match": f'"other", {first.headers["etag"]}'}

    assert [flag["key"] for flag in first.json()["flags"]] == ["autonomy", "hand_off_below"]
    again = httpx.post(url, json=body, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    other = {"context": {"targetingKey": "u1", "plan": "pro"}}
    assert httpx.post(url, json=other, headers=tag).status_code == 200
    deploy(server[1], "triage", knobs={"hand_off_below": "0.5"})
    time.sleep(0.3)
    assert httpx.post(url, json=body, headers=tag).json()["flags"][1]["value"] == 0.5


def test_what_is_asked_wrongly_or_without_right_is_said_in_the_protocols_words(
    server: tuple[str, Scope],
) -> None:
    url, scope = server
    _, secret = create_key(scope, "reader", rights=["read"])
    flags = f"{url}/ofrep/v1/evaluate/flags"

    for body, code in (
        (b"{", "PARSE_ERROR"),
        (b'{"context": 1}', "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": 1}}', "INVALID_CONTEXT"),
        (b"[]", "INVALID_CONTEXT"),
    ):
        bulk, one = httpx.post(flags, content=body), httpx.post(f"{flags}/autonomy", content=body)
        assert (bulk.status_code, bulk.json()["errorCode"]) == (400, code)
        assert (one.status_code, one.json()["key"]) == (400, "autonomy")
    for headers, status in (
        ({"authorization": "Bearer lsk_no_such"}, 401),
        ({"x-api-key": secret}, 403),
    ):
        assert httpx.post(flags, json={}, headers=headers).status_code == status
    client = OFREPProvider(url, headers_factory=lambda: {"authorization": f"Bearer {secret}"})
    with pytest.raises(OpenFeatureError, match="forbidden"):
        client.resolve_string_details("autonomy", "none")
