"""Annotations as the stock client of Phoenix sends and reads them, its host changed and no more."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pytest
import uvicorn
from phoenix.client import Client

from lineside.core import Settings
from lineside.server import build


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("annotations") / "home"
    settings = Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0)
    running = uvicorn.Server(uvicorn.Config(build(settings), port=port, log_level="warning"))
    thread = threading.Thread(target=running.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not running.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(20)


@pytest.fixture
def client(server: str) -> Client:
    return Client(base_url=server)


def step(
    server: str,
    *,
    service: str = "shop",
    session: str = "s1",
    trace_id: str = "",
    span_id: str = "",
) -> tuple[str, str]:
    """Send one step; gives the ids of its trace and of itself."""
    trace_id, span_id = trace_id or secrets.token_hex(16), span_id or secrets.token_hex(8)
    now = str(time.time_ns())
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "answer",
        "startTimeUnixNano": now,
        "endTimeUnixNano": now,
        "attributes": [{"key": "session.id", "value": {"stringValue": session}}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    assert httpx.post(f"{server}/v1/traces", json=body).status_code == 200
    return trace_id, span_id


def scores(server: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{server}/api/scores", params=query).json()
    return found


def key_for(server: str, use_case: str) -> str:
    wish = {"name": f"{use_case} key", "rights": ["feedback", "read"], "use_cases": [use_case]}
    return str(httpx.post(f"{server}/api/keys", json=wish).json()["secret"])


def test_an_annotation_of_a_step_becomes_a_score_and_is_read_back(
    server: str, client: Client
) -> None:
    trace_id, span_id = step(server)

    client.spans.add_span_annotation(
        span_id=span_id,
        annotation_name="tone",
        annotator_kind="LLM",
        label="kind",
        score=0.9,
        explanation="It thanks twice",
        metadata={"model": "judge-1"},
    )

    [score] = scores(server, trace_id=trace_id)
    assert (score["name"], score["value"], score["label"]) == ("tone", 0.9, "kind")
    assert (score["span_id"], score["source"]) == (span_id, "judge")
    assert score["explanation"] == "It thanks twice"
    [back] = client.spans.get_span_annotations(project_identifier="shop", span_ids=[span_id])
    assert back["result"] == {"label": "kind", "score": 0.9, "explanation": "It thanks twice"}
    assert (back["annotator_kind"], back["metadata"]) == ("LLM", {"model": "judge-1"})


def test_a_later_annotation_of_the_same_name_and_identifier_takes_the_place_of_the_earlier(
    server: str, client: Client
) -> None:
    trace_id, span_id = step(server)

    def say(score: float, identifier: str) -> str:
        said = client.spans.add_span_annotation(
            span_id=span_id, annotation_name="right", score=score, identifier=identifier, sync=True
        )
        assert said is not None
        return said["id"]

    first, other, again = say(0.25, ""), say(0.5, "second rater"), say(1.0, "")
    shown = {one["value"] for one in scores(server, trace_id=trace_id)}
    found = [
        httpx.get(f"{server}/api/traces", params={"q": f"score.right = {value}"}).text
        for value in (0.25, 1.0)
    ]

    assert (first == again, first == other) == (True, False)
    assert shown == {1.0, 0.5}
    assert [trace_id in text for text in found] == [False, True]


def test_dataframes_are_logged_and_read_back(server: str, client: Client) -> None:
    spans = [step(server)[1] for _ in range(3)]
    frame = pd.DataFrame(
        {"span_id": spans, "name": "helpful", "annotator_kind": "HUMAN", "score": [1, 0, 1]}
    )

    logged = client.spans.log_span_annotations_dataframe(dataframe=frame, sync=True)
    back = client.spans.get_span_annotations_dataframe(
        span_ids=spans, project_identifier="default", limit=2
    )

    assert logged is not None
    assert len({one["id"] for one in logged}) == 3
    assert dict(back["result.score"]) == dict(zip(spans, [1, 0, 1], strict=True))
    assert set(back["annotation_name"]) == {"helpful"}


def test_traces_and_sessions_are_annotated_and_words_alone_are_notes(
    server: str, client: Client
) -> None:
    trace_id, span_id = step(server, session="chat-7")

    client.traces.add_trace_annotation(trace_id=trace_id, annotation_name="done", label="yes")
    client.sessions.add_session_annotation(
        session_id="chat-7", annotation_name="happy", score=0.75, annotator_kind="CODE"
    )
    client.spans.add_span_annotation(
        span_id=span_id, annotation_name="why", explanation="It forgot the refund"
    )
    note = client.spans.add_span_note(span_id=span_id, note="Ask the warehouse")

    said = {one["name"]: one for one in scores(server, session_id="chat-7")}
    marks = httpx.get(f"{server}/api/traces/{trace_id}/marks").json()
    assert (said["done"]["label"], said["done"]["span_id"]) == ("yes", None)
    assert (said["happy"]["value"], said["happy"]["source"]) == (0.75, "code")
    assert (said["happy"]["trace_id"], said["happy"]["session_id"]) == (None, "chat-7")
    assert {one["text"] for one in marks} == {"why: It forgot the refund", "Ask the warehouse"}
    assert note["id"]


def test_what_cannot_be_annotated_is_said_and_nothing_is_kept(server: str, client: Client) -> None:
    _, span_id = step(server)
    result = {"score": 1}
    known: Any = {"span_id": span_id, "name": "x", "annotator_kind": "CODE", "result": result}
    unknown = known | {"span_id": "no id"}

    def sent(*data: Any) -> tuple[int, str]:
        answer = httpx.post(f"{server}/v1/span_annotations", json={"data": list(data)})
        return answer.status_code, answer.json()["error"]["message"]

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        client.spans.log_span_annotations(span_annotations=[known, unknown])
    assert "`no id`" in sent(known, unknown)[1]
    assert sent(known | {"result": {}})[0] == 422
    assert sent(known | {"annotator_kind": "DOG"})[1].startswith("An annotation cannot be read: ")
    assert client.spans.get_span_annotations(project_identifier="x", span_ids=[span_id]) == []
    refused = httpx.get(f"{server}/api/quality/refusals").json()
    time.sleep(0 if refused else 1.3)
    refused = httpx.get(f"{server}/api/quality/refusals").json()
    assert {one["door"] for one in refused} == {"annotations"}


def test_a_limited_key_annotates_and_sees_no_other_use_case(server: str) -> None:
    for service in ("orders", "refunds"):
        step(server, service=service)
        wish = {"service": service, "use_case": service, "is_new": True}
        assert httpx.post(f"{server}/api/unclaimed/routes", json=wish).status_code == 201
    own, foreign = step(server, service="orders"), step(server, service="refunds")
    Client(base_url=server).spans.add_span_annotation(
        span_id=foreign[1], annotation_name="secret", score=1
    )
    limited = Client(base_url=server, api_key=key_for(server, "orders"))

    limited.spans.add_span_annotation(span_id=own[1], annotation_name="mine", score=1)
    # As if that step were not here: it waits for one of `orders`.
    limited.spans.add_span_annotation(span_id=foreign[1], annotation_name="theirs", score=1)
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        limited.traces.add_trace_annotation(trace_id=foreign[0], annotation_name="x", score=1)
    back = limited.spans.get_span_annotations(
        project_identifier="orders", span_ids=[own[1], foreign[1]]
    )

    assert [one["name"] for one in back] == ["mine"]
    assert [one["name"] for one in scores(server, trace_id=foreign[0])] == ["secret"]
    listed = httpx.get(f"{server}/api/scores/waiting", params={"use_case": "orders"}).json()
    assert {one["name"] for one in listed} == {"theirs"}


def test_an_annotation_that_is_quicker_than_its_span_is_on_it_once_that_comes(
    server: str, client: Client
) -> None:
    span_id = secrets.token_hex(8)
    client.spans.add_span_annotation(span_id=span_id, annotation_name="early", score=0.5)
    trace_id, _ = step(server, span_id=span_id)

    [score] = scores(server, trace_id=trace_id)
    assert (score["name"], score["value"], score["span_id"]) == ("early", 0.5, span_id)
    [back] = client.spans.get_span_annotations(project_identifier="x", span_ids=[span_id])
    assert back["name"] == "early"
