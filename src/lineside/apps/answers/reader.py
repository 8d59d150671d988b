"""Sources read in a process of their own, which is ended where one takes too long or too much."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import orjson

from lineside.apps.answers import sections
from lineside.core import Invalid

SECONDS_MAX = 300.0
"""For one source."""

MEMORY_BYTES_MAX = 2 * 1024**3
"""Of the process that reads."""


class SourceReader:
    """Reads sources one after another, as `read_sections` does, each within limits.

    Use it in a `with` block, at whose end its process ends too. A source that ends the process does
    not keep it from reading the next.

    Args:
        seconds_max: For one source.
        memory_bytes_max: Of the process; holds on Linux.
    """

    def __init__(
        self, *, seconds_max: float = SECONDS_MAX, memory_bytes_max: int = MEMORY_BYTES_MAX
    ) -> None:
        self._seconds_max = seconds_max
        self._memory_bytes_max = memory_bytes_max
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def read(self, path: str, content: bytes) -> list[sections.Section]:
        """Read one source.

        Raises:
            Invalid: As of `read_sections`, or it took too long, or ended the process.
        """
        process = self._started()
        clock = threading.Timer(self._seconds_max, process.kill)
        clock.daemon = True
        deadline = time.monotonic() + self._seconds_max
        clock.start()
        try:
            line = _asked(process, path, content)
        finally:
            clock.cancel()
        if not line.endswith(b"\n"):
            self._end()
            why = f"it ended the process that read it (status {process.returncode})"
            if time.monotonic() >= deadline:
                why = f"it takes longer than {self._seconds_max:g} s"
            raise sections.unreadable(path, why, "Split it, or save it again.")
        answer = orjson.loads(line)
        if "sections" not in answer:
            raise Invalid(answer["code"], answer["message"], hint=answer["hint"])
        return [sections.Section(*row) for row in answer["sections"]]

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            # A file and not a module, because the room's other files take seconds to import.
            program = [sys.executable, "-I", str(Path(sections.__file__))]
            self._process = subprocess.Popen(  # noqa: S603 # our own program
                [*program, str(self._memory_bytes_max)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _asked(process: "subprocess.Popen[bytes]", path: str, content: bytes) -> bytes:
    """The line that answers, or less where the process ended before."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        stdin.write(orjson.dumps([path, len(content)]) + b"\n")
        stdin.write(content)
        stdin.flush()
    except BrokenPipeError:
        return b""
    return stdout.readline()
