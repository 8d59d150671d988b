"""Webhooks by API and page, and the running server that delivers what lies ready."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from standardwebhooks import Webhook as StockWebhook
from starlette.testclient import TestClient

from lineside.apps import Call, Serving, deploy, open_line, release_folder
from lineside.core import Settings
from lineside.gateway import budgets
from lineside.server import build
from lineside.trust import Scope, create_key, local_scope, scope_for_key, webhooks
from lineside.usecases import read_folder
from trust.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.stop()


@pytest.fixture
def allowed(settings: Settings) -> Settings:
    return replace(settings, webhook_networks="127.0.0.0/8", public_url="https://ai.example.com/")


@pytest.fixture
def scope(allowed: Settings) -> Iterator[Scope]:
    store = open_line(allowed)
    yield local_scope(store)
    store.close()


@pytest.fixture
def live(scope: Scope, make_folder) -> Scope:
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    return scope


def wait_for(receiver: Receiver, count: int) -> None:
    until = time.monotonic() + 30
    while len(receiver.got) < count and time.monotonic() < until:
        time.sleep(0.05)
    assert len(receiver.got) >= count


def test_a_server_delivers_what_was_decided_before_it_started(
    allowed: Settings, receiver: Receiver, make_folder
) -> None:
    store = open_line(allowed)
    scope = local_scope(store)
    _, secret = webhooks.add_webhook(scope, receiver.url, ["verdict", "rollout"])
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    store.close()
    with TestClient(build(allowed), base_url="http://127.0.0.1") as client:
        wait_for(receiver, 2)
        time.sleep(0.2)
        found = client.get("/api/webhooks/deliveries").json()

    assert [one["status"] for one in found] == ["delivered", "delivered"]
    assert [one["type"] for one in receiver.messages] == ["release.created", "deploy"]
    released, deployed = (one["data"] for one in receiver.messages)
    assert released["link"].startswith("https://ai.example.com/releases/rel_")
    assert "release created triage" in released["sentence"]
    assert "deploy triage v1 100 %" in deployed["sentence"]
    for headers, body in receiver.got:
        lower = {name.lower(): value for name, value in headers.items()}
        StockWebhook(secret).verify(body.decode(), lower)


def test_programs_add_test_and_remove_with_the_right_to(
    allowed: Settings, receiver: Receiver
) -> None:
    store = open_line(allowed)
    scope = local_scope(store)
    keys = {
        name: {"authorization": f"Bearer {create_key(scope, name, rights=[name])[1]}"}
        for name in ("webhooks", "read")
    }
    store.close()
    wish = {"url": receiver.url, "events": ["verdict"]}
    with TestClient(build(allowed), base_url="http://127.0.0.1") as client:
        empty = client.get("/webhooks").text
        assert client.post("/api/webhooks", json=wish, headers=keys["read"]).status_code == 403
        assert client.get("/api/webhooks", headers=keys["read"]).status_code == 403
        inside = {"url": "https://10.0.0.1/x", "events": ["verdict"]}
        assert client.post("/api/webhooks", json=inside).status_code == 403
        added = client.post("/api/webhooks", json=wish, headers=keys["webhooks"])
        assert added.status_code == 201
        webhook_id = added.json()["webhook"]["id"]
        tested = client.post(f"/api/webhooks/{webhook_id}/test", headers=keys["webhooks"]).json()
        page = client.get("/webhooks").text
        sent = client.post(f"/webhooks/{webhook_id}/test", follow_redirects=False)
        again = client.post(
            f"/webhooks/{webhook_id}/{tested['id']}/redeliver", follow_redirects=False
        )
        wait_for(receiver, 3)
        assert client.post(f"/webhooks/{webhook_id}/enable").status_code == 409
        assert client.post(f"/api/webhooks/{webhook_id}/enable").status_code == 409
        assert client.delete(f"/api/webhooks/{webhook_id}").status_code == 200
        assert client.get("/api/webhooks").json() == []

    assert "Nobody is told so far" in empty
    assert tested["status"] == "delivered"
    assert added.json()["secret"].startswith("whsec_")
    assert "a test of this webhook" in page
    assert added.json()["secret"] not in page
    assert (sent.status_code, again.status_code) == (303, 303)


async def test_a_limit_tells_when_it_is_nearly_used_up_used_up_and_refuses(live: Scope) -> None:
    webhooks.add_webhook(live, "https://hooks.example.com/x", ["budget"], use_case="triage")
    budgets.set_cap(live, "use_case", "triage", measure="requests", amount=10, every="day")
    serving = Serving(live.store)
    for at in range(14):
        try:
            await serving.call(live, "triage", Call(input={"message": f"message {at}"}))
        except budgets.BudgetExceeded:
            assert at >= 10
    await serving.close()

    told = [
        (one.type, one.payload["data"].get("share"), one.payload["data"]["sentence"])
        for one in reversed(webhooks.list_deliveries(live))
    ]
    assert told == [
        (
            "budget.crossed",
            0.8,
            "use case triage (every day): 80% of the limit of 10 requests is spent",
        ),
        (
            "budget.crossed",
            1.0,
            "use case triage (every day): 100% of the limit of 10 requests is spent",
        ),
        (
            "budget.refused",
            None,
            "use case triage (every day): calls are refused, the limit of 10 requests has no room",
        ),
    ]


async def test_a_limit_of_a_key_is_told_of_by_the_keys_name(live: Scope) -> None:
    webhooks.add_webhook(live, "https://hooks.example.com/x", ["budget"])
    made, secret = create_key(live, "website", rights=["run"])
    budgets.set_cap(live, "key", "website", measure="requests", amount=1, every="day")
    serving = Serving(live.store)
    await serving.call(
        scope_for_key(live.store, secret), "triage", Call(input={"message": "message 1"})
    )
    await serving.close()

    last = webhooks.list_deliveries(live)[0].payload["data"]
    assert last["sentence"].startswith("API key website (every day): 100% of the limit")
    assert last["whose"] == made.id


async def test_guards_that_act_no_more_are_told_once(live: Scope) -> None:
    from lineside.apps.enforcement import Enforcement
    from lineside.guardrails import probes

    webhooks.add_webhook(live, "https://hooks.example.com/x", ["alert"])
    serving = Serving(live.store)
    guarding = [Enforcement(live, serving) for _ in range(2)]

    async def open_door(_use_case: str, _text: str) -> str:
        return "an answer"

    for one in guarding:
        await one.probe()
        one.knock_at([probes.ServedPath(path="POST /open", format="lineside", send=open_door)])
        await one.probe()
        await one.probe()
    await serving.close()

    [told] = webhooks.list_deliveries(live)
    assert told.type == "guards.lost"
    assert "triage by POST /open" in told.payload["data"]["sentence"]
