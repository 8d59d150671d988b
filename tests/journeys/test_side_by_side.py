"""A server and three command lines at work on one state folder never get in each other's way."""

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path


def test_a_server_and_three_command_lines_share_one_folder(
    server: str, lineside, environment: dict[str, str], make_folder, tmp_path: Path
) -> None:
    first = make_folder(note="first")
    assert lineside("release", str(first)).returncode == 0
    assert lineside("deploy", "triage").returncode == 0
    commands = [
        ["test", str(make_folder(note="second")), "--fresh"],
        ["release", str(make_folder(note="third"))],
        ["keys", "create", "beside", "--right", "run"],
    ]
    statuses: list[int] = []

    def call_all_the_while() -> None:
        for number in range(150):
            body = json.dumps({"input": {"message": f"message {number % 100}"}}).encode()
            request = urllib.request.Request(
                f"{server}/api/usecases/triage/run",
                body,
                {"content-type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                statuses.append(answer.status)

    caller = threading.Thread(target=call_all_the_while)
    caller.start()
    at_work = [
        subprocess.Popen(
            [sys.executable, "-m", "lineside", *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    outputs = [process.communicate(timeout=120)[0] for process in at_work]
    caller.join(120)

    assert [process.returncode for process in at_work] == [0, 0, 0], outputs
    assert statuses == [200] * 150
    log = (tmp_path / "server.log").read_text()
    assert "locked" not in "".join([*outputs, log])
    assert lineside("ledger", "verify").returncode == 0
