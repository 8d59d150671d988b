"""The whole server through its own doors, as a client on this machine sees it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import deploy, open_line, release_folder
from lineside.core import Conflict, Denied, Settings
from lineside.server import build, refuse_open_address
from lineside.store import jobs
from lineside.trust import local_scope
from lineside.usecases import read_folder


@pytest.fixture
def client(settings: Settings, make_folder) -> Iterator[TestClient]:
    """A server with one use case live."""
    store = open_line(settings)
    scope = local_scope(store)
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def ask(client: TestClient, message: str = "message 1", **headers: str):
    body = {"input": {"message": message}}
    return client.post("/api/usecases/triage/run", json=body, headers=headers)


def test_a_call_is_answered_and_feedback_finds_its_way_back(client: TestClient) -> None:
    answer = ask(client).json()
    assert answer["output"] == {"topic": "card", "confidence": 0.9}

    opinion = {"trace_id": answer["trace_id"], "thumb": "down", "correction": {"topic": "refund"}}
    given = client.post("/api/feedback", json=opinion)

    assert given.status_code == 201
    (kept,) = client.get("/api/feedback", params={"use_case": "triage"}).json()
    assert (kept["thumb"], kept["release"]) == ("down", answer["release_id"])


def test_what_does_not_fit_is_a_422_with_every_reason(client: TestClient) -> None:
    wrong = client.post("/api/usecases/triage/run", json={"input": {"mesage": 1}})
    garbage = client.post("/api/usecases/triage/run", content=b"{not json")

    assert wrong.status_code == garbage.status_code == 422
    assert wrong.json()["error"]["message"] == (
        "The input does not fit: `message` is missing; "
        "`mesage` is not a field of the schema, did you mean `message`?"
    )
    assert garbage.json()["error"]["code"] == "not_json"


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "system", "content": "Hi"}], [{"role": "user", "content": [PICTURE]}]],
)
def test_a_model_call_in_which_nobody_said_anything_is_refused(
    client: TestClient, messages: list[object]
) -> None:
    body = {"model": "triage", "messages": messages}
    answer = client.post("/v1/chat/completions", json=body)

    assert answer.status_code == 400
    assert "no message of a user with text" in answer.json()["error"]["message"]


def test_an_unknown_use_case_is_a_404_that_helps(client: TestClient) -> None:
    answer = client.post("/api/usecases/triag/run", json={"input": {}})

    assert answer.status_code == 404
    assert answer.json()["error"]["hint"] == "Did you mean `triage`?"


def test_a_key_has_its_own_rights_and_a_wrong_one_has_none(client: TestClient) -> None:
    made = client.post("/api/keys", json={"name": "shop", "rights": ["run"]}).json()
    bearer = f"Bearer {made['secret']}"

    assert ask(client, authorization=bearer).status_code == 200
    denied = client.post("/api/usecases/triage/deploy", json={}, headers={"authorization": bearer})
    assert (denied.status_code, denied.json()["error"]["code"]) == (403, "missing_right")
    assert client.get("/api/traces", headers={"authorization": bearer}).status_code == 403
    assert ask(client, authorization="Bearer lsk_wrong").status_code == 401

    client.delete(f"/api/keys/{made['key']['id']}")
    assert ask(client, authorization=bearer).status_code == 401


def test_the_secret_of_a_key_is_shown_once(client: TestClient) -> None:
    made = client.post("/api/keys", json={"name": "shop"}).json()

    assert made["secret"] not in client.get("/api/keys").text
    assert made["secret"] not in client.get("/api/ledger/export").text


def test_a_page_of_another_site_changes_nothing(client: TestClient) -> None:
    refused = client.post("/api/usecases/triage/rollback", headers={"sec-fetch-site": "cross-site"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_site")


def test_a_rebound_host_name_gets_no_answer(client: TestClient) -> None:
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400


def test_a_body_without_end_is_refused(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    assert ask(client, "x" * 2_000_000).status_code == 413
    assert client.post("/api/usecases/triage/run", content=endless()).status_code == 413


def test_the_api_describes_itself_without_another_host(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    page = client.get("/api/docs").text

    assert "/usecases/{name}/run" in document["paths"]
    assert "Call" in document["components"]["schemas"]
    assert "/api/usecases/{name}/run" in page
    assert "<script" not in page


def test_the_schema_of_what_is_live_is_there_to_build_on(client: TestClient) -> None:
    schema = client.get("/api/usecases/triage/schema").json()

    assert schema["release"] == "v1"
    assert schema["input"]["properties"]["message"]["type"] == "string"
    assert [knob["name"] for knob in schema["knobs"]] == ["autonomy", "hand_off_below"]


def test_the_ledger_proves_an_entry_over_http(client: TestClient) -> None:
    entries = client.get("/api/ledger").json()
    proof = client.get(f"/api/ledger/{entries[0]['index']}/proof")

    assert proof.status_code == 200
    assert {entry["kind"] for entry in entries} >= {"release.created", "deploy"}


def test_a_server_that_looked_for_unfinished_jobs_stops_in_order(
    tmp_path: Path, postgres_url: str
) -> None:
    settings = Settings(home=tmp_path / "home", database_url=postgres_url, otlp_grpc_port=0)
    with TestClient(build(settings), base_url="http://127.0.0.1"):
        for _ in range(400):  # it looks two seconds after its start
            if jobs._open_jobs is not None:
                break
            time.sleep(0.05)
        assert jobs._open_jobs is not None

    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        assert client.get("/healthz").status_code == 200


def test_a_second_server_on_the_folder_is_refused(client: TestClient, settings: Settings) -> None:
    with pytest.raises(Conflict, match="A server already runs"):
        build(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com"])  # noqa: S104
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(Denied, match="will not listen"):
        refuse_open_address(host)
