"""OTLP over HTTP, as senders meet it: what they send, and what they are answered."""

import gzip
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.testclient import TestClient

from lineside.api.senders import PATHS
from lineside.core import Unavailable

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


def message(*, trace_id: str = "", span_id: str = "b" * 16, **resource: str) -> dict[str, Any]:
    span = {"traceId": trace_id or secrets.token_hex(16), "spanId": span_id, "name": "step"}
    pairs = [
        {"key": key.replace("__", "."), "value": {"stringValue": value}}
        for key, value in resource.items()
    ]
    scoped = {"spans": [span]}
    return {"resourceSpans": [{"resource": {"attributes": pairs}, "scopeSpans": [scoped]}]}


def protobuf(trace_id: bytes, *, large: int = 0) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, b"spanspan", "step"
    if large:
        span.attributes.add(key="large").value.string_value = "x" * large
    return bytes(request.SerializeToString())


def found(client: TestClient, trace_id: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/traces/{trace_id}")
    return answer.json() if answer.status_code == 200 else []


def make_key(client: TestClient, *, rights: tuple[str, ...] = ("ingest",), **more: Any) -> str:
    made = client.post("/api/keys", json={"name": "app", "rights": rights, **more})
    return str(made.json()["secret"])


def test_what_was_answered_200_is_there_at_once(client: TestClient) -> None:
    first, second = secrets.token_bytes(16), secrets.token_hex(16)

    binary = client.post("/v1/traces", content=protobuf(first), headers=PROTOBUF)
    text = client.post("/v1/traces", json=message(trace_id=second))

    assert (binary.status_code, binary.headers["content-type"], binary.content) == (
        200,
        "application/x-protobuf",
        b"",
    )
    assert (text.status_code, text.headers["content-type"], text.json()) == (
        200,
        "application/json",
        {},
    )
    assert [span["name"] for span in found(client, first.hex())] == ["step"]
    assert [span["name"] for span in found(client, second)] == ["step"]


@pytest.mark.parametrize("path", PATHS)
def test_an_address_may_end_with_a_slash_and_says_what_it_takes(
    client: TestClient, path: str
) -> None:
    trace_id = secrets.token_hex(16)

    sent = client.post(f"{path}/", json=message(trace_id=trace_id))
    looked = [client.get(path), client.get(f"{path}/"), client.put(path, content=b"{}")]

    assert (sent.status_code, len(found(client, trace_id))) == (200, 1)
    assert [(one.status_code, one.headers["allow"]) for one in looked] == [(405, "POST")] * 3
    assert "takes OpenTelemetry traces by POST" in looked[0].text
    assert client.post(path.replace("traces", "logs") + "/", json={}).status_code == 200
    assert client.get(path.replace("traces", "metrics")).status_code == 405
    assert client.post(f"{path}//", json=message()).status_code in (404, 405)


def test_what_was_refused_is_told_in_the_words_of_the_request(client: TestClient) -> None:
    binary = client.post("/v1/traces", content=protobuf(bytes(16)), headers=PROTOBUF)
    text = client.post("/v1/traces", json=message(trace_id="0" * 32))

    partial = ExportTraceServiceResponse.FromString(binary.content).partial_success
    assert (binary.status_code, partial.rejected_spans) == (200, 1)
    assert text.json()["partialSuccess"]["rejectedSpans"] == "1"
    for said in (partial.error_message, text.json()["partialSuccess"]["errorMessage"]):
        assert said.startswith("1 of 1 spans were refused: 1 because trace_id is all zeros")


def test_what_cannot_be_read_is_a_400_with_a_status(client: TestClient) -> None:
    binary = client.post("/v1/traces", content=b"\xff\xff\xff", headers=PROTOBUF)
    text = client.post("/v1/traces", content=b"{", headers=JSON)
    cut = client.post(
        "/v1/traces",
        content=gzip.compress(protobuf(b"t" * 16))[:-4],
        headers=PROTOBUF | {"content-encoding": "gzip"},
    )

    status = Status.FromString(binary.content)
    assert (binary.status_code, status.code) == (400, 3)
    assert "not an OTLP traces message in protobuf" in status.message
    assert (text.status_code, text.json()["code"]) == (400, 3)
    assert cut.status_code == 400
    assert "could not be unpacked as gzip" in Status.FromString(cut.content).message


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/plain"}, {}, JSON | {"content-encoding": "br"}],
)
def test_another_type_or_encoding_is_a_415(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/traces", content=b"{}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, 3)


def test_a_body_may_be_larger_than_elsewhere_but_not_endless(client: TestClient) -> None:
    trace_id = secrets.token_bytes(16)
    fits = client.post("/v1/traces", content=protobuf(trace_id, large=3_000_000), headers=PROTOBUF)
    bomb = gzip.compress(protobuf(trace_id, large=50_000_000))
    refused = client.post(
        "/v1/traces", content=bomb, headers=PROTOBUF | {"content-encoding": "gzip"}
    )

    def endless() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    assert fits.status_code == 200
    assert len(found(client, trace_id.hex())) == 1
    assert (refused.status_code, Status.FromString(refused.content).code) == (413, 8)
    assert client.post("/v1/traces", content=endless(), headers=PROTOBUF).status_code == 413
    elsewhere = client.post("/api/feedback", content=b"x" * 2_000_000, headers=JSON)
    assert elsewhere.status_code == 413


