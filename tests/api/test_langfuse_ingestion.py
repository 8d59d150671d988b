"""The door where Langfuse's clients before 5 send events, their host changed and no more."""

import secrets
import uuid
from typing import Any

from starlette.testclient import TestClient

DOOR = "/api/public/ingestion"


def event(kind: str, **body: Any) -> dict[str, Any]:
    moment = "2026-11-28T11:00:00Z"
    return {"id": str(uuid.uuid4()), "type": kind, "timestamp": moment, "body": body}


def key(client: TestClient, *rights: str) -> str:
    wish = {"name": f"key {secrets.token_hex(4)}", "rights": list(rights)}
    return str(client.post("/api/keys", json=wish).json()["secret"])


def test_scores_of_the_clients_3_and_4_wait_for_their_step(client: TestClient) -> None:
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    about = {"traceId": trace_id, "observationId": span_id, "id": secrets.token_hex(8)}
    score = event("score-create", name="helpful", value=1.0, dataType="NUMERIC", **about)

    answer = client.post(DOOR, json={"batch": [score], "metadata": {"batch_size": 1}})

    assert answer.status_code == 207
    assert answer.json() == {"successes": [{"id": score["id"], "status": 201}], "errors": []}
    (waiting,) = (
        one for one in client.get("/api/scores/waiting").json() if one["trace_id"] == trace_id
    )
    assert (waiting["name"], waiting["value"], waiting["span_id"]) == ("helpful", 1.0, span_id)


def test_each_event_has_an_answer_of_its_own(client: TestClient) -> None:
    trace_id = str(uuid.uuid4())
    good = event("trace-create", id=trace_id, name="chat")
    bad = event("span-create", id="s1")

    answer = client.post(DOOR, json={"batch": [good, bad]})

    assert answer.status_code == 207
    assert [one["id"] for one in answer.json()["successes"]] == [good["id"]]
    (error,) = answer.json()["errors"]
    assert (error["id"], error["status"]) == (bad["id"], 400)
    assert "its body has no `traceId`" in error["message"]
    assert "those from 3 on send steps by OpenTelemetry" in error["message"]


def test_what_is_no_batch_is_refused_whole(client: TestClient) -> None:
    broken = client.post(DOOR, content=b"{", headers={"content-type": "application/json"})
    other = client.post(DOOR, json={"events": []})
    large = client.post(DOOR, content=b" " * (5 * 1024 * 1024))

    assert [broken.status_code, other.status_code, large.status_code] == [422, 422, 413]
    assert "no list `batch`" in other.json()["error"]["message"]


def test_keys_hold_as_at_other_doors(client: TestClient) -> None:
    scoring, sending = key(client, "feedback"), key(client, "ingest")
    score = event("score-create", name="helpful", value=1.0, traceId=secrets.token_hex(16))
    trace = event("trace-create", id=str(uuid.uuid4()), name="chat")

    def posted(secret: str, *events: Any) -> Any:
        return client.post(DOOR, json={"batch": list(events)}, auth=("pk-lf-1", secret))

    both = posted(scoring, score, trace)
    assert [one["id"] for one in both.json()["successes"]] == [score["id"]]
    assert [(one["id"], one["status"]) for one in both.json()["errors"]] == [(trace["id"], 403)]
    assert [posted(scoring, trace).status_code, posted(sending, score).status_code] == [403, 403]
    assert posted(sending, trace).status_code == 207
    assert posted("sk-lf-wrong", trace).status_code == 401


def test_a_client_may_ask_whether_its_key_is_good(client: TestClient) -> None:
    secret = key(client, "ingest")

    good = client.get("/api/public/projects", auth=("pk-lf-1", secret))
    wrong = client.get("/api/public/projects", auth=("pk-lf-1", "sk-lf-wrong"))

    assert good.json()["data"][0]["name"]
    assert wrong.status_code == 401
