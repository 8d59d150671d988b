"""OTLP over gRPC, as the stock exporter and a bare client meet it."""

import logging
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.testclient import TestClient

from lineside.core import Settings, Unavailable
from lineside.server import build
from lineside.store import inbox

MIB = 1024 * 1024
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def settings_on(port: int, home: Path) -> Settings:
    return Settings(home=home, flush_seconds=0.05, otlp_bytes_max=4 * MIB, otlp_grpc_port=port)


def state(client: TestClient) -> dict[str, Any]:
    """What the server says of gRPC, once it has an opinion."""
    for _ in range(200):
        said: dict[str, Any] = client.get("/healthz").json()["otlp_grpc"]
        if said["address"] or said["error"]:
            return said
        time.sleep(0.05)
    raise AssertionError("the server does not say what became of gRPC")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = settings_on(free_port(), tmp_path_factory.mktemp("grpc") / "home")
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        assert state(client) == {"address": f"127.0.0.1:{settings.otlp_grpc_port}", "error": None}
        yield client


@pytest.fixture(scope="module")
def export(client: TestClient) -> Iterator[grpc.UnaryUnaryMultiCallable]:
    with grpc.insecure_channel(state(client)["address"]) as channel:
        yield channel.unary_unary(EXPORT)


def body(trace_id: bytes, *, large: int = 0) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, b"spanspan", "step"
    span.attributes.add(key="large").value.string_value = "x" * large
    return bytes(request.SerializeToString())


def found(client: TestClient, trace_id: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/traces/{trace_id}")
    return answer.json() if answer.status_code == 200 else []


def make_key(client: TestClient, *rights: str) -> str:
    made = client.post("/api/keys", json={"name": "app", "rights": rights})
    return str(made.json()["secret"])


def send_with_stock_exporter(address: str, **options: Any) -> str:
    """Send one step as any program would, and return the id of its trace."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    exporter = OTLPSpanExporter(endpoint=f"http://{address}", **options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("outer") as span:
        pass
    provider.shutdown()
    return format(span.get_span_context().trace_id, "032x")


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_stock_exporter_sends_and_it_is_there_at_once(
    client: TestClient, compression: grpc.Compression
) -> None:
    trace_id = send_with_stock_exporter(state(client)["address"], compression=compression)

    (span,) = found(client, trace_id)
    assert (span["name"], span["service"]) == ("outer", "shop")


def test_a_key_comes_as_metadata_in_any_products_way(
    client: TestClient, export: grpc.UnaryUnaryMultiCallable
) -> None:
    secret = make_key(client, "ingest")
    for name, value in (("authorization", f"Bearer {secret}"), ("x-api-key", secret)):
        trace_id = secrets.token_bytes(16)
        assert export(body(trace_id), metadata=((name, value),)) == b""
        assert len(found(client, trace_id.hex())) == 1


def test_what_was_refused_is_told_beside_what_was_kept(
    export: grpc.UnaryUnaryMultiCallable,
) -> None:
    partial = ExportTraceServiceResponse.FromString(export(body(bytes(16)))).partial_success

    assert partial.rejected_spans == 1
    assert "1 because trace_id is all zeros" in partial.error_message


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("garbage", grpc.StatusCode.INVALID_ARGUMENT, "not an OTLP traces message in protobuf"),
        ("no key", grpc.StatusCode.UNAUTHENTICATED, "key"),
        ("no right", grpc.StatusCode.PERMISSION_DENIED, "lacks the right `ingest`"),
        ("large", grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
        ("bomb", grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max"),
    ],
)
def test_what_cannot_be_taken_is_told_by_code(
    client: TestClient,
    export: grpc.UnaryUnaryMultiCallable,
    what: str,
    code: grpc.StatusCode,
    said: str,
) -> None:
    trace_id = secrets.token_bytes(16)
    large = {"large": 5 * MIB, "bomb": 40 * MIB}.get(what, 0)
    sent = b"\xff\xff\xff" if what == "garbage" else body(trace_id, large=large)
    keys = {"no key": "lsk_x_y", "no right": make_key(client, "read", "run")}
    metadata = (("authorization", f"Bearer {keys[what]}"),) if what in keys else ()
    compression = grpc.Compression.Gzip if what == "bomb" else None

    with pytest.raises(grpc.RpcError) as refused:
        export(sent, metadata=metadata, compression=compression)

    assert (refused.value.code(), said in refused.value.details()) == (code, True)
    assert found(client, trace_id.hex()) == []


def test_when_too_much_waits_a_sender_hears_when_to_send_again(
    export: grpc.UnaryUnaryMultiCallable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("inbox_full", "2 rows wait for the lake, the limit is 1")

    monkeypatch.setattr(inbox, "insert_envelopes", fail)
    with pytest.raises(grpc.RpcError) as refused:
        export(body(b"t" * 16))

    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    details = {pair.key: pair.value for pair in refused.value.trailing_metadata()}
    status, retry = Status.FromString(details["grpc-status-details-bin"]), RetryInfo()
    assert (status.code, status.details[0].Unpack(retry)) == (14, True)
    assert retry.retry_delay.seconds == 2


def test_the_stock_exporter_sends_again_what_could_not_be_kept(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, tries = inbox.insert_envelopes, []

    def fail_once(connection: Any, envelopes: Any) -> None:
        if any(envelope.lake_table == "spans" for envelope in envelopes):
            tries.append(envelopes)
            if len(tries) == 1:
                raise OSError("no space left")
        insert(connection, envelopes)

    monkeypatch.setattr(inbox, "insert_envelopes", fail_once)
    trace_id = send_with_stock_exporter(state(client)["address"], timeout=20)

    assert len(tries) == 2
    assert len(found(client, trace_id)) == 1


def test_a_taken_port_is_told_and_costs_grpc_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            caplog.at_level(logging.WARNING, "lineside"),
            TestClient(
                build(settings_on(port, tmp_path / "home")), base_url="http://127.0.0.1"
            ) as c,
        ):
            said = state(c)
            sent = c.post("/v1/traces", json={"resourceSpans": []})
            health = c.get("/healthz")

    assert said["error"] == f"No OTLP over gRPC at 127.0.0.1:{port}: the port is taken"
    assert "hint: Set LINESIDE_OTLP_GRPC_PORT" in caplog.text
    assert (sent.status_code, health.status_code) == (200, 200)


def test_a_server_that_stopped_has_given_the_port_back(tmp_path: Path) -> None:
    settings = settings_on(free_port(), tmp_path / "home")
    for _ in range(2):
        with TestClient(build(settings), base_url="http://127.0.0.1") as client:
            assert state(client)["error"] is None
