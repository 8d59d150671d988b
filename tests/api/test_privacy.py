"""`/api/privacy` and `DELETE /api/traces`: masking, keeping and erasing over HTTP."""

from starlette.testclient import TestClient


def test_what_is_sent_after_a_rule_was_made_is_masked_and_can_be_erased(client: TestClient) -> None:
    made = client.put("/api/privacy/rules/email", json={})
    tried = client.post("/api/privacy/try", json={"text": "to ann@example.com"})
    user = {"key": "user.id", "value": {"stringValue": "u-17"}}
    mail = {"key": "mail", "value": {"stringValue": "ann@example.com"}}
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "chat", "attributes": [user, mail]}
    spans = [span | {"startTimeUnixNano": "1790000000000000000"}]
    sent = client.post("/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})

    assert (made.status_code, sent.status_code) == (200, 200)
    assert tried.json() == {"text": "to [masked:email]"}
    (step,) = client.get(f"/api/traces/{'ab' * 16}").json()
    assert step["raw"]["attributes"]["mail"] == "[masked:email]"

    would = client.delete("/api/traces", params={"user": "u-17", "dry_run": True}).json()
    erased = client.delete("/api/traces", params={"user": "u-17"}).json()

    assert (would["traces"], would["is_done"]) == (1, False)
    assert (erased["traces"], erased["is_done"]) == (1, True)
    assert client.get(f"/api/traces/{'ab' * 16}").status_code == 404
    assert client.delete("/api/traces").status_code == 422
    assert client.delete("/api/privacy/rules/email").status_code == 200
    assert client.delete("/api/privacy/rules/email").status_code == 404


def test_how_long_traces_are_kept_is_set_and_taken_back(client: TestClient) -> None:
    client.put("/api/privacy/retention", json={"days": 14})
    (kept,) = client.get("/api/privacy/retention").json()
    assert (kept["use_case"], kept["days"]) == (None, 14)

    assert client.put("/api/privacy/retention", json={}).json() is None
    assert client.get("/api/privacy/retention").json() == []
    assert client.put("/api/privacy/retention", json={"days": 0}).status_code == 422
