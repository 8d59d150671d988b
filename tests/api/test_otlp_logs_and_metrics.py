"""Logs and metrics over OTLP, as stock exporters send them and as others write them by hand."""

import json
import logging
import secrets
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.server import build

HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(home=tmp_path_factory.mktemp("signals") / "home", flush_seconds=0.05)
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


def fetch(server: str, path: str) -> Any:
    with urllib.request.urlopen(server + path, timeout=20) as answer:
        return json.load(answer)


def pairs(**values: Any) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", float: "doubleValue", int: "intValue"}
    return [
        {"key": key.replace("__", "."), "value": {kinds[type(value)]: value}}
        for key, value in values.items()
    ]


def span(trace_id: str, span_id: str) -> dict[str, Any]:
    now_ns = str(time.time_ns())
    one = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "chat",
        "startTimeUnixNano": now_ns,
        "endTimeUnixNano": now_ns,
        "attributes": pairs(gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o"),
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]}


def log(trace_id: str, span_id: str, event: str, body: Any = None, **attributes: Any) -> Any:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "traceId": trace_id,
        "spanId": span_id,
        "eventName": event,
        "attributes": pairs(**attributes),
    }
    if body is not None:
        record["body"] = {"kvlistValue": {"values": pairs(**body)}}
    resource = {"attributes": pairs(service__name="shop")}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}


def test_messages_that_came_as_log_records_stand_on_their_step_in_any_order(
    client: TestClient,
) -> None:
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    asked = log(trace_id, span_id, "gen_ai.user.message", {"content": "Where is my zebraparcel?"})

    assert client.post("/v1/logs", json=asked).json() == {}
    assert client.get(f"/api/traces/{trace_id}").status_code == 404
    client.post("/v1/traces", json=span(trace_id, span_id))
    answered = log(trace_id, span_id, "gen_ai.assistant.message", {"content": "On its way"})
    client.post("/otel/v1/logs", json=answered)
    client.post("/v1/logs", json=asked)

    [step] = client.get(f"/api/traces/{trace_id}").json()
    assert [one["role"] for one in step["messages_in"]] == ["user", "assistant"]
    assert step["input"] == "Where is my zebraparcel?"
    found = client.get("/api/traces", params={"text": "zebraparcel"}).json()["traces"]
    assert [one["trace_id"] for one in found] == [trace_id]


def test_a_score_sent_as_a_log_record_is_listed_and_an_ordinary_line_refused(
    client: TestClient,
) -> None:
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    said = {"gen_ai.evaluation.name": "faithfulness", "gen_ai.evaluation.score.value": 0.5}
    named = {key.replace(".", "__"): value for key, value in said.items()}
    client.post("/v1/logs", json=log(trace_id, span_id, "gen_ai.evaluation.result", **named))
    refused = client.post("/v1/logs", json=log(trace_id, span_id, "", {"text": "started"}))

    [score] = client.get("/api/scores", params={"trace_id": trace_id}).json()
    assert (score["name"], score["value"], score["by"]) == ("faithfulness", 0.5, "shop")
    partial = refused.json()["partialSuccess"]
    assert partial["rejectedLogRecords"] == "1"
    assert "1 of 1 log records were refused: 1 because it is no event" in partial["errorMessage"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"score__value": 0.5}, "it is a score without a name"),
        ({"name": "x"}, "it is a score without a finite value and without a label"),
        (
            {"name": "x", "score__value": 0.5},
            "it is a score that names no trace, session or `gen_ai.response.id`",
        ),
    ],
)
def test_a_score_that_is_refused_says_what_it_lacks(
    client: TestClient, said: dict[str, Any], reason: str
) -> None:
    named = {f"gen_ai__evaluation__{name}": value for name, value in said.items()}
    answer = client.post("/v1/logs", json=log("", "", "gen_ai.evaluation.result", **named))

    assert f"1 because {reason}, such as" in answer.json()["partialSuccess"]["errorMessage"]


def test_a_score_is_given_over_the_api_and_comes_back(client: TestClient) -> None:
    trace_id = secrets.token_hex(16)
    given = {"name": "polite", "value": -1.5, "label": "rude", "trace_id": trace_id}

    made = client.post("/api/scores", json=given)
    refused = client.post("/api/scores", json={"name": "polite", "trace_id": trace_id})

    assert made.status_code == 201
    [score] = client.get("/api/scores", params={"trace_id": trace_id}).json()
    assert (score["value"], score["label"], score["source"]) == (-1.5, "rude", "api")
    assert score["by"]
    assert refused.json()["error"]["code"] == "empty_score"
    figures = client.get("/api/scores/stats", params={"name": "polite", "by": "source"}).json()
    assert [(one["group"], one["count"], one["mean"]) for one in figures] == [("api", 1, -1.5)]


