"""Programs send a file, look how far it is, and fetch what came of it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import create_key, local_scope
from lineside.usecases import read_folder

ROWS = b"id,message\n" + b"".join(b"%d,message %d\n" % (at, at) for at in range(1, 41))
PATH = "/api/usecases/triage/batches"


@pytest.fixture
def keys(settings: Settings, make_folder) -> dict[str, dict[str, str]]:
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    made = {
        "runs": create_key(scope, "runs", rights=["run"], use_cases=["triage"])[1],
        "reads": create_key(scope, "reads", rights=["read"])[1],
        "other": create_key(scope, "other", rights=["run", "read"], use_cases=["other"])[1],
    }
    store.close()
    return {name: {"authorization": f"Bearer {secret}"} for name, secret in made.items()}


@pytest.fixture
def client(settings: Settings, keys: Any) -> Iterator[TestClient]:
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def ended(client: TestClient, batch_id: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = client.get(f"/api/batches/{batch_id}").json()
        if found["batch"]["status"] != "running":
            return found
        time.sleep(0.1)
    raise AssertionError("the batch did not end within a minute")


def test_a_file_is_sent_followed_and_its_results_fetched(client: TestClient, keys: Any) -> None:
    made = client.post(f"{PATH}?file=rows%00.csv", content=ROWS, headers=keys["runs"])
    assert made.status_code == 201, made.text
    batch_id = made.json()["batch"]["id"]
    again = client.post(f"{PATH}?file=rows.csv", content=ROWS, headers=keys["runs"]).json()
    assert again["batch"]["id"] == batch_id
    found = ended(client, batch_id)

    assert (found["state"], found["batch"]["rows_answered"], found["rows_left"]) == ("done", 40, 0)
    assert found["batch"]["actor"]["name"] == "runs"
    page = client.get(f"/api/batches/{batch_id}/rows?after=37", headers=keys["runs"]).json()
    assert [(one["line"], one["output"]["topic"]) for one in page] == [
        (40, "card"),
        (41, "refund"),
    ]
    table = client.get(f"/api/batches/{batch_id}/results?form=csv", headers=keys["reads"])
    assert table.headers["content-type"].startswith("text/csv")
    assert f'filename="{batch_id}.csv"' in table.headers["content-disposition"]
    assert len(table.text.splitlines()) == 41
    parquet = client.get(f"/api/batches/{batch_id}/results?form=parquet")
    assert parquet.content[:4] == b"PAR1"
    assert [one["batch"]["id"] for one in client.get("/api/batches").json()] == [batch_id]
    assert client.post(f"/api/batches/{batch_id}/cancel").status_code == 409
    assert client.post(f"/api/batches/{batch_id}/resume", json={}).status_code == 409
    assert client.delete(f"/api/batches/{batch_id}").status_code == 200
    assert client.get(f"/api/batches/{batch_id}").status_code == 404


def test_rights_hold_at_the_door(client: TestClient, keys: Any) -> None:
    for key in ("reads", "other"):
        refused = client.post(f"{PATH}?file=rows.csv", content=ROWS, headers=keys[key])
        assert refused.status_code == 403
    batch_id = client.post(f"{PATH}?file=rows.csv", content=ROWS).json()["batch"]["id"]
    ended(client, batch_id)

    for path in ("", "/rows", "/results"):
        one = f"/api/batches/{batch_id}{path}"
        assert client.get(one, headers=keys["reads"]).status_code == 200
        assert client.get(one, headers=keys["other"]).status_code == 403
        assert client.get(one, headers=keys["runs"]).status_code == 403
    assert client.post(f"/api/batches/{batch_id}/cancel", headers=keys["reads"]).status_code == 403
    assert client.get("/api/batches", headers=keys["other"]).status_code == 403


def test_what_is_wrong_with_a_file_is_said(client: TestClient, keys: Any) -> None:
    for query, body, code in (
        ("file=rows.csv", b"", "batch_empty"),
        ("file=rows.txt", ROWS, "batch_format"),
        ("file=rows.csv&map=message", ROWS, "bad_mapping"),
        ("file=rows.csv&release=v9", ROWS, "unknown_release"),
        ("file=rows.csv&concurrency=1000", ROWS, "bad_limit"),
    ):
        refused = client.post(f"{PATH}?{query}", content=body)
        assert refused.json()["error"]["code"] == code


def test_a_file_may_be_larger_than_a_call(client: TestClient, keys: Any) -> None:
    row = b"message 1" + b" " * 3_000 + b"\n"
    made = client.post(f"{PATH}?file=rows.csv", content=b"message\n" + row * 500)

    assert made.status_code == 201
    assert ended(client, made.json()["batch"]["id"])["batch"]["rows_answered"] == 500


def test_live_calls_are_answered_while_a_batch_is_under_way(client: TestClient, keys: Any) -> None:
    rows = b"message\n" + b"".join(b"message %d\n" % at for at in range(3_000))
    batch_id = client.post(f"{PATH}?file=rows.csv", content=rows).json()["batch"]["id"]
    answered = 0
    for _ in range(20):
        call = {"input": {"message": "message 1"}}
        answered += client.post("/api/usecases/triage/run", json=call).status_code == 200
    seen = client.get(f"/api/batches/{batch_id}").json()

    assert answered == 20
    assert seen["state"] in ("running", "done")
    assert ended(client, batch_id)["batch"]["rows_answered"] == 3_000
