"""Keeps a process at work that moves the inbox into the lake, as long as the server runs.

To read what was received and to write it down again takes more of Python than answering does, and
Python does one thing at a time in one process.
"""

import json
import os
import subprocess
import sys
import threading
import time

from lineside.core import LinesideError, Settings
from lineside.store.inbox import Inbox

COMMAND = ("flush", "--follow", "--json")
_RESTART_SECONDS = 2.0
_STOP_SECONDS = 20.0
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}  # DuckDB's threads would each keep what they gave back


class Flushing:
    """Starts that process once something waits, and again should it die."""

    def __init__(self, settings: Settings, inbox: Inbox) -> None:
        self._settings = settings
        self._inbox = inbox
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self.last_error: str | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="lineside-flushing", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the process finish the batch at hand; what waits is moved by the next one."""
        self._stop.set()
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._something_waits():
                self._stop.wait(self._settings.flush_seconds)
                continue
            self._follow()
            self._stop.wait(_RESTART_SECONDS)

    def _something_waits(self) -> bool:
        try:
            return self._inbox.count() > 0
        except LinesideError as error:
            self.last_error = _at_now(error.message)
            return False

    def _follow(self) -> None:
        """Run the process to its end, and keep what it says of errors."""
        process = subprocess.Popen(  # noqa: S603 # our own program
            [sys.executable, "-m", "lineside", *COMMAND],
            env=_FEW_ARENAS | os.environ | self._settings.environment(),
            stdin=subprocess.PIPE,  # it ends when this closes, also where we were killed
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process = process
        if self._stop.is_set() and process.stdin is not None:
            process.stdin.close()
        for line in process.stdout or ():
            said = json.loads(line)
            self.last_error = _at_now(said["error"]) if said.get("error") else None
        code = process.wait(_STOP_SECONDS)
        self._process = None
        if code and not self._stop.is_set():
            self.last_error = _at_now(f"The flushing process ended with {code} and is started anew")


def _at_now(text: str) -> str:
    return f"{text} ({time.strftime('%H:%M:%S')})"
