"""Long work at a terminal: a bar while it lasts, Ctrl-C, and going on from there."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path


class Terminal:
    """A command on a terminal of its own, 80 columns wide."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self._screen, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lineside", *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=environment,
        )
        os.close(inner)
        self.text = ""

    def read_until(self, words: str) -> None:
        while words not in self.text and self._read():
            pass

    def read_to_the_end(self) -> int:
        while self._read():
            pass
        os.close(self._screen)
        return self.process.wait(30)

    def _read(self) -> bool:
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


def test_a_run_shows_how_far_it_is_stops_on_ctrl_c_and_goes_on_later(
    lineside, place: Path, write_folder
) -> None:
    folder = write_folder(right=120, delay_ms=800)
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    terminal = Terminal("test", folder, environment=environment | {"TERM": "xterm"})

    terminal.read_until(" of 120 cases")
    terminal.process.send_signal(signal.SIGINT)
    code = terminal.read_to_the_end()

    assert code == 130, terminal.text
    assert "━" in terminal.text
    assert "What was judged is kept" in terminal.text
    assert "Stopped" in terminal.text
    assert "Traceback" not in terminal.text
    stopped = lineside("evals", "ls", "--json").data
    assert stopped[0]["status"] == "running"
    assert lineside("test", folder).code == 0
    done = lineside("evals", "ls", "--json").data
    assert [run["id"] for run in done] == [stopped[0]["id"]]
    assert done[0]["status"] == "done"


def test_nothing_is_wider_than_the_terminal(good: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    terminal = Terminal("test", Path(good).name, environment=environment | {"TERM": "xterm"})

    assert terminal.read_to_the_end() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.text)
    lines = [part for line in plain.split("\n") for part in line.split("\r")]
    assert max(map(len, lines)) <= 80
    assert "\x1b[3" not in terminal.text.replace("\x1b[?", "")  # NO_COLOR: no colour
