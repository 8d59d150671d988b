"""Claim: a durable run costs a fifth of the CPU of any peer that also keeps its results, streams
200,000 cases in flat memory, and judges no case twice however often it is killed.

    .venv/bin/python benchmarks/evals.py [--json] [--peers] [--cases 2000] [--large 200000]
        [--kills 10]

A target that answers at once, exact match, results kept in SQLite. CPU is that of the whole
process, all threads. Memory is what the process holds above what it held when store and dataset
were open. The large runs have a gate with a mean, a percentile and a slice gap. Two of them are
compared, and their pages asked for from `lineside up`. At last a run is killed (SIGKILL) again and
again; a case counts as judged twice when it is asked again though its result had been kept.
"""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import LINESIDE, free_port, line_environment, run, serving
from peers import BESIDE, environment_with, node_package, version_of
from report import Report, median, options, progress

_ANSWER = {"topic": "parcel_lost"}
_OBJECT = {"type": "object"}
_VERDICT_CASES = 5_000
_KILL_CASES = 3_000
_RULES = ["accuracy >= 0.9", "p95(latency_ms) <= 800", "slice gap(channel) <= 0.05"]
_WARM_CASES = 20
_IDLE_PROVIDER = """module.exports = class {
  id() { return 'idle'; }
  async callApi() { return { output: 'right' }; }
};
"""
_SAMPLE_SECONDS = 0.05
_SECONDS_MAX = 1_200
_WARM_SECONDS_MAX = 60
_PAGE_REPEATS = 3
_KEEPING = {"inspect-ai", "deepeval", "promptfoo"}
_PEERS = (
    ("inspect-ai", ("inspect-ai", "openai"), "inspect_cases.py", "Every sample in a log."),
    ("deepeval", ("deepeval",), "deepeval_cases.py", "Results in a file."),
    ("pydantic-evals", ("pydantic-evals",), "pydantic_cases.py", "Results in memory only."),
)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(_CHILDREN[sys.argv[2]](*sys.argv[3:])))
        return
    given = options(
        __doc__,
        lambda parser: parser.add_argument("--cases", type=int, default=2_000),
        lambda parser: parser.add_argument("--large", type=int, default=200_000),
        lambda parser: parser.add_argument("--kills", type=int, default=10),
    )
    report = Report("Runs: a fifth of the CPU, flat memory, no case twice")
    ours = _small(report, given.cases)
    if given.peers:
        _beside(report, given.cases, ours)
    _large(report, given.large)
    _killed(report, given.kills)
    report.close(as_json=given.json)


def _small(report: Report, cases: int) -> float:
    with TemporaryDirectory() as home:
        found = _child("judge", home, "small", str(cases), "3")
    cpu = median([one["cpu_seconds"] for one in found]) / cases * 1000
    report.add("cpu_ms_per_case", cpu, "ms", note=f"{cases:,} cases, median of 3 runs")
    memory = max(one["memory_mb"] for one in found)
    report.add("memory_mb_above_start", memory, "MiB", goal="<= 150")
    return cpu


def _beside(report: Report, cases: int, ours: float) -> None:
    best = None
    for package, needed, program, note in _PEERS:
        progress(f"Beside us: {package}")
        with environment_with(*needed) as programs, TemporaryDirectory() as folder:
            if programs is None:
                continue
            command = [str(programs / "python"), str(BESIDE / program), str(cases), folder]
            figures = json.loads(run(command, folder=Path(folder)).output.splitlines()[-1])
            report.add_peer(f"{package} {version_of(programs, package)}", figures, note=note)
        if package in _KEEPING:
            best = min(best or figures["cpu_ms_per_case"], figures["cpu_ms_per_case"])
    if (promptfoo := _promptfoo(report, cases)) is not None:
        best = min(best or promptfoo, promptfoo)
    if best is not None:
        note = "the best peer that keeps its results"
        report.add("times_less_cpu", best / ours, "x", goal=">= 5", note=note)


def _promptfoo(report: Report, cases: int) -> float | None:
    """Add what a case costs there: a run of all cases without what a run of 20 takes."""
    progress("Beside us: promptfoo")
    with node_package("promptfoo") as found, TemporaryDirectory() as name:
        if found is None:
            return None
        node, package, version = found
        folder = Path(name)
        quiet = ("TELEMETRY", "UPDATE", "REMOTE_GENERATION", "SHARING")
        environment = {f"PROMPTFOO_DISABLE_{what}": "1" for what in quiet}
        environment["PROMPTFOO_CONFIG_DIR"] = str(folder / "home")
        (folder / "idle.cjs").write_text(_IDLE_PROVIDER)
        script = package / json.loads((package / "package.json").read_text())["bin"]["promptfoo"]
        command = [node, str(script), "eval", "--config", "config.json", "--no-cache", "--no-table"]
        cpu = []
        for count in (_WARM_CASES, cases):
            asserts = [{"type": "equals", "value": "right"}]
            tests = [{"vars": {"message": f"m{n}"}, "assert": asserts} for n in range(count)]
            config = {"providers": ["file://idle.cjs"], "prompts": ["{{message}}"], "tests": tests}
            (folder / "config.json").write_text(json.dumps(config))
            done = run([*command, "--no-progress-bar"], environment=environment, folder=folder)
            cpu.append(done.cpu_seconds)
        figures = {"cpu_ms_per_case": (cpu[1] - cpu[0]) / (cases - _WARM_CASES) * 1000}
        report.add_peer(f"promptfoo {version}", figures, note="Results in its own database.")
        return figures["cpu_ms_per_case"]


