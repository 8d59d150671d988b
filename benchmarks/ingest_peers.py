"""Claim: for each second of CPU, ten times the spans of Arize Phoenix and MLflow, counted until the
spans can be read back.

    .venv/bin/python benchmarks/ingest_peers.py [--json] [--spans 5120]

Each server starts on a fresh state folder with SQLite, is warmed up and left alone until it rests,
and is sent the same OTLP protobuf bodies of 64 spans of 2 KiB one after another, first in traces of
4 spans, as a call with retrieval leaves them, then in traces of 64. The CPU counts, of the server
and what it has started, until all spans stand in the server's own database: for lineside, in the
lake and out of the inbox. The one who measures looks there ten times a second, and asks no server.
MLflow's own SDK sends more than those bodies, a request or two for each trace, so the same is
measured once more with a program that uses it, and one that uses lineside's.
"""

import argparse
import http.client
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest import PLACEHOLDER, SPAN_PLACEHOLDER, body_of
from machine import LINESIDE, Server, free_port, line_environment, serving
from peers import BESIDE, environment_with, version_of
from report import Report, options, progress

_BATCH = 64
_TRACE_SPANS = (4, _BATCH)
_WARM_BODIES = 4
_TIMEOUT_SECONDS = 120
_STILL_SECONDS_MAX = 20
_REST_SECONDS, _REST_CPU_SECONDS = 2.0, 0.06
_RESTLESS_SECONDS_MAX = 60

Send = Callable[[Server, int, int], None]
"""Sends so many spans in traces of that size."""


def main() -> None:
    given = options(__doc__, lambda parser: parser.add_argument("--spans", type=int, default=5_120))
    report = Report("Ten times the spans of its peers for each second of CPU")
    ours = _measure_ours(_bodies({}), given)
    with_sdk = _measure_ours(_own_sdk(Path(sys.executable), "lineside"), given)
    for kind, rates in (("", ours), ("sdk_", with_sdk)):
        for size, rate in rates.items():
            note = f"lineside, traces of {size} spans" + (", by its own SDK" if kind else "")
            report.add(f"{kind}spans_per_cpu_second_{size}", rate, "/s", note=note)
    with environment_with("arize-phoenix") as programs:
        if programs is not None:
            note = f"arize-phoenix {version_of(programs, 'arize-phoenix')}"
            _compare(report, "phoenix", ours, _measure_phoenix(programs, given), note)
    with environment_with("mlflow") as programs:
        if programs is not None:
            note = f"mlflow {version_of(programs, 'mlflow')}"
            bodies = _bodies({"x-mlflow-experiment-id": "0"})
            _compare(report, "mlflow", ours, _measure_mlflow(programs, bodies, given), note)
            by_sdk = _measure_mlflow(programs, _own_sdk(programs / "python", "mlflow"), given)
            _compare(report, "mlflow_sdk", with_sdk, by_sdk, f"{note}, each by its own SDK")
    report.close(as_json=given.json)


def _compare(
    report: Report, name: str, ours: dict[int, float], theirs: dict[int, float], note: str
) -> None:
    for size, rate in theirs.items():
        report.add(f"{name}_spans_per_cpu_second_{size}", rate, "/s", note=note)
        report.add(f"times_{name}_{size}", ours[size] / rate, "x", goal=">= 10")


def _measure_ours(send: Send, given: argparse.Namespace) -> dict[int, float]:
    with TemporaryDirectory() as name:
        home, port = Path(name) / "home", free_port()

        def kept() -> int:
            waiting = _count(home / "records.sqlite", "SELECT count(*) FROM inbox")
            if waiting:
                return -waiting
            catalogue = home / "lake" / "catalogue.sqlite"
            return _count(
                catalogue,
                "SELECT record_count FROM ducklake_table_stats JOIN ducklake_table "
                "USING (table_id) WHERE table_name = 'spans'",
            )

        environment = line_environment(home, port)
        return _measure([LINESIDE, "up"], port, environment, Path(name), kept, send, given)