def metric(service: str, points: list[tuple[int, int, int, str]], temporality: int) -> Any:
    """Points of the exporter's count: its start and time in hours ago, value, and error."""
    now_ns = time.time_ns()
    listed = [
        {
            "startTimeUnixNano": str(now_ns - start * HOUR_NS),
            "timeUnixNano": str(now_ns - at * HOUR_NS),
            "asInt": str(value),
            "attributes": pairs(error__type=error) if error else [],
        }
        for start, at, value, error in points
    ]
    data = {"aggregationTemporality": temporality, "isMonotonic": True, "dataPoints": listed}
    one = {"name": "otel.sdk.exporter.span.exported", "sum": data}
    resource = {"attributes": pairs(service__name=service)}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [one]}]}]}


def test_losses_are_read_right_from_cumulative_and_from_delta_counts(client: TestClient) -> None:
    running = [(50, 48, 100, "rejected"), (50, 2, 130, "rejected"), (50, 1, 140, "rejected")]
    single = [(2, 1, 4, "rejected"), (1, 0, 6, "rejected"), (1, 0, 90, "")]
    for body in (metric("sums", running, 2), metric("deltas", single, 1)):
        for _ in range(2):
            assert client.post("/v1/metrics", json=body).json() == {}

    losses = client.get("/api/client-losses", params={"hours": 24}).json()

    found = {one["service"]: (one["sent"], one["dropped"], one["reasons"]) for one in losses}
    assert found == {"sums": (0, 40, {"rejected": 40}), "deltas": (90, 10, {"rejected": 10})}


def test_stock_exporters_of_logs_and_metrics_are_understood(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    resource = Resource({"service.name": "stock"})
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    logs = LoggerProvider(resource=resource)
    exporter = OTLPLogExporter(f"{server}/v1/logs", compression=Compression.Gzip)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    delta = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(f"{server}/v1/metrics", preferred_temporality=delta)
    )
    meters = MeterProvider([reader], resource=resource)

    from opentelemetry import trace
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    parent = SpanContext(int(trace_id, 16), int(span_id, 16), False, TraceFlags(1))
    with caplog.at_level(logging.WARNING):
        logs.get_logger("test").emit(
            context=trace.set_span_in_context(NonRecordingSpan(parent)),
            event_name="gen_ai.evaluation.result",
            severity_number=SeverityNumber.INFO,
            attributes={
                "gen_ai.evaluation.name": "relevance",
                "gen_ai.evaluation.score.label": "pass",
            },
        )
        meter = meters.get_meter("test")
        duration = meter.create_histogram("gen_ai.client.operation.duration", unit="s")
        duration.record(0.7, {"gen_ai.request.model": "gpt-4o"})
        meter.create_counter("otel.sdk.processor.span.processed").add(
            3, {"error.type": "queue_full"}
        )
        logs.shutdown()
        meters.shutdown()

    [score] = fetch(server, f"/api/scores?trace_id={trace_id}")
    assert (score["name"], score["label"], score["span_id"]) == ("relevance", "pass", span_id)
    [loss] = fetch(server, "/api/client-losses")
    assert (loss["service"], loss["dropped"], loss["reasons"]) == ("stock", 3, {"queue_full": 3})
    [measured] = fetch(server, "/api/client-metrics")
    assert (measured["service"], measured["model"], measured["mean"]) == ("stock", "gpt-4o", 0.7)
    with urllib.request.urlopen(f"{server}/quality", timeout=20) as page:
        assert "operation.duration" in page.read().decode()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_cannot_be_read_or_is_not_kept_is_told_in_protobuf_too(client: TestClient) -> None:
    headers = {"content-type": "application/x-protobuf"}

    broken = client.post("/v1/metrics", content=b"\xff\xff", headers=headers)
    empty = client.post("/v1/logs", content=b"", headers=headers)
    other = {"name": "http.server.duration", "gauge": {"dataPoints": [{"asDouble": 1.0}]}}
    told = client.post(
        "/v1/metrics", json={"resourceMetrics": [{"scopeMetrics": [{"metrics": [other]}]}]}
    )

    assert broken.status_code == 400
    assert (empty.status_code, ExportLogsServiceResponse.FromString(empty.content)) == (
        200,
        ExportLogsServiceResponse(),
    )
    partial = told.json()["partialSuccess"]
    assert partial["rejectedDataPoints"] == "1"
    assert "such as `http.server.duration`" in partial["errorMessage"]
