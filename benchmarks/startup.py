"""Claim: lineside is there at once. Importing it costs nothing, help comes before one notices, and
the server answers its first page within 3 s and 250 MB, because heavy libraries are imported on
first use.

    .venv/bin/python benchmarks/startup.py [--json] [--peers]

`import lineside` and `lineside --help` are medians of 7 fresh processes. `lineside up` is a median
of 3 starts, from spawning the process to a whole answer to `GET /`: once on a fresh state folder,
once with a live release and calls in the lake. One start before is not counted: there Python may
compile what it imports. Memory is the resident memory of all processes, in MiB; what processes
share is counted in each.
"""

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from load import send
from machine import EXAMPLE, LINESIDE, free_port, line_environment, run, serving
from peers import environment_with, version_of
from report import Report, median, options, progress

_HEAVY = ("fastapi", "duckdb", "sklearn", "sqlalchemy")
_IMPORT = f"""
import sys, time
started = time.perf_counter()
import lineside
seconds = time.perf_counter() - started
import json
print(json.dumps([seconds, [name for name in {_HEAVY!r} if name in sys.modules]]))
"""
_SETTLE_SECONDS = 10
_REPEATS, _SERVERS = 7, 3
_CALLS = 200
_RUN = "/api/usecases/support-triage/run"


def main() -> None:
    given = options(__doc__)
    report = Report("lineside is there at once: import, help and first page")
    _measure_commands(report)
    _measure_fresh_server(report)
    _measure_used_server(report)
    if given.peers:
        _measure_mlflow(report)
        _measure_phoenix(report)
    report.close(as_json=given.json)


def _measure_commands(report: Report) -> None:
    imports = [json.loads(run([sys.executable, "-c", _IMPORT]).output) for _ in range(_REPEATS)]
    seconds = median([seconds for seconds, _ in imports])
    report.add("import_seconds", seconds, "s", goal="< 0.15")
    heavy = sorted({name for _, names in imports for name in names})
    note = f"of {', '.join(_HEAVY)}" + (f": {', '.join(heavy)}" if heavy else "")
    report.add("heavy_modules_imported", len(heavy), "", goal="<= 0", note=note)
    helps = [run([LINESIDE, "--help"]) for _ in range(_REPEATS)]
    report.add("help_seconds", median([done.seconds for done in helps]), "s", goal="< 0.3")
    report.add("help_cpu_seconds", median([done.cpu_seconds for done in helps]), "s")


def _measure_fresh_server(report: Report) -> None:
    starts = []
    for _ in range(1 + _SERVERS):
        with TemporaryDirectory() as folder:
            starts.append(_start(Path(folder)))
    _add_starts(report, "", starts[1:], "fresh state folder, database made on the way")


def _measure_used_server(report: Report) -> None:
    """The same on the second day: a release is live, and calls lie in the lake."""
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        environment = line_environment(folder / "home", port)
        for words in (["release", str(EXAMPLE)], ["deploy", "support-triage"]):
            run([LINESIDE, *words], environment=environment, folder=folder)
        with serving([LINESIDE, "up"], port=port, environment=environment, folder=folder) as server:
            server.wait_for_page("/")
            body = {"input": {"message": "Where is my parcel?"}}
            send(port, _RUN, [body], requests=_CALLS, clients=8)
            time.sleep(_SETTLE_SECONDS)
            report.add("memory_mb_after_calls", server.memory_mb(), "MiB", note=f"{_CALLS} of them")
        starts = [_start(folder) for _ in range(_SERVERS)]
    _add_starts(report, "_used", starts, f"one release live, {_CALLS} calls in the lake")


def _start(folder: Path) -> tuple[float, float, float, float]:
    """Seconds, memory and CPU of a server at its first page, and its memory some seconds later."""
    port = free_port()
    environment = line_environment(folder / "home", port)
    with serving([LINESIDE, "up"], port=port, environment=environment, folder=folder) as server:
        seconds = server.wait_for_page("/")
        memory, cpu = server.memory_mb(), server.cpu_seconds()
        time.sleep(_SETTLE_SECONDS)
        return seconds, memory, cpu, server.memory_mb()


def _add_starts(report: Report, suffix: str, starts: list[tuple[float, ...]], note: str) -> None:
    seconds, memory, cpu, settled = (median(values) for values in zip(*starts, strict=True))
    report.add(f"first_page_seconds{suffix}", seconds, "s", goal="< 3", note=note)
    report.add(f"first_page_cpu_seconds{suffix}", cpu, "s")
    report.add(f"first_page_memory_mb{suffix}", memory, "MiB", goal="< 250")
    note = f"{_SETTLE_SECONDS} s after the first page"
    report.add(f"settled_memory_mb{suffix}", settled, "MiB", note=note)


def _measure_mlflow(report: Report) -> None:
    progress("Beside us: mlflow")
    with environment_with("mlflow") as programs, TemporaryDirectory() as folder:
        if programs is None:
            return
        port = free_port()
        command = [str(programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
        name = f"mlflow {version_of(programs, 'mlflow')}"
        _measure_peer(report, name, command, port, folder, environment)


def _measure_phoenix(report: Report) -> None:
    progress("Beside us: arize-phoenix")
    with environment_with("arize-phoenix") as programs, TemporaryDirectory() as folder:
        if programs is None:
            return
        port = free_port()
        environment = {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        name = f"arize-phoenix {version_of(programs, 'arize-phoenix')}"
        command = [str(programs / "phoenix"), "serve"]
        _measure_peer(report, name, command, port, folder, environment)


def _measure_peer(
    report: Report,
    name: str,
    command: list[str],
    port: int,
    folder: str,
    environment: dict[str, str],
) -> None:
    """Twice, and the second counts: the first one also compiles the peer's modules."""
    for _ in range(2):
        with serving(command, port=port, environment=environment, folder=Path(folder)) as server:
            figures = {
                "first_page_seconds": server.wait_for_page("/"),
                "first_page_memory_mb": server.memory_mb(),
                "first_page_cpu_seconds": server.cpu_seconds(),
            }
    report.add_peer(name, figures, note="Its own server as it comes, second start.")


if __name__ == "__main__":
    main()
