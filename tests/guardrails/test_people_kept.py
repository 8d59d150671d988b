"""Where guards mask what is said, the steps do not keep whose it was in clear either."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import local_scope
from lineside.usecases import read_folder

ANNA, BERT = "anna@example.com", "bert@example.com"
ALIAS = re.compile(r"\[masked:email:[0-9a-f]{16}\]")


@pytest.fixture
def client(made_home: Path, guarded_folder: Callable[..., Path], request: pytest.FixtureRequest):
    settings = Settings(home=made_home, flush_seconds=0.05, otlp_grpc_port=0)
    store = open_line(settings)
    guards = getattr(request, "param", "  input: [mask_pii]\n")
    release_folder(local_scope(store), read_folder(guarded_folder(guards)))
    deploy(local_scope(store), "triage")
    store.close()
    (made_home / "gateway.yaml").write_text("scripted: {play: {file: play.jsonl}}")
    script = json.dumps({"when": {"default": True}, "output": {"text": "Yes."}})
    (made_home / "play.jsonl").write_text(script)
    (made_home / "guards.yaml").write_text("input: [mask_pii]\n")
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def by_rest(client: TestClient, user: str) -> str:
    body = {"input": {"message": "Card declined"}, "user": user, "session": f"chat of {user}"}
    answer = client.post("/api/usecases/triage/run", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["trace_id"]


def by_door(client: TestClient, user: str, model: str = "triage", **more: object) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "Card declined"}]}
    said = {"x-lineside-user": user, "x-lineside-session": f"chat of {user}"}
    answer = client.post("/v1/chat/completions", json=body | more, headers=said)
    return answer.headers["x-lineside-trace-id"]


def steps(client: TestClient, trace_id: str) -> list[dict]:
    return client.get(f"/api/traces/{trace_id}").json()


def test_no_mail_stands_in_the_users_of_an_app_that_masks_mails(client: TestClient) -> None:
    first, again = by_rest(client, ANNA), by_door(client, ANNA)
    plain, other = by_door(client, ANNA, "play/any"), by_rest(client, BERT)

    named = {
        trace_id: {(one["user_id"], one["session_id"]) for one in steps(client, trace_id)}
        for trace_id in (first, again, plain, other)
    }
    assert named[first] == named[again] == named[plain] != named[other]
    ((user, session),) = named[first]
    assert ALIAS.fullmatch(user)
    assert ALIAS.fullmatch(session)
    page = client.get("/users").text
    assert ANNA not in page
    assert user in page.replace("<wbr>", "")
    assert client.get(f"/api/users/{ANNA}").json()["totals"]["traces"] == 3
    assert client.get(f"/users/{ANNA}").status_code == 200
    assert client.delete(f"/api/traces?user={ANNA}").json()["traces"] == 3
    assert len(client.get("/api/traces").json()["traces"]) == 1


def test_a_call_that_does_not_reach_its_guards_is_kept_without_what_it_said(
    client: TestClient,
) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    said = [{"role": "user", "content": f"I am {ANNA}"}]
    for model in ("triage", "no-such-use-case"):
        trace_id = by_door(client, ANNA, model, messages=said, tools=[tool])
        (span,) = steps(client, trace_id)
        assert span["status"] == "error"
        assert ANNA not in json.dumps(span)
        assert ALIAS.fullmatch(span["user_id"])


def test_a_score_of_a_session_goes_to_the_name_it_has_here(client: TestClient) -> None:
    by_rest(client, ANNA)
    score = {"name": "csat", "value": 1, "session_id": f"chat of {ANNA}"}
    assert client.post("/api/scores", json=score).status_code < 300

    (kept,) = client.get("/api/scores", params={"session_id": f"chat of {ANNA}"}).json()
    assert ALIAS.fullmatch(kept["session_id"])
    assert kept["use_case"] == "triage"


@pytest.mark.parametrize("client", ["  output: [mask_pii]\n"], indirect=True)
def test_ids_stay_where_nothing_of_the_input_is_masked(client: TestClient) -> None:
    (user,) = {one["user_id"] for one in steps(client, by_rest(client, ANNA))}

    assert user == ANNA