def test_a_bad_key_opens_nothing_and_one_without_the_right_neither(client: TestClient) -> None:
    trace_id = secrets.token_hex(16)
    reader = make_key(client, rights=("read", "run"))

    def send(**headers: str) -> Any:
        return client.post("/v1/traces", json=message(trace_id=trace_id), headers=headers)

    for wrong in ("Bearer lsk_x_y", "lsk_x_y", "Basic ???"):
        assert (
            send(authorization=wrong).status_code,
            send(authorization=wrong).json()["code"],
        ) == (
            401,
            16,
        )
    denied = send(authorization=f"Bearer {reader}")
    assert (denied.status_code, denied.json()["code"]) == (403, 7)
    assert found(client, trace_id) == []


def test_a_key_of_one_use_case_writes_there_only(client: TestClient) -> None:
    secret = make_key(client, use_cases=["triage"])
    own, foreign = secrets.token_hex(16), secrets.token_hex(16)

    def send(body: dict[str, Any]) -> Any:
        return client.post("/v1/traces", json=body, headers={"x-api-key": secret}).json()

    assert send(message(trace_id=own)) == {}
    refused = send(message(trace_id=foreign, lineside__usecase="refunds"))

    assert [span["use_case"] for span in found(client, own)] == ["triage"]
    assert "the key is limited to triage" in refused["partialSuccess"]["errorMessage"]
    assert found(client, foreign) == []


@pytest.mark.parametrize(
    "error",
    [Unavailable("inbox_full", "2 rows wait for the lake, the limit is 1"), OSError("disk")],
)
def test_what_cannot_be_kept_now_is_to_be_sent_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("lineside.store.inbox.insert_envelopes", fail)
    answer = client.post("/v1/traces", content=protobuf(b"t" * 16), headers=PROTOBUF)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert Status.FromString(answer.content).code == 14


def test_a_page_of_another_site_sends_nothing(client: TestClient) -> None:
    answer = client.post("/v1/traces", json=message(), headers={"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403


# --- A real server in a process of its own -----------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "server.log"
    environment = os.environ | {"LINESIDE_HOME": str(tmp_path / "home"), "LINESIDE_PORT": str(port)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lineside", "up"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield url
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5):
            return True
    except OSError:
        return False


EXPORT = """
import sys
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
exporter = OTLPSpanExporter(sys.argv[1] + "/v1/traces", compression=Compression.Gzip)
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("test")
with tracer.start_as_current_span("outer", attributes={"user.id": "u1"}) as outer:
    with tracer.start_as_current_span("inner") as inner:
        inner.record_exception(ValueError("no"))
assert provider.force_flush()
provider.shutdown()
print(format(outer.get_span_context().trace_id, "032x"))
"""


def test_the_stock_exporter_sends_and_a_client_that_hangs_up_harms_nobody(server: str) -> None:
    port = int(server.rpartition(":")[2])
    head = "POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 900000\r\n"
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as hasty:
            hasty.sendall(f"{head}content-type: application/json\r\n\r\n{{".encode() + b"x" * 9000)

    done = subprocess.run(
        [sys.executable, "-c", EXPORT, server],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert re.fullmatch(r"[0-9a-f]{32}\n", done.stdout)
    assert done.stderr == ""
    with urllib.request.urlopen(f"{server}/api/traces/{done.stdout.strip()}") as answer:
        outer, inner = json.load(answer)
    assert (outer["name"], inner["name"]) == ("outer", "inner")
    assert inner["parent_span_id"] == outer["span_id"]
    assert (outer["service"], outer["use_case"]) == ("shop", None)
    assert outer["raw"]["attributes"] == {"user.id": "u1"}
    assert inner["raw"]["events"][0]["name"] == "exception"


@pytest.mark.parametrize("path", ["traces", "logs", "metrics"])
@pytest.mark.parametrize("key", ["resourceSpan", "resourceSpans", "resourceLogs"])
def test_a_body_of_another_signal_is_refused_by_its_keys(
    client: TestClient, path: str, key: str
) -> None:
    own = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}[path]

    answer = client.post(f"/v1/{path}", json={key: [], "extra": 1})

    if key == own:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
        assert f"it has `{key}`, `extra`, expected `{own}`" in answer.json()["message"]
    assert client.post(f"/v1/{path}", json={}).status_code == 200


def test_a_key_of_one_use_case_asks_for_its_own_figures(client: TestClient) -> None:
    secret = make_key(client, rights=("ingest", "read"), use_cases=["sorting"])
    both = {"authorization": f"Bearer {secret}"}
    client.post("/v1/traces", json=message(service__name="other"))
    client.post("/v1/traces", json=message(), headers=both)

    for path in ("traces/stats", "traces/chart", "traces/arrivals"):
        own = client.get(f"/api/{path}", params={"use_case": "sorting"}, headers=both)
        assert own.status_code == 200
        for wanted in ({}, {"use_case": "other"}):
            refused = client.get(f"/api/{path}", params=wanted, headers=both)
            assert refused.status_code == 403
    (figures,) = client.get("/api/traces/stats", params={"use_case": "sorting"}).json()
    assert (figures["name"], figures["count"]) == ("sorting", 1)
    chart = client.get("/api/traces/chart", params={"use_case": "sorting"}).json()
    assert chart is None or chart["whole"]["count"] <= 1
