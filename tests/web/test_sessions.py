"""Pages of sessions, users, what is unclaimed, marked and left out."""

import re

import pytest
from starlette.testclient import TestClient

from lineside.core import now
from lineside.traces import new_trace_id
from web.small_case import html, words


@pytest.fixture(scope="module")
def asked(client: TestClient) -> str:
    """One trace of a session and a user, from a service that no use case has; gives its id."""
    return keep(client, service="shop", session_id="chat/17", user_id="ann@shop")


def keep(client: TestClient, *, service: str = "mail", **attributes: str) -> str:
    """Send a model step as a program does."""
    trace_id, at = new_trace_id(), int(now().timestamp() * 1e9) - 300 * 10**9
    fields = {
        "openinference.span.kind": "LLM",
        "input.value": "Where is my <parcel>?",
        "output.value": "On its way",
    } | {name.replace("_", "."): value for name, value in attributes.items()}
    span = {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "name": "chat",
        "startTimeUnixNano": str(at),
        "endTimeUnixNano": str(at + 10**9),
        "attributes": [{"key": key, "value": {"stringValue": fields[key]}} for key in fields],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    assert client.post("/v1/traces", json=body).status_code == 200
    return trace_id


def test_a_session_reads_as_a_conversation(client: TestClient, asked: str) -> None:
    assert 'href="/sessions/chat/17"' in html(client, "/sessions")
    shown = html(client, "/sessions/chat/17")

    assert "Where is my &lt;parcel&gt;?" in shown
    assert f"/traces/{asked}" in shown
    assert "On its way" in words(shown)
    assert "unknown Cost" in words(shown) or "Cost unknown" in words(shown)
    assert client.get("/sessions/none").status_code == 404
    [link] = re.findall(r'href="(/traces/export[^"]+)"', shown)
    exported = client.get(link).text.splitlines()
    assert [asked in line for line in exported] == [True]


def test_a_user_has_a_page_with_sessions(client: TestClient, asked: str) -> None:
    assert "/users/ann%40shop" in html(client, "/users")
    assert "chat/17" in words(html(client, "/users/ann@shop"))
    assert f"/traces/{asked}" in html(client, "/sessions/chat/17")


def test_a_service_is_claimed_on_the_shelf(client: TestClient, asked: str) -> None:
    assert "shop" in words(html(client, "/unclaimed"))

    typed = {"service": "shop", "use_case": "triage"}
    done = words(client.post("/unclaimed/claim", data=typed).text)

    assert "shop is claimed" in done
    assert "Belongs to" not in done, "there is nothing left to claim"
    assert "Unclaimed" not in html(client, f"/traces/{asked}").split("<main")[1].split("figures")[0]
    client.post("/unclaimed/release", data={"service": "shop"})
    assert "Claimed services" not in html(client, "/unclaimed")


def test_a_service_is_claimed_for_a_use_case_that_is_only_watched(client: TestClient) -> None:
    trace_id = keep(client, service="checkout-bot")
    assert 'name="new"' in html(client, "/unclaimed")

    typed = {"service": "checkout-bot", "new": "checkout-help"}
    done = client.post("/unclaimed/claim", data=typed).text

    assert "checkout-bot is claimed for checkout-help" in words(done)
    shown = html(client, "/usecases/checkout-help")
    assert "Only watched" in words(shown)
    assert "1 trace in 7 days" in words(shown)
    assert f"/traces/{trace_id}" in shown
    assert "Only watched" in words(html(client, "/"))
    for path in ("/traces", "/traces/charts", "/sessions"):
        assert ">checkout-help</option>" in html(client, path), path
    assert "checkout-help" in words(html(client, "/quality"))
    assert "checkout-help" not in words(html(client, "/guards"))
    for path in ("rollout", "guards", "knobs", "try"):
        assert client.get(f"/usecases/checkout-help/{path}").status_code in (200, 404), path
    refused = client.post("/unclaimed/claim", data={"service": "mail", "new": "Check out"})
    assert (refused.status_code, "lower-case letters" in refused.text) == (422, True)

    refused = client.post("/usecases/checkout-help/unwatch")
    assert (refused.status_code, "would belong to nothing" in refused.text) == (409, True)
    assert "Remove checkout-help" in html(client, "/usecases/checkout-help")
    gone = words(client.post("/usecases/checkout-help/unwatch", data={"to_shelf": "1"}).text)
    assert "checkout-help is watched no longer" in gone
    assert "1 trace came back to this shelf" in gone
    assert client.get("/usecases/checkout-help").status_code == 404


def test_a_trace_is_tagged_linked_and_noted_on_its_page(client: TestClient, asked: str) -> None:
    place = f"/traces/{asked}/marks"
    client.post(place, data={"kind": "tag", "text": "Wrong refund"})
    client.post(place, data={"kind": "note", "text": "Asked <twice>"})
    shown = client.post(
        place, data={"kind": "link", "address": "https://t.example/1", "text": "SHOP-1"}
    ).text

    assert "Asked &lt;twice&gt;" in shown
    assert 'href="https://t.example/1"' in shown
    assert asked in html(client, "/marks?tag=wrong+refund")
    assert client.post(place, data={"kind": "link", "address": "file:///x"}).status_code == 422


def test_quality_is_shown_by_use_case(client: TestClient) -> None:
    keep(client, lineside_usecase="triage")

    shown = words(html(client, "/quality"))

    assert "Telemetry quality" in shown
    assert "triage" in shown
    assert "Dropped by clients not reported" in shown
