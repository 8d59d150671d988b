"""Three servers share one PostgreSQL and one bucket; one of them is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import free_ports, wait_for_answer

pytestmark = pytest.mark.xdist_group("bucket")

BATCHES, SPANS_A_BATCH = 6, 20
DOCUMENT = "What the model was told, at length. " * 1_200


@pytest.fixture
def replicas(postgres_url: str, bucket, tmp_path: Path) -> Iterator[dict[str, subprocess.Popen]]:
    """Running servers by their addresses, each with a state folder of its own."""
    shared = os.environ | bucket.keys
    shared |= {
        "LINESIDE_DATABASE_URL": postgres_url,
        "LINESIDE_LAKE": f"{bucket.address}/lake",
        "LINESIDE_S3_ENDPOINT": bucket.endpoint,
        "LINESIDE_FLUSH_SECONDS": "0.2",
    }
    started = {}
    with (tmp_path / "servers.log").open("w") as log:
        for port in free_ports(3):
            here = {"LINESIDE_HOME": str(tmp_path / str(port)), "LINESIDE_PORT": str(port)}
            started[f"http://127.0.0.1:{port}"] = subprocess.Popen(
                [sys.executable, "-m", "lineside", "up"],
                env=shared | here,
                stdout=log,
                stderr=log,
            )
        try:
            for address in started:
                wait_for_answer(f"{address}/healthz")
            yield started
        finally:
            for process in started.values():
                process.terminate()
            for process in started.values():
                process.wait(20)


class Client(threading.Thread):
    """A program with the stock exporter; what one server does not take it sends to another."""

    def __init__(self, name: str, addresses: list[str]) -> None:
        super().__init__()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider

        self.tracer = TracerProvider().get_tracer(name)
        self.exporters = [
            OTLPSpanExporter(f"{address}/v1/traces", timeout=5) for address in addresses
        ]
        self.sent: dict[str, int] = {}
        self.begun = threading.Event()

    def run(self) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult
        from opentelemetry.trace import set_span_in_context

        for number in range(BATCHES):
            spans = [self.tracer.start_span("root")]
            inside = set_span_in_context(spans[0])
            spans += [self.tracer.start_span("step", inside) for _ in range(SPANS_A_BATCH - 1)]
            if number % 4 == 0:
                spans[-1].set_attribute("input.value", f"{number} {DOCUMENT}")
            for span in reversed(spans):
                span.end()
            taken = (one.export(spans) is SpanExportResult.SUCCESS for one in self.exporters)
            if any(taken):
                self.sent[format(spans[0].get_span_context().trace_id, "032x")] = len(spans)
            if number == 1:
                self.begun.set()


def get(address: str) -> list | dict:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def test_three_replicas_lose_and_double_nothing_though_one_is_killed(replicas) -> None:
    addresses = list(replicas)
    turned = [addresses[at:] + addresses[:at] for at in range(3)]
    clients = [Client(f"client {at}", order) for at, order in enumerate(turned)]
    for client in clients:
        client.start()
    killed = addresses[0]
    assert clients[0].begun.wait(30)
    replicas[killed].send_signal(signal.SIGKILL)
    for client in clients:
        client.join(60)

    sent = {trace_id: steps for client in clients for trace_id, steps in client.sent.items()}
    assert len(sent) == 3 * BATCHES
    end = time.monotonic() + 30
    while (health := get(f"{addresses[1]}/healthz")) and health.get("inbox_rows") != 0:
        assert time.monotonic() < end, health
        time.sleep(0.2)

    for address in addresses[1:]:
        page = get(f"{address}/api/traces?limit=200")
        assert {row["trace_id"]: row["steps"] for row in page["traces"]} == sent
    one = max(clients[0].sent)
    steps = [get(f"{address}/api/traces/{one}") for address in addresses[1:]]
    assert steps[0] == steps[1]
    assert len({step["span_id"] for step in steps[0]}) == len(steps[0]) == SPANS_A_BATCH
    first = next(iter(clients[0].sent))
    inputs = [step["input"] for step in get(f"{addresses[2]}/api/traces/{first}")]
    assert f"0 {DOCUMENT}" in inputs
