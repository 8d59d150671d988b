"""Webhooks over a real socket: signed so that a stock library knows them, once, and again."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook as StockWebhook

from lineside.core import Actor, Conflict, Denied, Invalid, NotFound, Settings, now
from lineside.store import Store, open_store
from lineside.trust import Scope, create_key, local_scope, outbox, record, scope_for_key, webhooks
from lineside.trust.webhooks import delivering, queries
from trust.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.stop()


@pytest.fixture
def local_settings(settings: Settings) -> Settings:
    return replace(settings, webhook_networks="127.0.0.0/8")


@pytest.fixture
def scope(local_settings: Settings) -> Iterator[Scope]:
    store = open_store(local_settings)
    yield local_scope(store)
    store.close()


def decide(scope: Scope, kind: str = "deploy", subject: str = "rel_1", **details: Any) -> None:
    with scope.store.records.write() as connection:
        record(connection, scope, kind, subject, {"use_case": "triage"} | details)


def deliver(
    store: Store, *, retry_seconds: tuple[float, ...] = (0.05, 0.05), rounds: int = 100
) -> int:
    sender = webhooks.MessageSender(store.settings, timeout_seconds=1)
    deliverer = webhooks.Deliverer(store, retry_seconds=retry_seconds, sender=sender)

    async def work() -> int:
        done = 0
        for _ in range(rounds):
            found = await deliverer.deliver_due()
            done += found
            if not found:
                break
        return done

    return asyncio.run(work())


def test_a_stock_library_knows_a_message_as_ours(scope: Scope, receiver: Receiver) -> None:
    webhook, secret = webhooks.add_webhook(scope, receiver.url, ["rollout"])
    decide(scope, traffic={"v2": "100 %"}, knobs={"tone": "secret"})
    assert deliver(scope.store) == 1

    [(headers, body)] = receiver.got
    lower = {name.lower(): value for name, value in headers.items()}
    message = StockWebhook(secret).verify(body.decode(), lower)
    assert message["type"] == "deploy"
    assert message["data"] == {
        "workspace": "default",
        "use_case": "triage",
        "subject": "rel_1",
        "sentence": f"{scope.actor.name}: deploy triage v2 100 %",
        "link": "http://127.0.0.1:7710/releases/rel_1",
        "ledger_index": 1,
        "actor": scope.actor.name,
    }
    assert lower["webhook-id"].startswith("msg_")
    assert secret != "whsec_" + "A" * 43 + "="
    with pytest.raises(Exception, match="No matching signature"):
        StockWebhook("whsec_" + "A" * 43 + "=").verify(body.decode(), lower)
    [delivery] = webhooks.list_deliveries(scope, webhook_id=webhook.id)
    assert (delivery.status, delivery.attempts, delivery.said) == (
        "delivered",
        1,
        "It answered 204 No Content",
    )


def test_only_what_is_wanted_is_told(scope: Scope, receiver: Receiver) -> None:
    for events, use_case in (
        (["verdict"], None),
        (["release.refused"], "triage"),
        (["rollout"], "other"),
        (["*"], None),
    ):
        webhooks.add_webhook(scope, receiver.url, events, use_case=use_case)
    decide(scope, "release.created", "rel_1")
    decide(scope, "release.refused", "rel_2")
    decide(scope, "rollout.stepped", "rel_3")
    found = webhooks.list_deliveries(scope)
    by_event: dict[str, int] = {}
    for one in found:
        by_event[one.type] = by_event.get(one.type, 0) + 1

    assert by_event == {
        "webhook.added": 1,
        "release.created": 2,
        "release.refused": 3,
        "rollout.stepped": 1,
    }
    refused = {one.id for one in found if one.type == "release.refused"}
    assert len(refused) == 1


def test_a_decision_that_is_undone_is_told_to_nobody(scope: Scope, receiver: Receiver) -> None:
    webhooks.add_webhook(scope, receiver.url, ["rollout"])

    def half() -> None:
        with scope.store.records.write() as connection:
            record(connection, scope, "deploy", "rel_1", {"use_case": "triage"})
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        half()

    assert webhooks.list_deliveries(scope) == []


def test_it_is_sent_again_under_the_same_id_until_it_is_taken(
    scope: Scope, receiver: Receiver
) -> None:
    _, secret = webhooks.add_webhook(scope, receiver.url, ["rollout"])
    receiver.statuses = [500, 302]
    decide(scope)
    for attempt in (1, 2, 3):
        assert deliver(scope.store, rounds=1) == 1
        [delivery] = webhooks.list_deliveries(scope)
        assert delivery.attempts == attempt
        [webhook] = webhooks.list_webhooks(scope)
        assert webhook.state == ("on" if attempt == 3 else "failing")
        time.sleep(0.07)

    assert delivery.status == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    for headers, body in receiver.got:
        lower = {name.lower(): value for name, value in headers.items()}
        StockWebhook(secret).verify(body.decode(), lower)


def test_a_receiver_that_was_down_gets_all_in_order(scope: Scope, receiver: Receiver) -> None:
    webhooks.add_webhook(scope, receiver.url, ["rollout"])
    receiver.stop()
    for number in range(5):
        decide(scope, subject=f"rel_{number}")
    assert deliver(scope.store, retry_seconds=(0.3, 0.3)) >= 1
    assert receiver.got == []
    receiver.start_again()
    until = time.monotonic() + 10
    while len(receiver.got) < 5 and time.monotonic() < until:
        deliver(scope.store, retry_seconds=(0.3, 0.3))
        time.sleep(0.05)

    subjects = [one["data"]["subject"] for one in receiver.messages]
    assert sorted(subjects) == [f"rel_{number}" for number in range(5)]
    healthy = [f"rel_{number}" for number in range(5, 10)]
    for subject in healthy:
        decide(scope, subject=subject)
    deliver(scope.store)
    assert [one["data"]["subject"] for one in receiver.messages][5:] == healthy


def test_after_the_last_attempt_it_has_failed_and_can_be_sent_again(
    scope: Scope, receiver: Receiver
) -> None:
    webhooks.add_webhook(scope, receiver.url, ["rollout"])
    receiver.statuses = [503, 503]
    receiver.headers = {"retry-after": "0"}
    decide(scope)
    deliver(scope.store, retry_seconds=(0.01,))
    time.sleep(0.05)
    deliver(scope.store, retry_seconds=(0.01,))
    [failed] = webhooks.list_deliveries(scope, status="failed")
    assert (failed.attempts, failed.said) == (2, "It answered 503 Service Unavailable")
    [again] = webhooks.redeliver(scope, failed.id)
    assert (again.id, again.status) == (failed.id, "waiting")
    deliver(scope.store)

    assert [one.status for one in webhooks.list_deliveries(scope)] == ["delivered"]
    with pytest.raises(NotFound, match="There is no message"):
        webhooks.redeliver(scope, "msg_nowhere")


def test_several_processes_deliver_each_message_once(
    scope: Scope, receiver: Receiver, local_settings: Settings
) -> None:
    webhooks.add_webhook(scope, receiver.url, ["rollout"])
    for number in range(30):
        decide(scope, subject=f"rel_{number}")
    stores = [open_store(local_settings) for _ in range(3)]
    threads = [threading.Thread(target=deliver, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()

    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert (len(ids), len(set(ids))) == (30, 30)


def test_what_a_dead_process_had_claimed_is_sent_by_another(
    scope: Scope, receiver: Receiver
) -> None:
    webhooks.add_webhook(scope, receiver.url, ["rollout"])
    decide(scope)
    at = now()
    with scope.store.records.write() as connection:
        [claimed] = queries.claim(connection, at=at, until=at + timedelta(hours=1), limit=9)
    assert deliver(scope.store) == 0
    message = claimed["webhook_id"], claimed["id"]
    with scope.store.records.write() as connection:
        queries.update_message(connection, *message, claimed_until=at)

    assert deliver(scope.store) == 1
    assert len(receiver.got) == 1


def test_one_that_fails_for_days_or_is_gone_is_given_up(
    scope: Scope, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, _ = webhooks.add_webhook(scope, receiver.url, ["rollout"])
    receiver.statuses = [500, 500]
    decide(scope)
    deliver(scope.store, retry_seconds=(0.01, 0.01), rounds=1)
    monkeypatch.setattr(delivering, "DISABLED_AFTER", timedelta(seconds=0.01))
    time.sleep(0.05)
    deliver(scope.store, retry_seconds=(0.01, 0.01), rounds=1)
    [given_up] = webhooks.list_webhooks(scope)
    assert given_up.state == "disabled"
    assert "Nothing got through" in str(given_up.disabled_why)
    decide(scope, subject="rel_2")
    assert len(webhooks.list_deliveries(scope)) == 1
    assert webhooks.enable_webhook(scope, webhook.id).state == "on"
    with pytest.raises(Conflict, match="is not disabled"):
        webhooks.enable_webhook(scope, webhook.id)
    receiver.statuses = [410]
    decide(scope, subject="rel_3")
    time.sleep(0.05)
    deliver(scope.store)
    [gone] = webhooks.list_webhooks(scope)
    assert "410 Gone" in str(gone.disabled_why)
    with pytest.raises(Conflict, match="is disabled"):
        asyncio.run(webhooks.send_test(scope, webhook.id))


def test_a_test_message_says_what_came_of_it(scope: Scope, receiver: Receiver) -> None:
    webhook, secret = webhooks.add_webhook(scope, receiver.url, ["verdict"])
    delivery = asyncio.run(webhooks.send_test(scope, webhook.id))
    [(headers, body)] = receiver.got
    message = StockWebhook(secret).verify(
        body.decode(), {name.lower(): value for name, value in headers.items()}
    )

    assert (delivery.status, delivery.type) == ("delivered", "webhook.test")
    assert "a test of this webhook" in message["data"]["sentence"]
    receiver.delay_s = 0.2
    receiver.statuses = [404]
    failed = asyncio.run(webhooks.send_test(scope, webhook.id))
    assert (failed.status, failed.said) == ("failed", "It answered 404 Not Found")
    receiver.stop()
    nobody = asyncio.run(webhooks.send_test(scope, webhook.id))
    assert (nobody.status, nobody.said) == (
        "failed",
        f"Nothing answers at 127.0.0.1:{receiver.port}",
    )
    receiver.start_again()


def test_an_answer_that_does_not_come_is_a_failure(scope: Scope, receiver: Receiver) -> None:
    webhooks.add_webhook(scope, receiver.url, ["rollout"])
    receiver.delay_s = 1.5
    decide(scope)
    deliver(scope.store, retry_seconds=(60,))

    [delivery] = webhooks.list_deliveries(scope)
    assert (delivery.status, delivery.said) == ("waiting", "No answer within 1 s")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/x", "is not https"),
        ("ftp://hooks.example.com/x", "is no address for a webhook"),
        ("https:///x", "names no host"),
        ("https://ann:pass@example.com/x", "holds a name or password"),
        ("https://10.1.2.3/x", "which is not a public address"),
        ("https://169.254.169.254/latest", "which is not a public address"),
        ("https://[::ffff:10.0.0.1]/x", "which is not a public address"),
        ("https://[64:ff9b::a00:1]/x", "which is not a public address"),
        ("https://[fd00::1]/x", "which is not a public address"),
        ("https://[fec0::1]/x", "which is not a public address"),
        ("https://[::7f00:1]/x", "which is not a public address"),
        ("https://127.1/x", "its host is a number"),
        ("https://2130706433/x", "its host is a number"),
        ("https://127.0.0.1./x", "its host is a number"),
        ("https://0x7f.1/x", "its host is a number"),
        ("http://127.0.0.1:7710/api/usecases/a/rollback", "is lineside itself"),
        ("http://localhost:7710/x", "is lineside itself"),
        ("https://exa mple.com/x", "characters that no address has"),
    ],
)
def test_an_address_that_must_not_be_called_is_refused(scope: Scope, url: str, said: str) -> None:
    with pytest.raises((Invalid, Denied), match=said):
        webhooks.add_webhook(scope, url, ["verdict"])

    assert webhooks.list_webhooks(scope) == []


def test_this_machine_is_called_only_where_a_setting_allows_it(
    store: Store, receiver: Receiver
) -> None:
    scope = local_scope(store)
    with pytest.raises(Denied) as error:
        webhooks.add_webhook(scope, receiver.url, ["verdict"])

    assert "127.0.0.1/32" in str(error.value.hint)


def test_a_name_that_leads_inside_is_not_called(
    scope: Scope, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def inside(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.9.8.7", port))]

    webhooks.add_webhook(scope, "https://hooks.example.com/x", ["rollout"])
    decide(scope)
    monkeypatch.setattr(socket, "getaddrinfo", inside)
    deliver(scope.store, retry_seconds=(60,))

    [delivery] = webhooks.list_deliveries(scope)
    assert "`hooks.example.com` is at 10.9.8.7, which is not a public address" in str(delivery.said)


def test_what_may_be_asked_for_is_said(scope: Scope) -> None:
    with pytest.raises(Invalid) as error:
        webhooks.add_webhook(scope, "https://example.com/x", ["verdct"])
    assert error.value.hint == "Did you mean `verdict`?"
    with pytest.raises(Invalid, match="No event was named"):
        webhooks.add_webhook(scope, "https://example.com/x", [])


def test_rights_and_workspaces_hold(scope: Scope, receiver: Receiver) -> None:
    webhook, _ = webhooks.add_webhook(scope, receiver.url, ["*"])
    decide(scope)
    _, secret = create_key(scope, "reads", rights=["read", "deploy"])
    key = scope_for_key(scope.store, secret)
    person = Actor(kind="person", id="mem_other", name="bob")
    other = Scope(scope.store, "elsewhere", person, scope.rights)

    for work in (webhooks.list_webhooks, webhooks.list_deliveries):
        with pytest.raises(Denied, match="lacks the right `webhooks`"):
            work(key)
        assert work(other) == []
    for act in (webhooks.remove_webhook, webhooks.enable_webhook, webhooks.find_webhook):
        with pytest.raises(NotFound, match="There is no webhook"):
            act(other, webhook.id)
    with pytest.raises(NotFound, match="There is no message"):
        webhooks.redeliver(other, webhooks.list_deliveries(scope)[0].id)
    with scope.store.records.write() as connection:
        outbox.emit(connection, "elsewhere", "alert.raised", subject="a", sentence="b")
    assert "alert.raised" not in {one.type for one in webhooks.list_deliveries(scope)}


def test_one_that_is_removed_is_told_nothing_more(scope: Scope, receiver: Receiver) -> None:
    webhook, _ = webhooks.add_webhook(scope, receiver.url, ["rollout"])
    decide(scope)
    webhooks.remove_webhook(scope, webhook.id)
    decide(scope)
    deliver(scope.store)

    assert receiver.got == []
    assert webhooks.list_deliveries(scope) == []
