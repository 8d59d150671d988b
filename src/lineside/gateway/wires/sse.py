"""Server-sent events: reading them off a connection in whatever pieces it gives, and writing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from lineside.core import Unavailable
from lineside.gateway.output import shorten

_EVENT_BYTES_MAX = 16 * 1024 * 1024
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class SseEvent:
    """One event; the name is empty where the stream gives none."""

    name: str
    data: str

    def read(self) -> dict[str, Any]:
        """The data as a JSON object.

        Raises:
            Unavailable: It is none.
        """
        try:
            raw = orjson.loads(self.data)
        except orjson.JSONDecodeError as error:
            raise malformed(f"an event is no JSON: {error}", said=self.data) from None
        if not isinstance(raw, dict):
            raise malformed("an event is no object", said=self.data)
        return raw


class SseReader:
    """Puts events together from pieces that may end anywhere, within a character too."""

    def __init__(self) -> None:
        self._waiting = b""
        self._name = ""
        self._lines: list[str] = []
        self._bytes = 0

    def feed(self, piece: bytes) -> Iterator[SseEvent]:
        """Take in a piece; give the events that it completes, those before a broken line too.

        Raises:
            Unavailable: A line is no UTF-8, or an event does not end.
        """
        self._waiting += piece
        # The other half of a line end may come with the next piece.
        end = len(self._waiting) - (1 if self._waiting.endswith(b"\r") else 0)
        start = 0
        for match in _LINE_END.finditer(self._waiting, 0, end):
            event = self._line(self._waiting[start : match.start()])
            start = match.end()
            if event is not None:
                yield event
        self._waiting = self._waiting[start:]
        if len(self._waiting) + self._bytes > _EVENT_BYTES_MAX:
            raise malformed(f"an event is larger than {_EVENT_BYTES_MAX} bytes")

    def end(self) -> list[SseEvent]:
        """The connection ended: what is complete but for its last empty line still counts.

        Raises:
            Unavailable: It ended within a line.
        """
        last = self._waiting.rstrip(b"\r\n")
        self._waiting = b""
        if last and not last.startswith((b"data:", b"event:", b"id:", b":")):
            raise malformed("it ends within a line", said=last.decode(errors="replace"))
        found = [self._line(last) if last else None, self._line(b"")]
        return [event for event in found if event is not None]

    def _line(self, line: bytes) -> SseEvent | None:
        if not line:
            event = SseEvent(self._name, "\n".join(self._lines)) if self._lines else None
            self._name, self._lines, self._bytes = "", [], 0
            return event
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise malformed(f"a line is no UTF-8: {error.reason}") from None
        name, _, value = text.partition(":")
        name, value = name.strip(), value.removeprefix(" ")
        if name == "data":
            self._lines.append(value)
            self._bytes += len(line)
        elif name == "event":
            self._name = value
        elif name not in ("", "id", "retry"):
            raise malformed("a line is no field", said=text)
        return None


def write_event(data: object, name: str = "") -> bytes:
    """One event with JSON in it."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"


def malformed(why: str, *, said: str = "") -> Unavailable:
    """A stream that cannot be read on; what it said there may be words of an answer."""
    error = Unavailable(
        "stream_malformed",
        f"The model's stream cannot be read: {why}",
        hint="Ask again; if it stays, the endpoint does not speak this wire.",
    )
    error.quotes = (said,) if said else ()
    return error


def failed(error: object) -> Unavailable:
    """What a provider says of itself in the middle of a stream."""
    words = error.get("message") if isinstance(error, dict) else None
    return Unavailable(
        "stream_failed",
        f"The model failed in mid-answer: {shorten(str(words or error))}",
        hint="Ask again; what came so far is not the whole answer.",
    )


def cut_off() -> Unavailable:
    """A stream whose end never came."""
    return Unavailable(
        "stream_cut_off",
        "The model's stream ended before its answer did",
        hint="Ask again; what came so far is not the whole answer.",
    )
