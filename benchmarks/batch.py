"""Claim: a batch answers 150 rows/s and more with a model that takes no time, its memory does not
grow with its rows, and after five kills (SIGKILL) no row is lost and none has two results.

    .venv/bin/python benchmarks/batch.py [--json] [--rows 200000] [--kills 5] [--peers]

A use case with a scripted model is released and deployed by the real commands. `lineside batch`
answers a CSV file, tracing on, as always; its memory is watched in /proc, from a tenth of the rows
to the last. Then a smaller file is answered by a command that is killed again and again at random
moments, and gone on with by `lineside batch resume`. There are no peers here; `--peers` changes
nothing.
"""

import argparse
import json
import os
import random
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import LINESIDE, line_environment, run
from report import Report, options, progress

_KILLED_ROWS = 6_000
_SECONDS_MAX = 7_200
_MANIFEST = """\
name: post-room
problem: {statement: Someone reads every letter, who: 2 people}
value: {measure: minutes_to_answer, direction: down}
risk: minimal
owner: post-room
interface: inline
app:
  kind: predict
  input: {message: string}
  output: {topic: {enum: [refund, delivery]}}
  model: scripted:answers.jsonl
tests:
  dataset: cases.jsonl
  gate: [accuracy >= 0.80]
"""
_ANSWER = {"when": {"default": True}, "output": {"topic": "refund"}}


def main() -> None:
    given = options(__doc__, _more)
    report = Report(f"A batch of {given.rows:,} rows, quick, flat in memory, and proof to kills")
    with TemporaryDirectory() as name:
        folder = Path(name)
        environment = line_environment(folder / "home", 0)
        _write_folder(folder / "post-room")
        for words in (["release", str(folder / "post-room")], ["deploy", "post-room"]):
            run([LINESIDE, *words], environment=environment, folder=folder)
        _measure_killed(report, folder, environment, kills=given.kills)
        _measure(report, folder, environment, rows=given.rows)
    report.close(as_json=given.json)


def _more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=5)


def _write_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "usecase.yaml").write_text(_MANIFEST)
    (folder / "answers.jsonl").write_text(json.dumps(_ANSWER) + "\n")
    cases = [
        {"id": f"case-{at}", "input": {"message": f"m {at}"}, "expected": {"topic": "refund"}}
        for at in range(20)
    ]
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))


def _write_rows(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("id,message\n")
        file.writelines(f"{at},Where is parcel {at}; it was due last week\n" for at in range(rows))


def _measure(report: Report, folder: Path, environment: dict[str, str], *, rows: int) -> None:
    path = folder / "rows.csv"
    _write_rows(path, rows)
    progress(f"{rows:,} rows in one go")
    process = _started(["post-room", str(path), "--json"], folder, environment)
    early = late = 0.0
    begun = time.perf_counter()
    while process.poll() is None and time.perf_counter() - begun < _SECONDS_MAX:
        time.sleep(0.5)
        late = _memory_mb(process.pid) or late
        if not early and _rows_done(folder, path.name) >= rows * 0.1:
            early = late
    state = json.loads(process.communicate()[0])
    batch = state["batch"]
    if batch["rows_answered"] != rows:
        raise SystemExit(f"The batch did not end well: {state}")
    note = "8 at once, each row with its trace; command and flusher share the machine"
    rate = rows / batch["spent"]["seconds"]
    report.add("rows_per_second", rate, "/s", goal=">= 150", note=note)
    report.add("memory_mb_early", early, "MiB", note="resident, at a tenth of the rows")
    report.add("memory_mb_growth", late - early, "MiB", goal="<= 40", note="from there to the end")
    begun = time.perf_counter()
    command = [LINESIDE, "batch", "export", batch["id"], str(folder / "out.parquet")]
    done = run(command, environment=environment, folder=folder)
    report.add("export_parquet_seconds", time.perf_counter() - begun, "s")
    report.add("export_parquet_peak_mb", done.peak_mb, "MiB")


def _measure_killed(
    report: Report, folder: Path, environment: dict[str, str], *, kills: int
) -> None:
    path = folder / "killed.csv"
    _write_rows(path, _KILLED_ROWS)
    chance = random.Random(7)  # noqa: S311 # when to kill is no secret
    words = ["post-room", str(path), "--concurrency", "8", "--json"]
    for number in range(kills):
        process = _started(words, folder, environment)
        before = _rows_done(folder, path.name)
        until = time.perf_counter() + 60
        while process.poll() is None and time.perf_counter() < until:
            if _rows_done(folder, path.name) > before + 50:
                break
        time.sleep(chance.uniform(0.05, 0.5))
        process.kill()
        process.wait()
        progress(f"Kill {number + 1}: {_rows_done(folder, path.name):,} rows kept")
    process = _started(words, folder, environment)
    state = json.loads(process.communicate()[0])
    out = folder / "killed.jsonl"
    command = [LINESIDE, "batch", "export", state["batch"]["id"], str(out)]
    run(command, environment=environment, folder=folder)
    results = [json.loads(line) for line in out.read_text().splitlines()]
    ids = [result["row"]["id"] for result in results if result["status"] == "answered"]
    lost = _KILLED_ROWS - len(set(ids))
    report.add("kills", kills, "")
    report.add("rows_lost", lost, "", goal="<= 0", note=f"of {_KILLED_ROWS:,}")
    report.add("rows_double", len(ids) - len(set(ids)), "", goal="<= 0")
    again = _traces(folder, state["batch"]["id"]) - len(ids)
    note = "their answer was under way when the process was killed"
    report.add("rows_asked_again", again, "", note=note)


def _started(
    words: list[str], folder: Path, environment: dict[str, str]
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [LINESIDE, "batch", *words],
        env=os.environ | environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _rows_done(folder: Path, file: str) -> int:
    """By the database itself, which takes less of the machine than a command."""
    return sum(row["rows_answered"] for row in _batches(folder) if row["file"] == file)


def _batches(folder: Path) -> list[dict[str, Any]]:
    from lineside.core import Settings
    from lineside.store import Store
    from lineside.trust import local_scope

    global _store
    if _store is None:
        _store = Store(Settings(home=folder / "home"))
    from lineside.apps.batches import list_batches

    return [one.model_dump() for one in list_batches(local_scope(_store))]


def _traces(folder: Path, batch_id: str) -> int:
    from lineside.apps import open_line
    from lineside.core import Settings
    from lineside.traces import latest_calls
    from lineside.trust import local_scope

    store = open_line(Settings(home=folder / "home"))
    try:
        store.flusher.flush()
        calls = latest_calls(local_scope(store), limit=10 * _KILLED_ROWS)
    finally:
        store.close()
    return sum(call.attributes.get("batch") == batch_id for call in calls)


def _memory_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


_store: Any = None


if __name__ == "__main__":
    main()
