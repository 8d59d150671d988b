"""Every guide does what it says: its commands are run, and what they print is compared.

A guide is run from its first block to its last in one shell and one empty folder. In a `console`
block, lines that start with `$ ` are commands (`> ` continues one), the lines below are what they
print, with `...` for whatever differs from time to time, and `# exit 1` is an exit code other than
0. A block whose first line is `# file: name` is written as that file.
"""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "guides"
GUIDES = sorted(FOLDER.glob("*.md"))
MARK = "--end-of-command--"
SECONDS_MAX = 120
DATABASE = "postgresql://lineside:secret@db.example:5432/lineside"


class Block(NamedTuple):
    """A fenced part of a guide, with the line its first line stands on."""

    kind: str
    line: int
    lines: list[str]


class Command(NamedTuple):
    """What a guide tells to type, and what it says happens."""

    line: int
    text: str
    expected: list[str]
    exit_code: int

    @property
    def stays(self) -> bool:
        return self.text.rstrip().endswith("&")


class Shell:
    """A shell as a person has it open, that is read as it prints."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, text: str) -> tuple[int, list[str]]:
        """Type a command, wait for its end, return its exit code and what was printed."""
        self._type(f"{{ {text}\n}} </dev/null; printf '\\n{MARK} %s\\n' $?")
        printed: list[str] = []
        while True:
            line = self._next(SECONDS_MAX)
            assert line is not None, f"`{text}` did not end; it printed: {printed}"
            if line.startswith(MARK):
                code = int(line.split()[1])
                return code, printed[:-1] if printed and not printed[-1] else printed
            printed.append(line)

    def read_until(self, expected: list[str], printed: list[str], *, seconds: float) -> list[str]:
        """Go on reading what a command in the background prints until it is what is expected."""
        deadline = time.monotonic() + seconds
        while not fits(printed, expected) and time.monotonic() < deadline:
            line = self._next(0.2)
            if line is not None:
                printed = [*printed, line]
        return printed

    def close(self) -> None:
        """End what was left running in the background, then the shell."""
        try:
            self._type("trap '' TERM; kill $(jobs -p) 2>/dev/null; wait; exit")
            self._process.wait(20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def _type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def _next(self, seconds: float) -> str | None:
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())


@pytest.fixture
def shell(tmp_path: Path, commands: Path) -> Iterator[Shell]:
    places = [str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {
        "PATH": os.pathsep.join(places),
        "LINESIDE_HOME": str(tmp_path / ".lineside"),
        "LINESIDE_USER": "ann",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("COLUMNS", None)
    folder = tmp_path / "work"
    folder.mkdir()
    opened = Shell(folder, environment)
    yield opened
    opened.close()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guide_does_what_it_says(
    guide: Path, shell: Shell, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = guide.read_text("utf-8")
    # Guides show the usual ports and an address of a database; the run has its own.
    ports = {usual: free_port() for usual in ("7710", "4317", "8080")}
    shell.run(f"export LINESIDE_PORT={ports['7710']}")
    if "4317" in text:
        shell.run(f"export LINESIDE_OTLP_GRPC_PORT={ports['4317']}")
    text = re.sub("|".join(ports), lambda found: ports[found[0]], text)
    if DATABASE in text:
        text = text.replace(DATABASE, request.getfixturevalue("postgres_url"))
    for block in blocks_of(text):
        title = re.fullmatch(r"# file: (\S+)", block.lines[0]) if block.lines else None
        if title is not None:
            path = tmp_path / "work" / title[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(block.lines[1:]) + "\n", "utf-8")
        elif block.kind == "console":
            for command in commands_of(block):
                follow(guide, shell, command)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_no_command_of_a_guide_goes_unrun(guide: Path) -> None:
    kinds = [block.kind for block in blocks_of(guide.read_text("utf-8"))]

    assert "console" in kinds
    assert not {"sh", "bash", "shell", ""} & set(kinds)


def follow(guide: Path, shell: Shell, command: Command) -> None:
    code, printed = shell.run(command.text)
    if command.stays and command.expected:
        printed = shell.read_until(command.expected, printed, seconds=40)
    shown = "\n".join(printed)
    place = f"{guide.name}, line {command.line}: $ {command.text}"
    assert code == command.exit_code, f"{place}\nended with {code}, and printed:\n{shown}"
    if command.expected:
        wanted = "\n".join(command.expected)
        assert fits(printed, command.expected), f"{place}\nprinted:\n{shown}\n\nnot:\n{wanted}"


def fits(printed: list[str], expected: list[str]) -> bool:
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else f"{with_wildcards(line)}\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(f"{spaced(line)}\n" for line in printed)) is not None


def with_wildcards(line: str) -> str:
    return re.escape(spaced(line)).replace(r"\.\.\.", ".*?")


def spaced(line: str) -> str:
    """How wide the columns of a table are depends on what else stands in it."""
    return re.sub(r" {2,}", "  ", line)


def blocks_of(text: str) -> list[Block]:
    found, kind, start = [], None, 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if kind is None:
            kind, start = line[3:].strip(), number
        else:
            found.append(Block(kind, start + 1, lines[start : number - 1]))
            kind = None
    assert kind is None, f"the block on line {start} is not closed"
    return found


def commands_of(block: Block) -> list[Command]:
    found: list[Command] = []
    for number, line in enumerate(block.lines, start=block.line):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], [], 0))
            continue
        assert found, f"line {number}: a console block begins with `$ `"
        last = found.pop()
        exit_code = re.fullmatch(r"# exit (\d+)", line)
        if exit_code is not None:
            last = last._replace(exit_code=int(exit_code[1]))
        elif line.startswith("> ") and not last.expected:
            last = last._replace(text=f"{last.text}\n{line[2:]}")
        else:
            last = last._replace(expected=[*last.expected, line.rstrip()])
        found.append(last)
    return [command._replace(expected=without_gaps(command.expected)) for command in found]


def without_gaps(lines: list[str]) -> list[str]:
    """Blank lines before the next command are for the eye."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
