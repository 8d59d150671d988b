"""Scores as Langfuse's Python client 5 sends them, its host changed and no more."""

import secrets
import time
from typing import Any

import httpx
import pytest

from api.test_annotations import key_for, scores, server, step

__all__ = ["server"]


def score(**fields: Any) -> dict[str, Any]:
    usual = {"id": secrets.token_hex(16), "name": "helpful", "value": 0.5, "dataType": "NUMERIC"}
    return usual | fields


def send(server: str, *rows: Any, key: str | None = None) -> httpx.Response:
    auth = ("pk-lf-1", key) if key else None
    return httpx.post(f"{server}/api/public/scores", json=list(rows), auth=auth)


@pytest.fixture
def use_cases(server: str) -> tuple[str, str]:
    for service in ("orders", "refunds"):
        step(server, service=service)
        wish = {"service": service, "use_case": service, "is_new": True}
        httpx.post(f"{server}/api/unclaimed/routes", json=wish)
    return "orders", "refunds"


def test_a_batch_of_scores_is_kept_and_waits_for_what_has_not_come(server: str) -> None:
    trace_id, span_id = step(server)
    later = secrets.token_hex(16)

    answer = send(
        server,
        score(traceId=trace_id, observationId=span_id, comment="Says when", metadata={"by": "x"}),
        score(traceId=trace_id, name="tone", value="kind", dataType="CATEGORICAL"),
        score(traceId=trace_id, name="safe", value=1, dataType="BOOLEAN"),
        score(traceId=later, name="early"),
    )

    assert answer.status_code == 200
    assert answer.json()["id"]
    said = {one["name"]: one for one in scores(server, trace_id=trace_id)}
    assert (said["helpful"]["value"], said["helpful"]["span_id"]) == (0.5, span_id)
    assert (said["helpful"]["explanation"], said["helpful"]["metadata"]) == (
        "Says when",
        {"by": "x"},
    )
    assert (said["tone"]["label"], said["safe"]["value"]) == ("kind", 1)
    waiting = httpx.get(f"{server}/api/scores/waiting").json()
    assert [one["trace_id"] for one in waiting if one["name"] == "early"] == [later]


def test_a_score_of_the_same_id_takes_the_place_of_the_earlier(server: str) -> None:
    trace_id, _ = step(server)
    first = score(traceId=trace_id)
    send(server, first)
    time.sleep(0.001)
    send(server, first | {"value": 1.0})

    assert [one["value"] for one in scores(server, trace_id=trace_id)] == [1.0]


def test_what_is_no_score_is_said_and_costs_no_other(server: str) -> None:
    trace_id, _ = step(server)

    answer = send(server, score(traceId=trace_id), score(), "nonsense", score(name=7))
    alone = httpx.post(f"{server}/api/public/scores", json=score())

    assert answer.status_code == 207
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 3)
    assert "of no trace, step or session" in answer.json()["errors"][0]["message"]
    assert alone.status_code == 422
    assert len(scores(server, trace_id=trace_id)) == 1


def test_a_key_of_another_use_case_scores_nothing_here(
    server: str, use_cases: tuple[str, str]
) -> None:
    trace_id, span_id = step(server, service="refunds")
    limited = key_for(server, "orders")

    here = send(server, score(traceId=trace_id, observationId=span_id), key=limited)
    later = secrets.token_hex(16)
    early = send(server, score(traceId=later), key=limited)
    step(server, service="refunds", trace_id=later)

    assert here.status_code == 207
    assert early.status_code == 200
    assert scores(server, trace_id=trace_id) == scores(server, trace_id=later) == []
