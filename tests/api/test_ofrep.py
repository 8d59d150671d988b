"""Knobs over OFREP, with the stock client where it can, against a server on a socket."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import uvicorn
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, OpenFeatureError, TypeMismatchError
from openfeature.flag_evaluation import Reason

from lineside.apps import deploy, open_line, proving, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import Scope, create_key, local_scope
from lineside.usecases import read_folder


@pytest.fixture
def server(settings: Settings, make_folder: Callable[[], Path]) -> Iterator[tuple[str, Scope]]:
    """Address of a use case on a real server, and its owner at work in another process."""
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage", knobs={"hand_off_below": "1"})
    proof = proving.prove_knob(scope, "triage", "autonomy", "act")
    assert proof.decision == "ship", proof.sentence
    config = uvicorn.Config(
        build(settings), port=0, log_level="critical", timeout_graceful_shutdown=1
    )
    running = uvicorn.Server(config)
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

    assert (autonomy.value, autonomy.variant) == ("suggest", "suggest")
    assert autonomy.reason == Reason.STATIC
    assert (bar.value, bar.flag_metadata["turned_by"]) == (1.0, "operator")
    with pytest.raises(FlagNotFoundError, match="Did you mean `autonomy`"):
        client.resolve_string_details("autonomie", "none", user)
    with pytest.raises(TypeMismatchError):
        client.resolve_boolean_details("autonomy", False, user)
    nowhere = OFREPProvider(server[0].replace("triage", "triag"))
    with pytest.raises(FlagNotFoundError, match="no use case"):
        nowhere.resolve_string_details("autonomy", "none", user)

    _what_is_asked_wrongly_is_said_in_the_words_of_the_protocol(*server)
    _all_knobs_come_at_once_and_again_when_something_changed(*server)


def test_a_turn_reaches_its_user_and_everybody_hears_of_a_deploy(
    server: tuple[str, Scope],
) -> None:
    url, scope = server
    mine, other = Watching(url, "u1"), Watching(url, "u2")

    turned = httpx.put(
        f"{url}/knobs/autonomy", json={"value": "act"}, headers={"x-lineside-user": "u1"}
    )
    assert turned.status_code == 200, turned.text
    mine.wait_for(1)
    details = OFREPProvider(url).resolve_string_details(
        "autonomy", "none", EvaluationContext(targeting_key="u1")
    )
    assert (details.value, details.reason) == ("act", Reason.TARGETING_MATCH)

    started = time.monotonic()
    deploy(scope, "triage", knobs={"hand_off_below": "0.5"})
    mine.wait_for(2)
    other.wait_for(1)
    assert time.monotonic() - started < 5
    assert other.ids != mine.ids
    missed = httpx.post(f"{url}/ofrep/v1/evaluate/flags", json={}).json()["eventStreams"][0]["url"]
    with httpx.stream("GET", missed, headers={"last-event-id": "before"}) as stream:
        assert any("refetchEvaluation" in line for line in stream.iter_lines())

    traces = f"{url.partition('/usecases')[0]}/traces"
    erased = httpx.delete(traces, params={"user": "u1"}, timeout=60)
    assert erased.json()["beside"]["knob settings"] == 1
    mine.wait_for(3)
    body = {"context": {"targetingKey": "u1"}}
    flag = httpx.post(f"{url}/ofrep/v1/evaluate/flags/autonomy", json=body).json()
    assert (flag["value"], flag["reason"]) == ("suggest", "STATIC")
    assert len(other.ids) == 1


class Watching:
    """A client that listens to the change stream its first evaluation named."""

    def __init__(self, url: str, user: str) -> None:
        context = {"context": {"targetingKey": user}}
        found = httpx.post(f"{url}/ofrep/v1/evaluate/flags", json=context).json()
        self._address = found["eventStreams"][0]["url"]
        assert user not in self._address
        self.ids: list[str] = []
        self._opened = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._opened.wait(10)

    def _listen(self) -> None:
        with suppress(httpx.HTTPError), httpx.stream("GET", self._address, timeout=30) as stream:
            for line in stream.iter_lines():
                self._opened.set()
                if line.startswith("id: "):
                    self.ids.append(line)

    def wait_for(self, events: int) -> None:
        for _ in range(500):
            if len(self.ids) >= events:
                break
            time.sleep(0.02)
        assert len(self.ids) == events


def _all_knobs_come_at_once_and_again_when_something_changed(url: str, scope: Scope) -> None:
    flags = f"{url}/ofrep/v1/evaluate/flags"
    body = {"context": {"targetingKey": "u1"}}

    first = httpx.post(flags, json=body)
    tag = {"If-None-Match": f'"other", {first.headers["etag"]}'}

    assert [flag["key"] for flag in first.json()["flags"]] == ["autonomy", "hand_off_below"]
    again = httpx.post(flags, json=body, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    elsewhere = {"context": {"targetingKey": "u1", "plan": "pro"}}
    assert httpx.post(flags, json=elsewhere, headers=tag).status_code == 200
    deploy(scope, "triage", knobs={"hand_off_below": "0.5"})
    time.sleep(0.3)
    assert httpx.post(flags, json=body, headers=tag).json()["flags"][1]["value"] == 0.5


def _what_is_asked_wrongly_is_said_in_the_words_of_the_protocol(url: str, scope: Scope) -> None:
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
    assert httpx.post(flags, headers={"authorization": "Bearer lsk_no_such"}).status_code == 401
    for path in ("evaluate/flags", "events"):
        method = "GET" if path == "events" else "POST"
        refused = httpx.request(method, f"{url}/ofrep/v1/{path}", headers={"x-api-key": secret})
        assert refused.status_code == 403
    client = OFREPProvider(url, headers_factory=lambda: {"authorization": f"Bearer {secret}"})
    with pytest.raises(OpenFeatureError, match="forbidden"):
        client.resolve_string_details("autonomy", "none")
