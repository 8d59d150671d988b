"""Claim: lineside is there at once. Importing it costs nothing, help comes before one notices, and
the server answers its first page within 3 s and 250 MB, because heavy libraries are imported on
first use.

    .venv/bin/python benchmarks/startup.py [--json] [--peers]

`import lineside` and `lineside --help` are medians of 7 fresh processes, `lineside up` of 3 fresh
servers on fresh state folders. Memory is the resident memory of all processes, in MiB.
"""

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

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


def main() -> None:
    given = options(__doc__)
    report = Report("lineside is there at once: import, help and first page")
    _measure_commands(report)
    _measure_server(report)
    _measure_live_server(report)
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


def _measure_server(report: Report) -> None:
    seconds, memory, cpu, settled = [], [], [], []
    for _ in range(_SERVERS):
        with TemporaryDirectory() as folder:
            port = free_port()
            environment = line_environment(Path(folder) / "home", port)
            with serving(
                [LINESIDE, "up"], port=port, environment=environment, folder=Path(folder)
            ) as server:
                seconds.append(server.wait_for_page("/"))
                memory.append(server.memory_mb())
                cpu.append(server.cpu_seconds())
                time.sleep(_SETTLE_SECONDS)
                settled.append(server.memory_mb())
    note = "fresh state folder, database made on the way"
    report.add("first_page_seconds", median(seconds), "s", goal="< 3", note=note)
    report.add("first_page_cpu_seconds", median(cpu), "s")
    report.add("first_page_memory_mb", median(memory), "MiB", goal="< 250")
    report.add(f"memory_mb_after_{_SETTLE_SECONDS}_s", median(settled), "MiB")


def _measure_live_server(report: Report) -> None:
    """The same where something is live already: what a person has on the second day."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        environment = line_environment(folder / "home", port)
        for words in (["release", str(EXAMPLE)], ["deploy", "support-triage"]):
            run([LINESIDE, *words], environment=environment, folder=folder)
        server = stack.enter_context(
            serving([LINESIDE, "up"], port=port, environment=environment, folder=folder)
        )
        seconds = server.wait_for_page("/")
        note = "one release live: its model is opened after the first page"
        report.add("first_page_seconds_with_release", seconds, "s", note=note)
        report.add("first_page_memory_mb_with_release", server.memory_mb(), "MiB")
        time.sleep(_SETTLE_SECONDS)
        from load import send

        body = {"input": {"message": "Where is my parcel?"}}
        send(port, "/api/usecases/support-triage/run", [body], requests=1, clients=1)
        report.add("memory_mb_after_served_call", server.memory_mb(), "MiB")


def _measure_mlflow(report: Report) -> None:
    progress("Beside us: mlflow")
    with environment_with("mlflow") as programs, TemporaryDirectory() as folder:
        if programs is None:
            return
        port = free_port()
        command = [str(programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
        _measure_peer(report, f"mlflow {version_of(programs, 'mlflow')}", command, port, folder)


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
    environment: dict[str, str] | None = None,
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
