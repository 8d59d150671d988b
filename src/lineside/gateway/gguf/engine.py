"""A process of its own for each model: what crashes in it, or leaks, does not reach the gateway."""

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import urllib.request
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import IO

from lineside.core import Invalid, Unavailable
from lineside.gateway.output import shorten

LOAD_SECONDS_MAX = 300.0
_PROGRAM = Path(__file__).with_name("serving.py")
_STOP_SECONDS = 5.0
_LINES_KEPT = 40
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineSetup:
    """What one process holds; calls that agree on it share the process.

    Attributes:
        context_tokens: Question and answer together; memory grows with it.
        threads: Cores it may use while it answers.
    """

    path: Path
    context_tokens: int
    threads: int


@dataclass(frozen=True)
class Running:
    """A process that has its model in memory.

    Attributes:
        address: Of its HTTP server on loopback, which takes no call without the key.
        takes_tools: Whether the model's chat template has words for tools; without them a model
            would be asked as if none had been offered.
    """

    address: str
    key: str
    takes_tools: bool
    process: subprocess.Popen[bytes]

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def memory_bytes(self) -> int | None:
        """Memory it has in use, the weights included; nothing where the system does not say."""
        with suppress(OSError, ValueError, IndexError):
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        return None


def check_installed() -> None:
    """Raise `Unavailable` where the extra is missing, without importing it."""
    if find_spec("xllamacpp") is None:
        raise Unavailable(
            "gguf_missing",
            "Models of the kind `gguf` need the package `xllamacpp`, which is not here",
            hint="Install `lineside[gguf]`, or name another model.",
        )


class Engine:
    """One model, loaded when it is first asked and loaded anew when its process has ended.

    Safe to use from any thread.
    """

    def __init__(self, setup: EngineSetup) -> None:
        self.setup = setup
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._users = 0

    @property
    def running(self) -> Running | None:
        """The process, if there is one that can be asked now."""
        running = self._running
        return running if running is not None and running.is_alive else None

    def start(self) -> Running:
        """Load the model, or give the process that has it; blocks while it loads.

        Raises:
            Unavailable: The extra is missing.
            Invalid: The file cannot be loaded; says what the loader said.
        """
        with self._lock:
            running = self.running
            if running is None:
                check_installed()
                running = self._running = _start(self.setup)
            return running

    def leave(self) -> None:
        """Count one user less; the process ends with the last one."""
        with _LOCK:
            self._users -= 1
            if self._users > 0:
                return
            if _ENGINES.get(self.setup) is self:
                del _ENGINES[self.setup]
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            _stop(running.process)


_LOCK = threading.Lock()
_ENGINES: dict[EngineSetup, Engine] = {}


def engine_for(setup: EngineSetup) -> Engine:
    """The engine of a setup, one for the whole process; its user must `leave` it."""
    with _LOCK:
        engine = _ENGINES.get(setup) or Engine(setup)
        engine._users += 1
        _ENGINES[setup] = engine
        return engine


def _start(setup: EngineSetup) -> Running:
    began, key = monotonic(), secrets.token_urlsafe(32)
    # Threads that spin while they wait starve everything else on the same cores.
    environment = {"GOMP_SPINCOUNT": "0", **os.environ}
    process = subprocess.Popen(  # noqa: S603 # our own program, nothing of a caller's in it
        [sys.executable, "-P", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # what ends the server in a terminal must not cut answers off
    )
    told: deque[str] = deque(maxlen=_LINES_KEPT)
    drain = threading.Thread(target=_drain, args=(process.stderr, told), daemon=True)
    drain.start()
    asked = {
        "path": str(setup.path),
        "name": setup.path.stem,
        "context_tokens": setup.context_tokens,
        "threads": setup.threads,
        "key": key,
    }
    assert process.stdin is not None  # noqa: S101 # asked for above
    assert process.stdout is not None  # noqa: S101 # as above
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
    alarm = threading.Timer(LOAD_SECONDS_MAX, process.kill)
    alarm.daemon = True
    alarm.start()
    address = _address(process.stdout)
    alarm.cancel()
    if address is None:
        _stop(process)
        drain.join(_STOP_SECONDS)
        raise _not_loaded(setup, told, monotonic() - began)
    threading.Thread(target=_drain, args=(process.stdout, told), daemon=True).start()
    running = Running(address, key, _takes_tools(address, key), process)
    _log.warning(  # what most loggers show; it happens once for a model
        "Model `%s` is loaded: %.0f MB, %.1f s, %d threads",
        setup.path.name,
        (running.memory_bytes or 0) / 1e6,
        monotonic() - began,
        setup.threads,
    )
    return running


def _address(stdout: IO[bytes]) -> str | None:
    """What the process says once its model is loaded; nothing where it ends before."""
    for line in stdout:
        if line.startswith(b'{"address"'):
            return str(json.loads(line)["address"])
    return None


def _takes_tools(address: str, key: str) -> bool:
    asked = urllib.request.Request(  # noqa: S310 # our own process on loopback
        f"{address}/props", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked, timeout=_STOP_SECONDS) as reply:  # noqa: S310 # as above
        said = json.load(reply).get("chat_template_caps", {})
    return bool(said.get("supports_tools") and said.get("supports_tool_calls", True))


def _drain(stream: IO[bytes], told: deque[str]) -> None:
    for line in stream:
        told.append(line.decode(errors="replace").rstrip())


def _not_loaded(setup: EngineSetup, told: deque[str], seconds: float) -> Invalid:
    faults = [line for line in told if "error" in line.lower() or "failed" in line.lower()]
    said = "; ".join(dict.fromkeys(faults or list(told)[-3:])) or "it said nothing"
    if seconds >= LOAD_SECONDS_MAX:
        said = f"it was not ready after {LOAD_SECONDS_MAX:.0f} s"
    return Invalid(
        "weights_broken",
        f"`{setup.path.name}` could not be loaded: {shorten(said, 600)}",
        hint="Fetch the file again and compare its checksum; see that there is memory for it.",
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_SECONDS)