def _large(report: Report, cases: int) -> None:
    with TemporaryDirectory() as folder:
        home = str(Path(folder) / "home")
        found = _child("judge", home, "large", str(cases), "2")
        speed = min(cases / one["seconds"] for one in found)
        report.add("cases_per_second", speed, "/s", goal=">= 1500", note=f"{cases:,} cases")
        of_cpu = min(cases / one["cpu_seconds"] for one in found)
        report.add("cases_per_cpu_second", of_cpu, "/s", note="whatever else the machine does")
        growth = max(one["memory_mb"] for one in found)
        report.add("memory_mb_growth", growth, "MiB", goal="<= 100")
        runs = [one["run_id"] for one in found]
        taken = _child("compare", home, *runs)
        note = "reading both runs and loading scipy in it"
        report.add("compare_seconds", taken["seconds"], "s", goal="<= 3", note=note)
        report.add("compare_cpu_seconds", taken["cpu_seconds"], "s")
        few = [one["run_id"] for one in _child("judge", home, "few", str(_VERDICT_CASES), "2")]
        port = free_port()
        environment = line_environment(Path(home), port)
        with serving(
            [LINESIDE, "up"], port=port, environment=environment, folder=Path(folder)
        ) as server:
            server.wait_for_page("/")
            _wait_until_warm(port)
            note = "the first time it is asked for"
            cpu = server.cpu_seconds()
            first = _page_ms(port, f"/runs/{runs[0]}")
            report.add("run_page_ms", first, "ms", goal="<= 500", note=note)
            cpu = (server.cpu_seconds() - cpu) * 1000
            report.add("run_page_cpu_ms", cpu, "ms", note="of the server's processes")
            again = [_page_ms(port, f"/runs/{runs[0]}") for _ in range(_PAGE_REPEATS)]
            report.add("run_page_again_ms", median(again), "ms")
            both = _page_ms(port, f"/compare?baseline={runs[0]}&candidate={runs[1]}")
            note = f"two runs of {cases:,} cases, the first time"
            report.add("compare_page_ms", both, "ms", goal="<= 1000", note=note)
            path = f"/compare?baseline={few[0]}&candidate={few[1]}"
            verdict = _page_ms(port, path)
            note = f"two runs of {_VERDICT_CASES:,} cases, the first time"
            report.add("verdict_page_ms", verdict, "ms", goal="<= 300", note=note)


def _wait_until_warm(port: int) -> None:
    """Wait for what a server loads by itself, some seconds after its start."""
    until = time.monotonic() + _WARM_SECONDS_MAX
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WARM_SECONDS_MAX)
        connection.request("GET", "/healthz")
        is_warm = json.loads(connection.getresponse().read())["is_warm"]
        connection.close()
        if is_warm:
            return
        time.sleep(_SAMPLE_SECONDS)
    raise SystemExit(f"The server is not warm after {_WARM_SECONDS_MAX} s")


def _page_ms(port: int, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS_MAX)
    started = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    taken = (time.perf_counter() - started) * 1000
    connection.close()
    if answer.status not in (200, 404):
        raise SystemExit(f"{path} answered {answer.status}")
    return taken