def _measure_phoenix(programs: Path, given: argparse.Namespace) -> dict[int, float]:
    with TemporaryDirectory() as name:
        port = free_port()
        environment = {
            "PHOENIX_WORKING_DIR": name,
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        command = [str(programs / "phoenix"), "serve"]

        def kept() -> int:
            return _count(Path(name) / "phoenix.db", "SELECT count(*) FROM spans")

        return _measure(command, port, environment, Path(name), kept, _bodies({}), given)


def _measure_mlflow(programs: Path, send: Send, given: argparse.Namespace) -> dict[int, float]:
    with TemporaryDirectory() as name:
        port, database = free_port(), Path(name) / "mlflow.db"
        command = [str(programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--backend-store-uri", f"sqlite:///{database}", "--workers", "1"]

        def kept() -> int:
            return _count(database, "SELECT count(*) FROM spans")

        return _measure(command, port, {}, Path(name), kept, send, given)


def _measure(
    command: Sequence[str],
    port: int,
    environment: Mapping[str, str],
    folder: Path,
    kept: Callable[[], int],
    send: Send,
    given: argparse.Namespace,
) -> dict[int, float]:
    """Spans for each second of CPU until a server has stored them, by the size of their traces."""
    rates, spans = {}, given.spans // _BATCH * _BATCH
    with serving(command, port=port, environment=environment, folder=folder) as server:
        server.wait_for_page("/")
        send(server, _WARM_BODIES * _BATCH, _TRACE_SPANS[0])
        stored = _wait_until(kept, _WARM_BODIES * _BATCH)
        for size in _TRACE_SPANS:
            _wait_for_rest(server)
            cpu, started = server.cpu_seconds(), time.perf_counter()
            send(server, spans, size)
            before, stored = stored, _wait_until(kept, stored + spans)
            cpu, taken = server.cpu_seconds() - cpu, time.perf_counter() - started
            progress(f"  {stored - before:,} spans in {taken:.1f} s, {cpu:.2f} s of CPU")
            rates[size] = (stored - before) / cpu
    return rates


def _bodies(headers: Mapping[str, str]) -> Send:
    """Sends the same OTLP bodies to whichever server."""

    def send(server: Server, spans: int, trace_spans: int) -> None:
        body = body_of(_BATCH, trace_spans=trace_spans)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT_SECONDS)
        for _ in range(spans // _BATCH):
            fresh = body.replace(PLACEHOLDER, os.urandom(len(PLACEHOLDER)))
            # Phoenix keeps one span of an id, whatever its trace
            fresh = fresh.replace(SPAN_PLACEHOLDER, os.urandom(len(SPAN_PLACEHOLDER)))
            connection.request(
                "POST", "/v1/traces", fresh, {"content-type": "application/x-protobuf", **headers}
            )
            answer = connection.getresponse()
            said = answer.read()
            if answer.status >= 300:
                raise SystemExit(f"Refused with status {answer.status}: {said[:300]!r}")
        connection.close()

    return send


def _own_sdk(python: Path, tool: str) -> Send:
    """Sends with a program that uses the SDK of the tool, whose own CPU does not count."""

    def send(server: Server, spans: int, trace_spans: int) -> None:
        address = f"http://127.0.0.1:{server.port}"
        numbers = [str(spans // trace_spans), str(trace_spans)]
        command = [str(python), str(BESIDE / "own_sdk.py"), tool, address, *numbers]
        subprocess.run(command, check=True, capture_output=True)

    return send


def _wait_until(kept: Callable[[], int], spans: int) -> int:
    """How many spans are stored, once all are; or, said aloud, once no more come."""
    count, since = kept(), time.perf_counter()
    while count < spans:
        if time.perf_counter() - since > _STILL_SECONDS_MAX:
            progress(f"  only {count:,} of {spans:,} spans can be read back")
            return count
        time.sleep(0.1)
        if (now := kept()) != count:
            count, since = now, time.perf_counter()
    return count


def _wait_for_rest(server: Server) -> None:
    """Let what a server does after its start, or after its first spans, come to its end."""
    until = time.perf_counter() + _RESTLESS_SECONDS_MAX
    while time.perf_counter() < until:
        before = server.cpu_seconds()
        time.sleep(_REST_SECONDS)
        if server.cpu_seconds() - before < _REST_CPU_SECONDS:
            return
    progress(f"  it does not rest; measured all the same after {_RESTLESS_SECONDS_MAX} s")


def _count(database: Path, query: str) -> int:
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return int((connection.execute(query).fetchone() or (0,))[0] or 0)
        finally:
            connection.close()
    return 0


if __name__ == "__main__":
    main()
