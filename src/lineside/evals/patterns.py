"""Regular expressions with a time limit.

Some patterns take years on some texts, and Python cannot stop a match it has begun. Each match is
therefore made by a small process of its own kind, which is ended when it takes too long.
"""

import atexit
import re
import select
import subprocess
import sys
import threading
from typing import IO, Any, cast

import orjson

from lineside.core import Invalid

SECONDS_MAX = 1.0
TEXT_MAX = 100_000

_PROGRAM = """
import json, re, sys
for line in sys.stdin.buffer:
    pattern, flags, text = json.loads(line)
    found = re.search(pattern, text, flags)
    answer = None if found is None else found.group(0)[:200]
    sys.stdout.buffer.write(json.dumps([found is not None, answer]).encode() + b"\\n")
    sys.stdout.buffer.flush()
"""


def check_pattern(pattern: str, *, name: str) -> None:
    """Refuse a pattern that cannot be read, naming the scorer it belongs to."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise Invalid(
            "bad_pattern",
            f"The pattern of scorer `{name}` cannot be read: {error}: `{pattern[:80]}`",
            hint="Python's regular expressions are spoken here.",
        ) from None


class Matcher:
    """Searches texts for patterns, one search at a time, none longer than `SECONDS_MAX`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def search(self, pattern: str, text: str, *, flags: int = 0) -> str | None:
        """Return the part of the text that matched, shortened, or nothing.

        Raises:
            Invalid: `text_too_long`, or `pattern_too_slow` when the time was up.
        """
        if len(text) > TEXT_MAX:
            raise Invalid(
                "text_too_long", f"The text has {len(text):,} characters, the limit is {TEXT_MAX:,}"
            )
        with self._lock:
            process = self._started()
            stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            stdin.write(orjson.dumps([pattern, flags, text]) + b"\n")
            stdin.flush()
            waiting = select.poll()
            waiting.register(stdout, select.POLLIN)
            if not waiting.poll(SECONDS_MAX * 1000):
                self._end()
                raise Invalid(
                    "pattern_too_slow",
                    f"The pattern `{pattern[:80]}` took longer than {SECONDS_MAX:.0f} s "
                    f"on a text of {len(text):,} characters",
                    hint="Avoid repeats inside repeats, such as `(a+)+`.",
                )
            answer: Any = orjson.loads(stdout.readline())
        return answer[1] if answer[0] else None

    def close(self) -> None:
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 # our own program, fixed above
                [sys.executable, "-I", "-S", "-c", _PROGRAM],
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


matcher = Matcher()
atexit.register(matcher.close)
