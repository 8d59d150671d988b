"""Programs rate with keys of their own, and see no more than a rater may."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lineside.apps import open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import create_key, local_scope
from lineside.usecases import read_folder

WISH: dict[str, Any] = {
    "name": "topics",
    "questions": [
        {"name": "right", "ask": "Is it right?", "kind": "choice", "options": ["yes", "no"]}
    ],
    "items": 2,
}


@pytest.fixture
def settings(made_home: Path) -> Settings:
    return Settings(home=made_home, user="ann", otlp_grpc_port=0)


def test_a_program_rates_with_a_key_of_its_own(settings: Settings, make_folder) -> None:
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(make_folder(right=30)))
    secret = create_key(scope, "ben", rights=["review"])[1]
    store.close()
    ben = {"authorization": f"Bearer {secret}"}
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        run_id = client.get("/api/runs").json()[0]["id"]
        made = client.post("/api/reviews", json=WISH | {"source": {"run": run_id}})
        assert made.status_code == 201, made.text
        turn = client.post("/api/reviews/topics/turn", headers=ben).json()
        item = turn["task"]["item"]
        answered = client.put(
            f"/api/reviews/topics/items/{item}/answer", json={"said": {"right": "yes"}}, headers=ben
        )
        assert answered.json()["answered"] == 1
        state = client.get("/api/reviews/topics")
        assert [rater["name"] for rater in state.json()["raters"]] == ["ben"]
        assert state.json()["answers_left"] == 3
        for hidden in ("", "/disagreements", "/history", "/labels"):
            assert client.get(f"/api/reviews/topics{hidden}", headers=ben).status_code == 403
        assert client.get("/api/reviews", headers=ben).json()[0]["name"] == "topics"
        labels = client.get("/api/reviews/topics/labels").text
        assert labels.splitlines()[0] == "case,label,ben,verdict,chance,is_settled"
        unfit = client.put(
            f"/api/reviews/topics/items/{item}/answer", json={"said": {"right": "y"}}, headers=ben
        )
        assert (unfit.status_code, unfit.json()["error"]["code"]) == (422, "bad_answer")
