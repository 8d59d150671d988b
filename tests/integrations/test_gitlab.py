"""The GitLab template, its script run as a runner does, against a small API over HTTP."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from cli.conftest import write_small_folder
from evals.junit_shape import read_junit

FILE = Path(__file__).parents[2] / "integrations" / "gitlab" / "lineside.yml"
TEMPLATE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))[".lineside"]
MARK = "<!-- lineside verdict: post-room -->"
NOTES = "/api/v4/projects/3/merge_requests/9/notes"


class Notes:
    """The notes of one merge request."""

    def __init__(self) -> None:
        self.kept: dict[int, str] = {1: "looks good"}
        self.address = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        notes = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kept = [{"id": key, "body": body} for key, body in notes.kept.items()]
                self.answer(kept)

            def do_POST(self) -> None:
                self.keep(max(notes.kept) + 1)

            def do_PUT(self) -> None:
                self.keep(int(self.path.rpartition("/")[2]))

            def keep(self, key: int) -> None:
                sent = self.rfile.read(int(self.headers["content-length"])).decode()
                notes.kept[key] = parse_qs(sent)["body"][0]
                self.answer({"id": key})

            def answer(self, value: Any) -> None:
                is_known = self.headers["private-token"] == "glpat" and NOTES in self.path
                self.send_response(200 if is_known else 401)
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def notes() -> Iterator[Notes]:
    notes = Notes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), notes.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    notes.address = f"http://127.0.0.1:{server.server_port}"
    yield notes
    server.shutdown()
    server.server_close()


def test_a_verdict_is_said_once_and_then_brought_up_to_date(
    tmp_path: Path, made_home: Path, commands: Path, notes: Notes
) -> None:
    environment = {
        **os.environ,
        **TEMPLATE["variables"],
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "LINESIDE_HOME": str(made_home),
        "LINESIDE_FOLDER": "post-room",
        "LINESIDE_GITLAB_TOKEN": "glpat",
        "CI_API_V4_URL": f"{notes.address}/api/v4",
        "CI_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_IID": "9",
    }

    def run(**more: str) -> "subprocess.CompletedProcess[str]":
        script = "\n".join([*TEMPLATE["before_script"], *TEMPLATE["script"]])
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            env=environment | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    write_small_folder(tmp_path / "post-room", right=6)
    first = run()
    assert first.returncode == TEMPLATE["allow_failure"]["exit_codes"], first.stderr
    assert notes.kept[2].startswith(
        "<!-- lineside verdict: post-room -->\n\n### 🟡 Not enough data"
    )

    write_small_folder(tmp_path / "post-room", right=60)
    second = run()
    assert second.returncode == 0, second.stderr
    assert notes.kept[2].startswith(
        "<!-- lineside verdict: post-room -->\n\n### 🟢 Ship: post-room"
    )
    assert notes.kept.keys() == {1, 2}
    junit = TEMPLATE["artifacts"]["reports"]["junit"].replace("$LINESIDE_REPORTS", "")
    read_junit((tmp_path / f"lineside-reports{junit}").read_text())

    unsaid = run(LINESIDE_GITLAB_TOKEN="wrong")
    assert unsaid.returncode == 0
    assert "could not be commented" in unsaid.stdout
