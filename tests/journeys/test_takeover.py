"""A test run whose terminal was killed is finished by the server, by itself."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import orjson
import pytest


@pytest.fixture
def killed_run(environment: dict[str, str], make_folder, home: Path, tmp_path: Path) -> str:
    """Id of a run that was under way when its `lineside test` was killed."""
    folder = make_folder()
    answers = [orjson.loads(line) for line in (folder / "answers.jsonl").open()]
    slow = [orjson.dumps(answer | {"delay_ms": 150}) for answer in answers]
    (folder / "answers.jsonl").write_bytes(b"\n".join(slow))
    process = subprocess.Popen(
        [sys.executable, "-m", "lineside", "test", str(folder)],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(600):
        listed = subprocess.run(
            [sys.executable, "-m", "lineside", "evals", "ls", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        runs = json.loads(listed.stdout or "[]")
        if runs and runs[0]["cases_done"] > 0:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return runs[0]["id"]


def test_the_server_finishes_what_a_killed_terminal_began(killed_run: str, server: str) -> None:
    for _ in range(300):
        with urllib.request.urlopen(f"{server}/api/runs/{killed_run}", timeout=30) as answer:
            run = json.load(answer)
        if run["status"] != "running":
            break
        time.sleep(0.2)

    assert (run["status"], run["cases_done"], run["cases_failed"]) == ("done", 100, 0)
