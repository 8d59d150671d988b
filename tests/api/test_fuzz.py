"""Every door, knocked at with requests made from its description: whatever comes, no 500.

The description of the API is the server's own OpenAPI document; the doors for models and traces
speak forms of others, and the pages have none, so theirs stand here. What is sent is made by
schemathesis: what fits a description, and what does not.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.server import build

HOST = "http://127.0.0.1"
TEXT: dict[str, Any] = {"type": "string"}
ANYTHING: dict[str, Any] = {}
PART = {
    "type": "object",
    "properties": {
        "type": {"enum": ["text", "input_text", "image_url", "tool_use", "tool_result", "file"]},
        "text": TEXT,
        "image_url": ANYTHING,
        "input": ANYTHING,
        "content": ANYTHING,
    },
}
TURN = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "user", "assistant", "tool", "developer"]},
        "content": {"anyOf": [TEXT, {"type": "array", "items": PART, "maxItems": 2}]},
        "tool_calls": ANYTHING,
        "name": TEXT,
    },
    "required": ["role"],
}
TURNS = {"anyOf": [TEXT, {"type": "array", "items": TURN, "maxItems": 3}]}
ASKED = {
    "model": {"enum": ["play/m", "embedded/words", "nobody", "openai/gpt"]},
    "messages": TURNS,
    "input": TURNS,
    "system": TURNS,
    "stream": {"type": "boolean"},
    "max_tokens": {"type": "integer"},
    "temperature": {"type": "number"},
    "n": {"type": "integer"},
    "stop": ANYTHING,
    "tools": ANYTHING,
    "tool_choice": ANYTHING,
    "response_format": ANYTHING,
    "stream_options": ANYTHING,
    "store": {"type": "boolean"},
    "dimensions": ANYTHING,
    "encoding_format": ANYTHING,
}
MODEL_DOORS = ("chat/completions", "responses", "messages", "messages/count_tokens", "embeddings")
SIGNALS = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}
QUERY = ("q", "before", "after", "since", "until", "limit", "page", "view", "by", "sort", "span")


@pytest.fixture(scope="module")
def server(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = shutil.copytree(made_folder, tmp_path_factory.mktemp("fuzz") / "home")
    (home / "gateway.yaml").write_text(json.dumps({"scripted": {"play": {"file": "p.jsonl"}}}))
    (home / "p.jsonl").write_text('{"when": {"default": true}, "output": {"text": "Yes."}}')
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0))
    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        yield client


def knock(server: TestClient, document: dict[str, Any], *, base: str, examples: int) -> list[str]:
    """Send some requests to each operation; gives those that failed as none may."""
    failed: list[str] = []
    sent = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        has_values = operation.body or operation.query
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 2 if has_values else 1]:

            @settings(
                max_examples=examples,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Any) -> None:
                nonlocal sent
                said = case.as_transport_kwargs(base_url=f"{HOST}{base}")
                answer = server.request(**said)
                sent += 1
                if answer.status_code >= 500 and answer.status_code != 503:
                    failed.append(f"{answer.status_code} {said}"[:1000])

            with suppress(Unsatisfiable):  # nothing about it can be wrong
                send()
    assert sent >= len(document["paths"])
    return failed


def described(paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "doors", "version": "1"}, "paths": paths}


def posted(schema: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"post": {"requestBody": body, "responses": {"200": {"description": "it"}}}}


def pages(routes: Sequence[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()):
            yield route.path.replace("{end:slash}", "").replace(":path}", "}").replace(":int}", "}")
        elif isinstance(route, Mount) and route.path == "" and route.routes:
            yield from pages(route.routes)


def test_the_api_answers_whatever_its_own_description_allows_and_forbids(
    server: TestClient,
) -> None:
    document = server.get("/api/openapi.json").json()

    assert knock(server, document, base="/api", examples=2) == []


def test_the_model_doors_answer_whatever_comes(server: TestClient) -> None:
    schema = {"type": "object", "properties": ASKED, "required": ["model"]}

    document = described({f"/{one}": posted(schema) for one in MODEL_DOORS})

    assert knock(server, document, base="/v1", examples=30) == []


def test_the_doors_for_traces_answer_whatever_comes(server: TestClient) -> None:
    paths = {
        f"/{one}": posted(
            {
                "type": "object",
                "properties": {
                    name: {
                        "type": "array",
                        "items": {"type": "object", "additionalProperties": ANYTHING},
                    }
                },
            }
        )
        for one, name in SIGNALS.items()
    }

    assert knock(server, described(paths), base="/v1", examples=10) == []


def test_the_pages_answer_whatever_is_asked_of_them(server: TestClient) -> None:
    asked = [{"name": name, "in": "query", "schema": TEXT} for name in QUERY]
    paths = {}
    app: Any = server.app
    for path in pages(app.routes):
        names = [part[1:].split("}")[0] for part in path.split("/") if part.startswith("{")]
        placed = [{"name": n, "in": "path", "required": True, "schema": TEXT} for n in names]
        said = {"description": "a page"}
        paths[path] = {"get": {"parameters": [*placed, *asked], "responses": {"200": said}}}

    assert len(paths) > 20
    assert knock(server, described(paths), base="", examples=1) == []


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    """A server for what one database says to odd values, and for what the other says."""
    on_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if on_postgres else ""
    places = Settings(home=tmp_path / "home", database_url=url, otlp_grpc_port=0)
    with TestClient(build(places), base_url=HOST, raise_server_exceptions=False) as client:
        yield client


def test_what_no_database_can_keep_is_refused_in_words(kept: TestClient) -> None:
    huge = 10**30
    asked = {
        "a NUL in a path": kept.get("/api/datasets/a%00b"),
        "a NUL in a query": kept.get("/api/runs?use_case=%00"),
        "a huge place": kept.get(f"/api/ledger?after={huge}"),
        "a huge negative limit": kept.get(f"/api/feedback?limit=-{huge}"),
        "half a character": kept.post("/api/privacy/try", content=rb'{"text": "\ud800"}'),
        "half a character in what is refused": kept.post(
            "/api/keys", content=rb'{"name": "\udc00", "rights": "x"}'
        ),
    }

    statuses = {what: answer.status_code for what, answer in asked.items()}
    assert set(statuses.values()) <= {200, 404, 422}, statuses
    for what in ("half a character", "half a character in what is refused"):
        assert asked[what].json()["error"]["code"] == "text_not_whole"
    whole = kept.post(
        "/api/privacy/try",
        content=rb'{"text": "\ud83d\ude00 a@example.com"}',
        headers={"content-type": "application/json"},
    )
    assert whole.status_code == 200


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z"]
)
def test_a_moment_at_the_edge_of_the_calendar_is_a_moment(server: TestClient, moment: str) -> None:
    at = {"until": moment, "before": moment, "at": moment, "model": "m"}
    for path in ("traces", "sessions", "traces/stats", "prices/quote", "users"):
        assert server.get(f"/api/{path}", params=at).status_code in (200, 422)
    score = {"name": "tone", "value": 1.0, "trace_id": "t1", "at": moment}
    assert server.post("/api/scores", json=score).status_code < 500
    late = {"name": "late", "rights": ["run"], "expires_at": moment}
    assert server.post("/api/keys", json=late).status_code < 500
    assert server.get("/api/keys").status_code == 200
