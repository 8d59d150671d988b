"""Claim: a durable run costs at most 1 ms of CPU per case on top of the model.

    .venv/bin/python benchmarks/runner.py [--json] [--peers]

3,080 cases are judged by the real runner, as a durable job whose results are kept in the database,
against a target that does nothing. What is counted is the CPU of the whole process, all threads,
divided by the cases; the first run of a process, which imports and opens, is told apart. Medians
of 3.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import run
from peers import BESIDE, environment_with, version_of
from report import Report, median, options, progress

from lineside.core import Settings
from lineside.evals import get_run, keep_dataset, read_dataset, register_runner, start_run
from lineside.gateway import ModelReply
from lineside.store import open_store
from lineside.trust import Scope, local_scope

CASES = 3_080
_REPEATS = 3
_POLL_SECONDS = 0.05
_SECONDS_MAX = 120


def main() -> None:
    given = options(__doc__)
    report = Report(f"The durable runner's own cost over {CASES:,} cases")
    with TemporaryDirectory() as folder:
        store = open_store(Settings(home=Path(folder)))
        register_runner(store, lambda _run: _Idle())
        try:
            _measure(report, local_scope(store))
        finally:
            store.close()
    if given.peers:
        _measure_peer(
            report,
            "inspect-ai",
            "inspect_cases.py",
            "A solver that does nothing; every sample in a log.",
        )
        note = "A task that does nothing; results in memory only, a killed run starts again."
        _measure_peer(report, "pydantic-evals", "pydantic_cases.py", note)
    report.close(as_json=given.json)


class _Idle:
    """Answers what the runner cannot tell from a model, and takes no time."""

    async def __call__(self, _payload: Mapping[str, Any]) -> ModelReply:
        return ModelReply(output=_ANSWER, model="none", confidence=0.9, cost_usd=0.0)

    async def close(self) -> None:
        """Nothing to give back."""


_ANSWER = {"topic": "parcel_lost"}
_OBJECT = {"type": "object", "properties": {}}


def _measure(report: Report, scope: Scope) -> None:
    cases = [
        {
            "id": f"case-{number}",
            "input": {"message": f"Message {number}: where is my parcel, it was due last week?"},
            "expected": _ANSWER,
            "slices": {"channel": ("mail", "chat")[number % 2]},
        }
        for number in range(CASES)
    ]
    content = b"".join(json.dumps(case).encode() + b"\n" for case in cases)
    read = read_dataset(
        "golden.jsonl",
        content,
        input_schema=_OBJECT,
        output_schema=_OBJECT,
        bytes_max=len(content),
    )
    dataset = keep_dataset(scope, "idle", read)
    first_cpu, _ = _judge(scope, dataset)
    measured = [_judge(scope, dataset) for _ in range(_REPEATS)]
    cpu = median([cpu for cpu, _ in measured])
    note = "accuracy, latency and cost scored; results kept, 8 asked at once"
    report.add("cpu_ms_per_case", cpu / CASES * 1000, "ms", goal="<= 1", note=note)
    report.add("run_seconds", median([wall for _, wall in measured]), "s")
    report.add("first_run_cpu_seconds", first_cpu, "s", note="jobs imported and opened on the way")


def _judge(scope: Scope, dataset: Any) -> tuple[float, float]:
    """CPU and wall seconds of one whole run."""
    cpu, wall = time.process_time(), time.perf_counter()
    judged = start_run(scope, use_case="idle", subject="sha256:idle", dataset=dataset, fresh=True)
    while judged.status == "running" and time.perf_counter() - wall < _SECONDS_MAX:
        time.sleep(_POLL_SECONDS)
        judged = get_run(scope, judged.id)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if judged.status != "done" or judged.cases_failed or judged.cases_done != CASES:
        raise SystemExit(f"The run did not end well: {judged}")
    return cpu, wall


def _measure_peer(report: Report, package: str, program: str, note: str) -> None:
    progress(f"Beside us: {package}")
    needed = {"inspect-ai": ("inspect-ai", "openai")}.get(package, (package,))
    with environment_with(*needed) as programs, TemporaryDirectory() as folder:
        if programs is None:
            return
        command = [str(programs / "python"), str(BESIDE / program), str(CASES), folder]
        done = run(command, folder=Path(folder))
        figures = json.loads(done.output.splitlines()[-1])
        report.add_peer(f"{package} {version_of(programs, package)}", figures, note=note)


if __name__ == "__main__":
    main()
