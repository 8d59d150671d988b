"""Programs have a release judged, follow the run, and read its results."""

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

PATH = "/api/usecases/triage/runs"


@pytest.fixture
def keys(settings: Settings, make_folder) -> dict[str, dict[str, str]]:
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    made = {
        "tests": create_key(scope, "tests", rights=["test", "read"])[1],
        "reads": create_key(scope, "reads", rights=["read"])[1],
    }
    store.close()
    return {name: {"authorization": f"Bearer {secret}"} for name, secret in made.items()}


@pytest.fixture
def client(settings: Settings, keys: Any) -> Iterator[TestClient]:
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def test_the_live_release_is_judged_anew_and_its_results_read(
    client: TestClient, keys: Any
) -> None:
    wish = {"repetitions": 2, "limits": {"seconds_max": 120}}
    begun = client.post(PATH, json=wish, headers=keys["tests"])
    assert begun.status_code == 202, begun.text
    run = begun.json()
    until = time.monotonic() + 60
    while run["status"] == "running":
        assert time.monotonic() < until
        time.sleep(0.1)
        run = client.get(f"/api/runs/{run['id']}", headers=keys["reads"]).json()

    assert (run["status"], run["repetitions"]) == ("done", 2)
    assert run["cases_done"] == run["cases_total"] > 0
    results = client.get(f"/api/runs/{run['id']}/results", headers=keys["reads"]).json()
    assert {one["repetition"] for one in results} == {0, 1}
    again = client.post(PATH, json=wish, headers=keys["tests"]).json()
    assert again["id"] == run["id"]


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        ({"release": "v9"}, 404, "v9"),
        ({"dataset": "triage/nothing"}, 404, "nothing"),
        ({"repetitions": 0}, 422, "repetitions"),
        ({"limits": {"cost_usd_max": -1}}, 422, "cost_usd_max"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_words(
    client: TestClient, keys: Any, wish: dict[str, Any], status: int, said: str
) -> None:
    answer = client.post(PATH, json=wish, headers=keys["tests"])

    assert answer.status_code == status
    assert said in answer.text


def test_who_may_only_read_starts_nothing(client: TestClient, keys: Any) -> None:
    assert client.post(PATH, json={}, headers=keys["reads"]).status_code == 403


def test_what_the_api_does_not_take_is_said_as_any_error(client: TestClient) -> None:
    missing = client.get("/api/leaderboard")
    other = client.post("/api/runs")

    assert (missing.status_code, other.status_code) == (404, 405)
    assert missing.json()["error"] == {
        "code": "no_such_path",
        "message": "There is no `GET /api/leaderboard`",
        "hint": "All that there is: `/api/docs`.",
    }
    assert other.json()["error"]["code"] == "no_such_method"
    assert other.json()["error"]["hint"].startswith("It takes GET")
    assert other.headers["allow"] == "GET"


def test_what_cannot_be_read_of_a_request_is_said_as_any_error(client: TestClient) -> None:
    number = client.get("/api/traces?limit=abc")
    missing = client.get("/api/compare?baseline=x")
    broken = client.post(
        "/api/keys", content="{broken", headers={"content-type": "application/json"}
    )

    assert [one.status_code for one in (number, missing, broken)] == [422] * 3
    assert number.json()["error"]["message"].startswith("`limit` of the query: read `'abc'`;")
    assert missing.json()["error"]["message"] == "`candidate` of the query is missing"
    assert "JSON decode error" in broken.json()["error"]["message"]
    assert {one.json()["error"]["code"] for one in (number, missing, broken)} == {"request_misfit"}
    document = client.get("/api/openapi.json").json()
    assert document["components"]["schemas"]["HTTPValidationError"]["required"] == ["error"]
