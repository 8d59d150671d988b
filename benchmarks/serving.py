"""Claim: a served call costs 8 ms at most (median, one client), one process answers 200 requests a
second and more, and every answered call has left its trace, even when the process is killed.

    .venv/bin/python benchmarks/serving.py [--json] [--peers]

`examples/support-triage` with its embedded classifier is tested, released, deployed and served by
the real commands; tracing is on, as always. The client is a process of its own with kept
connections. One warm-up, then medians of 3 rounds. Right after the last answer the server is
killed (SIGKILL), and every trace id that a client was given is looked for in what is on disk.
"""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load import Load, send
from machine import EXAMPLE, LINESIDE, Server, free_port, line_environment, run, serving
from peers import BESIDE, environment_with, version_of
from report import Report, median, options, progress

PATH = "/api/usecases/support-triage/run"
_ROUNDS, _REQUESTS, _WARM_UP = 3, 1_000, 100


def main() -> None:
    given = options(__doc__)
    report = Report("A served call with the embedded classifier, tracing on")
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        environment = line_environment(folder / "home", port)
        for words in (["release", str(EXAMPLE)], ["deploy", "support-triage"]):
            progress(f"lineside {words[0]}")
            run([LINESIDE, *words], environment=environment, folder=folder)
        command = [LINESIDE, "up"]
        with serving(command, port=port, environment=environment, folder=folder) as server:
            server.wait_for_page("/")
            trace_ids = _measure(report, server)
            server.kill()
        _count_traces(report, folder / "home", trace_ids)
    if given.peers:
        _measure_bentoml(report)
        _measure_mlflow(report)
    report.close(as_json=given.json)


def _measure(report: Report, server: Server) -> list[str]:
    """Put the figures of the served calls down; returns the trace ids that came back."""
    bodies = [{"input": {"message": message}} for message in _messages()]
    loads = [send(server.port, PATH, bodies, requests=_WARM_UP, clients=1)]
    cpu = server.cpu_seconds()
    one = _rounds(server.port, PATH, bodies, clients=1)
    cpu = server.cpu_seconds() - cpu
    loads += one
    note = "one client, connection kept"
    p50 = median([load.latency_ms_p50 for load in one])
    report.add("latency_ms_p50", p50, "ms", goal="<= 8", note=note)
    report.add("latency_ms_p95", median([load.latency_ms_p95 for load in one]), "ms")
    report.add("latency_ms_p99", median([load.latency_ms_p99 for load in one]), "ms")
    calls = sum(load.answered for load in one)
    report.add("cpu_ms_per_call", cpu / calls * 1000, "ms", note="of the server, flusher in it")
    for clients in (8, 16):
        many = _rounds(server.port, PATH, bodies, clients=clients)
        loads += many
        goal = ">= 200" if clients == 8 else None
        name = f"requests_per_second_{clients}_clients"
        report.add(name, median([load.per_second for load in many]), "/s", goal=goal)
        p99 = median([load.latency_ms_p99 for load in many])
        report.add(f"latency_ms_p99_{clients}_clients", p99, "ms")
    report.add("memory_mb", server.memory_mb(), "MiB", note="resident, after all of it")
    return [trace_id for load in loads for trace_id in load.trace_ids]


def _rounds(port: int, path: str, bodies: list[Any], *, clients: int) -> list[Load]:
    return [send(port, path, bodies, requests=_REQUESTS, clients=clients) for _ in range(_ROUNDS)]


def _count_traces(report: Report, home: Path, trace_ids: list[str]) -> None:
    """Look for each trace in lake and inbox, in this process, as the next server would."""
    from lineside.apps import open_line
    from lineside.core import Settings
    from lineside.traces import latest_calls
    from lineside.trust import local_scope

    store = open_line(Settings(home=home))
    try:
        found = latest_calls(local_scope(store), limit=10 * len(trace_ids))
    finally:
        store.close()
    kept = {span.trace_id for span in found}
    lost = sum(trace_id not in kept for trace_id in trace_ids)
    note = f"of {len(trace_ids):,} answered calls; server killed right after the last answer"
    report.add("traces_lost", lost, "", goal="<= 0", note=note)
    report.add("traces_double", len(found) - len(kept), "", goal="<= 0")


def _measure_bentoml(report: Report) -> None:
    progress("Beside us: bentoml")
    with environment_with("bentoml", "scikit-learn") as programs, TemporaryDirectory() as folder:
        if programs is None:
            return
        port = free_port()
        environment = {"BENTOML_HOME": folder, "BENTOML_DO_NOT_TRACK": "true"}
        environment["LINESIDE_PEER_EXAMPLES"] = str(EXAMPLE / "datasets" / "train.jsonl")
        command = [str(programs / "python"), "-m", "bentoml", "serve", "bento_words:Triage"]
        command += ["--port", str(port), "--host", "127.0.0.1", "--working-dir", str(BESIDE)]
        name = f"bentoml {version_of(programs, 'bentoml')}"
        with serving(command, port=port, environment=environment, folder=Path(folder)) as server:
            server.wait_for_page("/readyz")
            _measure_peer(report, name, server, "/classify", lambda text: {"message": text})


def _measure_mlflow(report: Report) -> None:
    progress("Beside us: mlflow")
    with environment_with("mlflow") as programs, TemporaryDirectory() as name:
        if programs is None:
            return
        folder, port = Path(name), free_port()
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
        # It looks for its own programs on the path.
        environment["PATH"] = f"{programs}:/usr/bin:/bin"
        examples = str(EXAMPLE / "datasets" / "train.jsonl")
        command = [str(programs / "python"), str(BESIDE / "mlflow_words.py"), examples, "model"]
        run(command, environment=environment, folder=folder)
        command = [str(programs / "mlflow"), "models", "serve", "--model-uri", "model"]
        command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
        version = f"mlflow {version_of(programs, 'mlflow')}"
        with serving(command, port=port, environment=environment, folder=folder) as server:
            server.wait_for_page("/ping")
            _measure_peer(report, version, server, "/invocations", lambda text: {"inputs": [text]})


def _measure_peer(
    report: Report, name: str, server: Server, path: str, body: Callable[[str], Any]
) -> None:
    bodies = [body(message) for message in _messages()]
    send(server.port, path, bodies, requests=_WARM_UP, clients=1)
    one = _rounds(server.port, path, bodies, clients=1)
    many = _rounds(server.port, path, bodies, clients=8)
    figures = {
        "latency_ms_p50": median([load.latency_ms_p50 for load in one]),
        "latency_ms_p99": median([load.latency_ms_p99 for load in one]),
        "requests_per_second_8_clients": median([load.per_second for load in many]),
        "memory_mb": server.memory_mb(),
    }
    note = (
        "Word TF-IDF with logistic regression in a scikit-learn pipeline, trained on the same "
        "messages; it does not keep what was asked and answered."
    )
    report.add_peer(name, figures, note=note)


def _messages() -> list[str]:
    lines = (EXAMPLE / "datasets" / "golden.jsonl").read_text().splitlines()
    return [json.loads(line)["input"]["message"] for line in lines]


if __name__ == "__main__":
    main()
