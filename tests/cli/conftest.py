"""Command lines in this process, in a state folder of their own, and small folders to judge."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from lineside.cli.main import run as run_command_line

MANIFEST = """\
name: post-room
problem: {statement: Someone reads every letter, who: 2 people, today: 10 s a letter}
value: {measure: minutes_to_answer, direction: down}
risk: minimal
owner: post-room
interface: inline
app:
  kind: predict
  input: {message: string}
  output: {topic: {enum: [refund, delivery]}}
  model: scripted:answers.jsonl
knobs:
  - {name: hand_off_below, kind: number, min: 0, max: 1, default: 0, who: operator}
tests:
  dataset: cases.jsonl
  gate: [accuracy >= 0.80]
rollout: {steps: [10%, 100%]}
"""
ANSWERS = [
    {"when": {"contains": {"message": "refund"}}, "output": {"topic": "refund"}},
    {"when": {"contains": {"message": "broken"}}, "fail": "invalid"},
    {"when": {"default": True}, "output": {"topic": "delivery"}},
]


class Ended(NamedTuple):
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to stand in, with a state folder that no other test sees."""
    for name in ("DATABASE_URL", "LAKE", "DEBUG", "HOST", "PORT"):
        # Set before it is unset, so that what a command sets is undone as well.
        monkeypatch.setenv(f"LINESIDE_{name}", "")
        monkeypatch.delenv(f"LINESIDE_{name}")
    monkeypatch.setenv("LINESIDE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LINESIDE_USER", "ann")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    # DBOS logs into the stderr it saw first, which is closed when this test ends.
    logging.getLogger("dbos").handlers.clear()


@pytest.fixture
def lineside(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line and give back its exit code and both its streams."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = run_command_line(arguments)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


class WriteFolder(Protocol):
    def __call__(
        self, *, right: int = 0, wrong: int = 0, failed: int = 0, delay_ms: float = 0
    ) -> str: ...


@pytest.fixture
def write_folder(place: Path) -> WriteFolder:
    """Write a use case whose scripted model gets so many cases right, wrong, or not answered."""

    def write(*, right: int = 0, wrong: int = 0, failed: int = 0, delay_ms: float = 0) -> str:
        folder = place / "post-room"
        write_small_folder(folder, right=right, wrong=wrong, failed=failed, delay_ms=delay_ms)
        return str(folder)

    return write


def write_small_folder(
    folder: Path, *, right: int = 0, wrong: int = 0, failed: int = 0, delay_ms: float = 0
) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "usecase.yaml").write_text(MANIFEST)
    _write_lines(folder / "answers.jsonl", [line | {"delay_ms": delay_ms} for line in ANSWERS])
    words = ["refund"] * right + ["parcel"] * wrong + ["broken"] * failed
    cases = [
        {
            "id": f"case-{number}",
            "input": {"message": f"{word} number {number}"},
            "expected": {"topic": "refund"},
            "slices": {"channel": "mail" if number % 2 else "chat"},
        }
        for number, word in enumerate(words)
    ]
    _write_lines(folder / "cases.jsonl", cases)


@pytest.fixture
def good(write_folder: WriteFolder) -> str:
    """A folder that ships."""
    return write_folder(right=60, wrong=1)


def _write_lines(file: Path, values: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(value) + "\n" for value in values))
