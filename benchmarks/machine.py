"""Starts programs, watches what they cost, and stops them again by their process id."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LINESIDE = str(Path(sys.executable).parent / "lineside")
EXAMPLE = Path(__file__).parents[1] / "examples" / "support-triage"

_POLL_SECONDS = 0.01
_STOP_SECONDS = 15


@dataclass(frozen=True)
class Finished:
    """A program that ended, with what it took.

    Attributes:
        cpu_seconds: Of the program and everything it waited for.
        peak_mb: Largest resident memory of one of its processes, in MiB. The kernel counts from
            the parent's size on, so the parent must stay small.
    """

    code: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str
    errors: str


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    codes: Sequence[int] = (0,),
) -> Finished:
    """Run a program to its end and measure it; one that ends otherwise than wanted is an error."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env=_whole(environment), cwd=folder
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode not in codes:
        said = "\n".join(texts)[-2000:]
        raise SystemExit(f"`{' '.join(command)}` ended with {process.returncode}:\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    return Finished(process.returncode, seconds, cpu, usage.ru_maxrss / 1024, *texts)


class Server:
    """A program that serves on a loopback port until it is stopped."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self._started = time.perf_counter()
        self.port = port

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for_page(self, path: str = "/", *, seconds_max: float = 120) -> float:
        """Ask for a page until it comes with status 200; return the seconds since the start."""
        while time.perf_counter() - self._started < seconds_max:
            if self._process.poll() is not None:
                break
            if self._status(path) == 200:
                return time.perf_counter() - self._started
            time.sleep(_POLL_SECONDS)
        raise SystemExit(f"No page on port {self.port}:\n{self._log.read_text()[-2000:]}")

    def memory_mb(self) -> float:
        """Resident memory of the program and all its descendants, in MiB."""
        return sum(_status_kb(pid, "VmRSS") for pid in tree(self.pid)) / 1024

    def own_memory_mb(self) -> float:
        """Resident memory of the program without its descendants, in MiB."""
        return _status_kb(self.pid, "VmRSS") / 1024

    def peak_mb(self) -> float:
        """Sum of the largest resident memory each living process of the program had, in MiB."""
        return sum(_status_kb(pid, "VmHWM") for pid in tree(self.pid)) / 1024

    def cpu_seconds(self) -> float:
        """CPU the program and its living descendants have used."""
        ticks = 0
        for pid in tree(self.pid):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it without a warning, as a power cut to the process would."""
        self._stop(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, wait, and end by force whatever of it is still there."""
        descendants = tree(self.pid)
        self._stop(signal.SIGTERM)
        for pid in descendants:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _stop(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@contextmanager
def serving(
    command: Sequence[str],
    *,
    port: int,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[Server]:
    """Start a server and stop it at the end, whatever happened in between."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_whole(environment),
            cwd=folder,
        )
        server = Server(process, port, Path(log.name))
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def line_environment(home: Path, port: int | None = None) -> dict[str, str]:
    """Environment of a command line at work on a state folder of its own."""
    values = {"LINESIDE_HOME": str(home), "LINESIDE_USER": "benchmark"}
    return values | ({"LINESIDE_PORT": str(port)} if port else {})


def tree(pid: int) -> list[int]:
    """A process and its descendants that live now."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _whole(environment: Mapping[str, str] | None) -> dict[str, str]:
    # Neither settings of the person who measures, nor a shell in which Python compiles everything
    # anew each time, may reach what is measured.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LINESIDE_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | dict(environment or {})


def _status_kb(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
