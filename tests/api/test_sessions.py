"""Sessions, users, marks, the shelf and telemetry quality over HTTP."""

from starlette.testclient import TestClient

from lineside.core import now


def send(client: TestClient, trace_id: str, **attributes: str) -> None:
    at = str(int(now().timestamp() * 1e9))
    spelled = [
        {"key": name.replace("_", "."), "value": {"stringValue": value}}
        for name, value in attributes.items()
    ]
    span = {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "name": "chat",
        "startTimeUnixNano": at,
        "endTimeUnixNano": at,
        "attributes": spelled,
    }
    service = {"key": "service.name", "value": {"stringValue": "shop"}}
    body = {
        "resourceSpans": [
            {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}
        ]
    }
    assert client.post("/v1/traces", json=body).status_code == 200


def test_what_was_received_is_found_by_session_and_user(client: TestClient) -> None:
    send(client, "a1" * 16, session_id="chat/1", user_id="u1")

    (listed,) = client.get("/api/sessions").json()["sessions"]
    one = client.get("/api/sessions/chat/1").json()
    (user,) = client.get("/api/users").json()["users"]

    assert (listed["id"], listed["user_id"], listed["totals"]["traces"]) == ("chat/1", "u1", 1)
    assert one["traces"][0]["trace_id"] == "a1" * 16
    assert (user["id"], user["sessions"]) == ("u1", 1)
    assert client.get("/api/users/u1").json()["totals"]["cost_usd"] is None
    assert client.get("/api/sessions/none").status_code == 404


def test_the_shelf_and_marks_are_reached_over_http(client: TestClient) -> None:
    trace_id = "b2" * 16
    send(client, trace_id)

    shelf = client.get("/api/unclaimed").json()
    refused = client.post("/api/unclaimed/routes", json={"service": "shop", "use_case": "none"})
    place = f"/api/traces/{trace_id}/marks"
    made = client.post(place, json={"kind": "tag", "text": "Odd"})

    assert "shop" in [one["service"] for one in shelf]
    assert refused.status_code == 404
    assert "--new" in refused.json()["error"]["hint"]
    assert made.status_code == 201
    assert [one["text"] for one in client.get(place).json()] == ["odd"]
    assert client.get("/api/marks", params={"tag": "odd"}).json()[0]["trace_id"] == trace_id
    assert client.delete(f"{place}/{made.json()['id']}").status_code == 200
    assert client.get("/api/quality").json()[0]["use_case"] is None
    wish = {"service": "shop", "use_case": "orders", "is_new": True}
    assert client.post("/api/unclaimed/routes", json=wish).status_code == 201
    known = client.get("/api/usecases/orders").json()
    assert (known["name"], known["manifest"]) == ("orders", None)

    refused = client.delete("/api/usecases/orders")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "watched_has_traces")
    done = client.delete("/api/usecases/orders", params={"to_shelf": True}).json()
    assert done["services"] == ["shop"]
    assert done["traces_moved"] > 0
    assert client.get("/api/usecases/orders").status_code == 404
