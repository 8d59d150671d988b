"""What an address asks of the API beside what there is."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient


def test_a_mistyped_filter_is_refused_with_the_nearest_and_all_there_are(
    client: TestClient,
) -> None:
    answer = client.get("/api/sessions", params={"use_cse": "orders", "limit": 5})

    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "code": "unknown_parameter",
        "message": "`GET /api/sessions` has no query parameter `use_cse`",
        "hint": "Did you mean `use_case`? It takes `use_case`, `user`, `days`, `limit`, `before`.",
    }


def test_a_mistyped_dry_run_erases_nothing(client: TestClient) -> None:
    client.post("/api/scores", json={"name": "tone", "value": 1.0, "session_id": "s-asked"})

    refused = client.delete("/api/traces", params={"session": "s-asked", "dryrun": True})

    assert refused.status_code == 422
    assert "Did you mean `dry_run`?" in refused.json()["error"]["hint"]
    assert client.get("/api/scores", params={"session_id": "s-asked"}).json()


def test_what_is_taken_once_and_given_twice_is_refused_with_both(client: TestClient) -> None:
    refused = client.get("/api/sessions?use_case=orders&use_case=refunds")
    many = client.get("/api/sessions?" + "&".join(f"user=u{number}" for number in range(1_200)))

    assert refused.status_code == 422
    assert refused.json()["error"] == {
        "code": "repeated_parameter",
        "message": "`GET /api/sessions` takes `use_case` once, "
        "and it is given 2 times: `orders`, `refunds`",
        "hint": "Send it once; ask once for each value where you want several.",
    }
    assert many.json()["error"]["message"].endswith(
        "1,200 times: `u0`, `u1`, `u2`, `u3`, `u4` and 1,195 more"
    )


def test_what_is_a_list_may_be_given_several_times(client: TestClient) -> None:
    asked = "baseline=a&candidate=b&guard=latency_ms%3D10&guard=cost_usd%3D1"

    answer = client.get(f"/api/verdict?{asked}")

    assert answer.json()["error"]["code"] not in ("repeated_parameter", "unknown_parameter")


def test_every_name_that_is_not_known_is_said(client: TestClient) -> None:
    asked = {"relase": "v2", "modle": "m", **{f"x{number}": "" for number in range(9)}}

    said = client.get("/api/traces", params=asked).json()["error"]

    assert said["message"].startswith("`GET /api/traces` has no query parameters `relase`, `modle`")
    assert said["message"].endswith(" and 6 more")
    assert said["hint"].startswith("Did you mean `release` and `model`?")


def test_no_operation_of_ours_ignores_what_it_does_not_know(client: TestClient) -> None:
    asked = 0
    for method, path in _operations(client):
        is_ofrep = "/ofrep/" in path
        answer = client.request(method, path.replace("{", "").replace("}", ""), params="zzz=1")
        code = answer.json()["error"]["code"] if answer.status_code == 422 else None
        if is_ofrep:
            assert code != "unknown_parameter", path
        else:
            assert code == "unknown_parameter", (method, path, answer.status_code)
        asked += 1

    assert asked > 80


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models?after=x&zzz=1",
        "/api/usecases/none/ofrep/v1/events?zzz=1",
        "/v1/projects/none/trace_annotations?zzz=1",
    ],
)
def test_the_doors_of_others_take_what_their_clients_add(client: TestClient, path: str) -> None:
    assert "unknown_parameter" not in client.get(path).text


def _operations(client: TestClient) -> Iterator[tuple[str, str]]:
    for path, operations in client.get("/api/openapi.json").json()["paths"].items():
        for method in operations:
            yield method.upper(), f"/api{path}"