def _killed(report: Report, kills: int) -> None:
    """Kill a run at ever later moments, let it end, and count."""
    with TemporaryDirectory() as folder:
        home, log = str(Path(folder) / "home"), Path(folder) / "asked.log"
        at_kill: list[tuple[list[str], Counter[str]]] = []
        for number in range(kills):
            process = subprocess.Popen(
                [sys.executable, __file__, "--child", "killed", home, str(log)],
                stdout=subprocess.DEVNULL,
            )
            _wait_for_lines(log, (number + 1) * _KILL_CASES // (kills + 2), process)
            process.send_signal(signal.SIGKILL)
            process.wait()
            kept = _child("kept", home)
            at_kill.append((kept, Counter(_asked(log))))
            progress(f"  kill {number + 1}: {len(kept):,} cases kept")
        _child("killed", home, str(log))
        asked, rows = Counter(_asked(log)), _child("kept", home)
        twice = sum(asked[case] > then[case] for kept, then in at_kill for case in kept)
        twice += len(rows) - len(set(rows))
        note = f"SIGKILL {kills} times over {_KILL_CASES:,} cases"
        report.add("judged_twice", twice, "", goal="<= 0", note=note)
        report.add("lost", _KILL_CASES - len(set(rows)), "", goal="<= 0")
        report.add("asked_again", sum(asked.values()) - len(asked), "", note="under way at a kill")


def _asked(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def _wait_for_lines(log: Path, lines: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _SECONDS_MAX
    while len(_asked(log)) < lines:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit("The run that was to be killed ended by itself")
        time.sleep(0.01)


# --- In a process of its own --------------------------------------------------------------------


def _child(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, "--child", *arguments],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=_SECONDS_MAX,
    )
    return json.loads(done.stdout.splitlines()[-1])


class _Idle:
    """Answers at once, and writes down what it was asked if it has somewhere to."""

    def __init__(self, log: str = "") -> None:
        self._log = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY) if log else None

    async def __call__(self, payload: Mapping[str, Any]) -> Any:
        from lineside.gateway import ModelReply

        if self._log is not None:
            os.write(self._log, f"{payload['message']}\n".encode())
            await asyncio.sleep(0.005)
        return ModelReply(output=_ANSWER, model="none", confidence=0.9, cost_usd=0.0)

    async def close(self) -> None:
        """Nothing to give back."""


def _opened(home: str, log: str = "") -> Any:
    from lineside.core import Settings
    from lineside.evals import register_runner
    from lineside.store import open_store
    from lineside.traces import open_traces
    from lineside.trust import local_scope

    store = open_store(Settings(home=Path(home)))
    open_traces(store)
    register_runner(store, lambda _run: _Idle(log))
    return local_scope(store)


def _dataset(scope: Any, name: str, cases: int) -> Any:
    from lineside.evals import keep_dataset, read_dataset

    rows = (
        {
            "id": f"case-{number}",
            "input": {"message": f"case-{number}"},
            "expected": _ANSWER,
            "slices": {"channel": ("mail", "chat")[number % 2]},
        }
        for number in range(cases)
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.jsonl"
        with file.open("w") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
        size = file.stat().st_size
        read = read_dataset(
            file.name, file, input_schema=_OBJECT, output_schema=_OBJECT, bytes_max=size
        )
    return keep_dataset(scope, "idle", read)


def _judge(home: str, name: str, cases: str, repeats: str) -> list[dict[str, Any]]:
    from lineside.evals import running, start_run
    from lineside.evals.plan import RunPlan

    scope = _opened(home)
    dataset = _dataset(scope, name, int(cases))
    few = _dataset(scope, f"{name}-first", 100)
    # Imports and the first opening of jobs happen here; they are no part of a case.
    running.wait_for(scope, start_run(scope, use_case="idle", subject="first", dataset=few))
    figures = []
    for repeat in range(int(repeats)):
        cpu, wall, start_mb = time.process_time(), time.perf_counter(), _memory_mb()
        most = [start_mb]
        done = threading.Event()

        def watch(most: list[float] = most, done: threading.Event = done) -> None:
            while not done.wait(_SAMPLE_SECONDS):
                most.append(_memory_mb())

        watching = threading.Thread(target=watch)
        watching.start()
        begun = start_run(
            scope,
            use_case="idle",
            subject=f"idle-{repeat}",
            dataset=dataset,
            plan=RunPlan(rules=_RULES if name == "large" else []),
        )
        judged = running.wait_for(scope, begun)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        done.set()
        watching.join()
        if judged.status != "done" or judged.cases_failed or judged.cases_done != int(cases):
            raise SystemExit(f"The run did not end well: {judged}")
        figures.append(
            {
                "run_id": judged.id,
                "cpu_seconds": cpu,
                "seconds": wall,
                "memory_mb": max(most) - start_mb,
            }
        )
    scope.store.close()
    return figures


def _compare(home: str, baseline: str, candidate: str) -> dict[str, float]:
    from lineside.evals import compare

    scope = _opened(home)
    cpu, wall = time.process_time(), time.perf_counter()
    compare(scope, baseline, candidate)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    scope.store.close()
    return {"cpu_seconds": cpu, "seconds": wall}


def _run_to_be_killed(home: str, log: str) -> str:
    from lineside.evals import running, start_run

    scope = _opened(home, log)
    dataset = _dataset(scope, "killed", _KILL_CASES)
    begun = start_run(scope, use_case="idle", subject="killed", dataset=dataset)
    judged = running.wait_for(scope, begun)
    scope.store.close()
    return judged.status


def _kept(home: str) -> list[str]:
    from lineside.evals import list_runs, results_of

    scope = _opened(home)
    kept = [
        result.case_id
        for judged in list_runs(scope)
        for result in results_of(scope, judged.id, limit=_KILL_CASES)
    ]
    scope.store.close()
    return kept


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1024 / 1024


_CHILDREN = {
    "judge": _judge,
    "compare": _compare,
    "killed": _run_to_be_killed,
    "kept": _kept,
}


if __name__ == "__main__":
    main()
