"""The GitHub Action, its steps run one after the other as a runner does, with a scripted `gh`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from cli.conftest import write_small_folder

FILE = Path(__file__).parents[2] / "integrations" / "github" / "action.yml"
ACTION: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
GH = """\
#!{python} -IS
import json, os, sys
arguments = sys.argv[1:]
place = os.environ["GH_CALLS"]
with open(place, "a") as calls:
    body = next((word[6:] for word in arguments if word.startswith("body=@")), None)
    said = open(body).read() if body else None
    calls.write(json.dumps([arguments, said]) + chr(10))
if os.environ["GH_TOKEN"] == "read-only" and "--method" in arguments:
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
if "--jq" in arguments and os.environ.get("GH_KNOWN"):
    print(os.environ["GH_KNOWN"])
"""


class Job(NamedTuple):
    """What the steps left behind."""

    code: int
    printed: str
    outputs: dict[str, str]
    summary: str
    calls: list[tuple[list[str], str | None]]


@pytest.fixture
def environment(tmp_path: Path, made_home: Path, commands: Path) -> dict[str, str]:
    for name in ("outputs", "summary", "calls"):
        (tmp_path / name).write_text("")
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(GH.format(python=sys.executable))
    gh.chmod(0o755)
    return os.environ | {
        "PATH": os.pathsep.join([str(gh.parent), str(commands), os.environ["PATH"]]),
        "LINESIDE_HOME": str(made_home),
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "GITHUB_REPOSITORY": "acme/post",
        "RUNNER_TEMP": str(tmp_path),
        "GH_CALLS": str(tmp_path / "calls"),
    }


def run(tmp_path: Path, environment: dict[str, str], **inputs: str) -> Job:
    """Run the steps of the action on a pull request, until one of them fails."""
    given = {name: str(item.get("default", "")) for name, item in ACTION["inputs"].items()}
    values = {f"inputs.{name}": value for name, value in (given | inputs).items()}
    values |= {"github.event.pull_request.number": "7", "github.token": "secret"}
    values["inputs.token"] = inputs.get("token", "secret")
    printed, code = "", 0
    for step in ACTION["runs"]["steps"]:
        outputs = _outputs(tmp_path)
        values |= {f"steps.judge.outputs.{name}": value for name, value in outputs.items()}
        own = {name: _filled(text, values) for name, text in step["env"].items()}
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env=environment | own,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        printed, code = printed + ended.stdout + ended.stderr, ended.returncode
        if code:
            break
    calls = [json.loads(line) for line in _lines(tmp_path / "calls")]
    summary = (tmp_path / "summary").read_text()
    return Job(code, printed, _outputs(tmp_path), summary, calls)


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values.get(found[1], ""), text)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _outputs(tmp_path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in _lines(tmp_path / "outputs"))


def test_nothing_from_outside_is_written_into_a_script() -> None:
    steps = ACTION["runs"]["steps"]

    assert ACTION["runs"]["using"] == "composite"
    assert {step["shell"] for step in steps} == {"bash"}
    assert not [step["name"] for step in steps if "${{" in step["run"]]
    used = re.findall(r"inputs\.([\w-]+)", FILE.read_text("utf-8"))
    assert set(used) == ACTION["inputs"].keys()


def test_a_good_folder_passes_and_its_verdict_is_commented(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write_small_folder(tmp_path / "post-room", right=60, wrong=1)
    job = run(tmp_path, environment, folder="post-room")

    assert (job.code, job.outputs) == (0, {"decision": "ship"})
    assert job.summary.startswith("### 🟢 Ship: post-room")
    asked, (said, body) = job.calls
    assert asked[0][2] == "repos/acme/post/issues/7/comments?per_page=100"
    assert said[:4] == ["api", "--method", "POST", "repos/acme/post/issues/7/comments"]
    assert body == f"<!-- lineside verdict: post-room -->\n\n{job.summary}"
    assert {path.name for path in (tmp_path / "lineside-reports").iterdir()} == {
        *("junit.xml", "verdict.html", "verdict.json", "verdict.md")
    }


def test_a_bad_folder_fails_and_replaces_what_was_said_before(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write_small_folder(tmp_path / "post-room", right=5, wrong=60)
    job = run(tmp_path, environment | {"GH_KNOWN": "41\n42"}, folder="post-room")

    assert (job.code, job.outputs) == (1, {"decision": "hold"})
    assert job.calls[1][0][2:4] == ["PATCH", "repos/acme/post/issues/comments/41"]


def test_too_few_cases_may_pass_and_a_fork_may_not_comment(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write_small_folder(tmp_path / "post-room", right=6)
    wanted = {"folder": "post-room", "undecided": "pass", "token": "read-only"}
    job = run(tmp_path, environment, **wanted)

    assert (job.code, job.outputs) == (0, {"decision": "more"})
    assert "::warning::The verdict could not be commented" in job.printed
    assert "::notice::Not enough data" in job.printed


def test_a_broken_folder_is_no_verdict(tmp_path: Path, environment: dict[str, str]) -> None:
    job = run(tmp_path, environment, folder="nowhere")

    assert (job.code, job.outputs, job.calls) == (2, {}, [])
    assert "error: " in job.printed
