"""What was refused at the doors of telemetry is told afterwards as well, by reason."""

import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from starlette.testclient import TestClient

from api.test_otlp_grpc import body, free_port, settings_on, state
from lineside.core import Settings
from lineside.server import build
from lineside.web.render import said

TRACE = "a7" * 16
JSON = {"content-type": "application/json"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def opened(home: Path) -> TestClient:
    settings = Settings(home=home, otlp_bytes_max=4096, otlp_grpc_port=0, flush_seconds=0.05)
    return TestClient(build(settings), base_url="http://127.0.0.1")


def spans(*span_ids: str, **resource: str) -> dict[str, Any]:
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in resource.items()]
    some = [{"traceId": TRACE, "spanId": span_id, "name": "step"} for span_id in span_ids]
    group = {"resource": {"attributes": pairs}, "scopeSpans": [{"spans": some}]}
    return {"resourceSpans": [group]}


def told(client: TestClient, **query: Any) -> dict[str, dict[str, Any]]:
    """What was refused, by its short name, once it is written down."""
    for _ in range(60):
        answer = client.get("/api/quality/refusals", params=query)
        assert answer.status_code == 200, answer.text
        found = {one["code"]: one for one in answer.json()}
        if found:
            return found
        time.sleep(0.05)
    return {}


def key_for(client: TestClient, name: str, *use_cases: str) -> dict[str, str]:
    wish = {"name": name, "rights": ["ingest", "read"], "use_cases": list(use_cases)}
    made = client.post("/api/keys", json=wish)
    assert made.status_code == 201, made.text
    return {"authorization": f"Bearer {made.json()['secret']}"}


def test_what_was_refused_of_a_message_is_counted_by_reason_use_case_and_key(home: Path) -> None:
    with opened(home) as client:
        watched = {"service": "shop", "use_case": "orders", "is_new": True}
        assert client.post(
            "/v1/traces", json=spans("b" * 16, **{"service.name": "shop"})
        ).is_success
        assert client.post("/api/unclaimed/routes", json=watched).status_code == 201
        limited = key_for(client, "shop key", "orders")
        mixed = spans("c" * 16, "0" * 16, "d" * 16)

        client.post("/v1/traces", json=mixed, headers=limited)
        client.post("/v1/traces", json=mixed, headers=limited)
        client.post("/v1/traces", json=spans("0" * 16, "abc", **{"service.name": "other"}))
        found = client.get("/api/quality/refusals").json()
        own = client.get("/api/quality/refusals", params={"use_case": "orders"}, headers=limited)
        foreign = client.get("/api/quality/refusals", headers=limited)

    counted = {(one["use_case"], one["sender"], one["reason"]): one for one in found}
    assert {name: one["count"] for name, one in counted.items()} == {
        ("orders", "shop key", "span_id is all zeros"): 2,
        (None, None, "span_id is all zeros"): 1,
        (None, None, "span_id has 2 bytes, expected 8"): 1,
    }
    zeros = counted["orders", "shop key", "span_id is all zeros"]
    assert (zeros["unit"], zeros["door"], zeros["status"]) == ("spans", "traces", 200)
    assert [day["count"] for day in zeros["days"]] == [2]
    assert [one["count"] for one in own.json()] == [2]
    assert foreign.status_code == 403
    with opened(home) as client:
        assert client.get("/api/quality/refusals").json() == found


@pytest.mark.parametrize(
    ("sent", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "not_json"),
        (b"x" * 5000, JSON, 413, "body_too_large"),
        (b"{}", {"content-type": "text/plain"}, 415, "unknown_media_type"),
        (b"{}", JSON | {"content-encoding": "br"}, 415, "unknown_encoding"),
        (b"{}", JSON | {"authorization": "Bearer lsk_no_key"}, 401, "bad_key"),
    ],
)
def test_a_request_that_was_turned_away_is_counted(
    home: Path, sent: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    with opened(home) as client:
        answers = [client.post("/v1/logs", content=sent, headers=headers) for _ in range(3)]
    with opened(home) as client:
        found = told(client)
        page = client.get("/quality").text

    assert [answer.status_code for answer in answers] == [status] * 3
    assert list(found) == [code]
    one = found[code]
    assert (one["count"], one["unit"], one["door"], one["status"]) == (
        3,
        "requests",
        "logs",
        status,
    )
    assert answers[0].json()["message"].startswith(one["reason"])
    assert str(said(one["reason"])) in page


def test_a_flood_of_bad_requests_takes_no_room_in_the_inbox(home: Path) -> None:
    with opened(home) as client:
        for _ in range(300):
            client.post("/v1/traces", content=b"{", headers=JSON)
        waiting = client.get("/healthz").json()["inbox_rows"]
    with opened(home) as client:
        assert sum(one["count"] for one in told(client).values()) == 300

    assert waiting <= 10


def test_what_grpc_turned_away_is_counted_as_well(tmp_path: Path) -> None:
    settings = settings_on(free_port(), tmp_path / "grpc")
    method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    with (
        TestClient(build(settings), base_url="http://127.0.0.1") as client,
        grpc.insecure_channel(state(client)["address"]) as channel,
    ):
        export = channel.unary_unary(method)
        for sent in (b"\xff\xff\xff", body(b"t" * 16)):
            with pytest.raises(grpc.RpcError, match="UNAUTHENTICATED"):
                export(sent, metadata=(("authorization", "Bearer lsk_x_y"),))
        export(body(bytes(16)))
        reasons = told(client)
        time.sleep(1.2)
        reasons |= told(client)

    assert reasons["trace_id is all zeros"]["count"] == 1
    assert (reasons["bad_key"]["count"], reasons["bad_key"]["door"]) == (2, "traces")
