"""A file under import: unpacked, opened entry by entry, never held whole."""

import codecs
import csv
import gzip
import io
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from lineside.traces.conventions.received import RawSpan
from lineside.traces.importers.said import Found
from lineside.traces.otlp import NotASpan, Read, Refusal

ENTRY_BYTES_MAX = 32 * 1024 * 1024
"""Of one line, or of one element of a long list; a longer one is refused."""

_PIECE_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)
# Members of a long document that are worth reading one element at a time.
_LISTS = {"samples", "resourceSpans", "resource_spans", "data", "traces", "observations", "spans"}


class Entry(NamedTuple):
    """One object of a file and where it stands, such as `line 12`."""

    place: str
    value: dict[str, Any]


class ExportFile:
    """A file that was exported elsewhere, compressed by gzip or not.

    Attributes:
        share: How much of it has been read, 0 to 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.share = 0.0
        self._bytes = max(path.stat().st_size, 1)

    @property
    def modified_ns(self) -> int:
        """When it was last written, in nanoseconds since 1970."""
        return self.path.stat().st_mtime_ns

    def head(self, size: int) -> bytes:
        """The first bytes, unpacked; fewer where the file is shorter or damaged."""
        with self.open() as stream:
            try:
                return stream.read(size)
            except _BROKEN:
                return b""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes, unpacked."""
        with self.path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP
            raw.seek(0)
            self._tell = raw.tell
            stream: IO[bytes] = raw
            if is_packed:
                stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
            yield stream

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """A path that can be read from any place of it, as archives and Parquet must be."""
        with self.path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP
        if not is_packed:
            yield self.path
            return
        with tempfile.NamedTemporaryFile() as whole:
            with self.open() as stream:
                shutil.copyfileobj(stream, whole)
            whole.flush()
            yield Path(whole.name)

    def entries(self) -> Iterator[Entry | Refusal]:
        """The objects of a JSON file: of each line, of a list, or the document as a whole.

        Of a document that is too long to be held, each element of its long list stands for itself:
        `{"a": 1, "samples": [x, y]}` is read as one object with `x` and one with `y`.
        """
        with self.open() as stream:
            try:
                for entry in _entries(stream):
                    self.share = min(self._tell() / self._bytes, 1.0)
                    yield entry
            except _BROKEN:
                yield Refusal("the file is damaged or cut short from there on", "the rest of it")

    def rows(self) -> Iterator[Entry | Refusal]:
        """The rows of a CSV file, each cell as its text."""
        # The limit is the process's, and by default too low for a conversation in one cell.
        csv.field_size_limit(ENTRY_BYTES_MAX)
        with self.open() as stream:
            text = io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="")
            table = csv.DictReader(text)
            try:
                for row in table:
                    self.share = min(self._tell() / self._bytes, 1.0)
                    cells = {name: cell for name, cell in row.items() if isinstance(name, str)}
                    yield Entry(f"line {table.line_num:,}", cells)
            except (csv.Error, *_BROKEN) as error:
                yield Refusal(f"the table cannot be read from there on ({error})", "the rest of it")

    def read(self, spans_of: Callable[[dict[str, Any]], Found]) -> Found:
        """What every entry holds; what makes no sense costs its own entry and no other."""
        for entry in self.entries():
            if isinstance(entry, Refusal):
                yield entry
                continue
            try:
                yield from spans_of(entry.value)
            except NotASpan as error:
                yield Refusal(str(error), entry.place)
            except Exception as error:  # noqa: BLE001 # one strange entry must not cost the others
                yield Refusal(f"it could not be read ({type(error).__name__})", entry.place)


def each(items: Any, read: Callable[[Any], RawSpan]) -> Read:
    """A span of every item, or why it is none."""
    for item in items:
        try:
            yield read(item)
        except NotASpan as error:
            yield Refusal(str(error), _label(item))


def _label(item: Any) -> str:
    if not isinstance(item, dict):
        return repr(item)[:80]
    context = item.get("context")
    inner = context.get("span_id") if isinstance(context, dict) else None
    ids = (item.get(name) for name in ("id", "span_id", "context.span_id", "uuid"))
    found = next((one for one in (*ids, inner) if one), "no id")
    return f"`{str(item.get('name') or '')[:80]}` ({str(found)[:40]})"


def _entries(stream: IO[bytes]) -> Iterator[Entry | Refusal]:
    head = _line(stream)
    if head is None:
        return
    if _is_json(head):
        yield from _of_line(head, 1)
        yield from _lines(stream, 2)
        return
    second = _line(stream)
    if second is not None and second.lstrip().startswith(b"{") and _is_json(second):
        yield from _of_line(head, 1)
        yield from _of_line(second, 2)
        yield from _lines(stream, 3)
        return
    start = head + (second or b"")
    body = start + stream.read(max(ENTRY_BYTES_MAX + 1 - len(start), 0))
    if len(body) <= ENTRY_BYTES_MAX and _is_json(body):
        yield from _objects(loads(body), "the document")
    else:
        yield from _Window(body, stream).objects()


def _line(stream: IO[bytes]) -> bytes | None:
    """The next line that is not blank."""
    while line := stream.readline(ENTRY_BYTES_MAX):
        line = line.removeprefix(_BOM)
        if line.strip():
            return line
    return None


def _lines(stream: IO[bytes], number: int) -> Iterator[Entry | Refusal]:
    while line := stream.readline(ENTRY_BYTES_MAX):
        is_long = len(line) == ENTRY_BYTES_MAX and not line.endswith(b"\n")
        if is_long:
            while rest := stream.readline(ENTRY_BYTES_MAX):
                if rest.endswith(b"\n"):
                    break
            yield Refusal(f"it is longer than {ENTRY_BYTES_MAX:,} bytes", f"line {number:,}")
        elif line.strip():
            yield from _of_line(line, number)
        number += 1


def _of_line(line: bytes, number: int) -> Iterator[Entry | Refusal]:
    place = f"line {number:,}"
    try:
        value = loads(line)
    except ValueError:
        yield Refusal("it is not JSON", place)
        return
    yield from _objects(value, place)


def _objects(value: Any, place: str) -> Iterator[Entry | Refusal]:
    items = value if isinstance(value, list) else [value]
    for number, item in enumerate(items, start=1):
        where = place if value is item else f"entry {number:,} of {place}"
        if isinstance(item, dict):
            yield Entry(where, item)
        else:
            yield Refusal(f"it is {type(item).__name__}, expected an object", where)


def loads(text: bytes) -> Any:
    """JSON, also with the NaN that Python writes and with broken UTF-8.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Python writes NaN where JSON has no word for it, and old exports hold broken UTF-8.
        try:
            return json.loads(text.decode("utf-8", "replace"))
        except RecursionError as error:
            raise ValueError("it nests too deeply") from error


def _is_json(text: bytes) -> bool:
    try:
        loads(text)
    except ValueError:
        return False
    return True


class _Window:
    """The part of a long JSON text that is being read; what was read is let go."""

    def __init__(self, start: bytes, stream: IO[bytes]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = self._decoder.decode(start.removeprefix(_BOM))
        self._at = 0
        self._stream = stream
        self._scan = json.JSONDecoder().raw_decode

    def objects(self) -> Iterator[Entry | Refusal]:
        count = 0
        try:
            for item in self._list() if self._next() == "[" else self._members():
                count += 1
                yield from _objects(item, f"entry {count:,}")
        except (ValueError, RecursionError) as error:
            why = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
            yield Refusal(f"it is not JSON: {why.partition(':')[0]}", f"all after entry {count:,}")

    def _list(self) -> Iterator[Any]:
        self._take("[")
        while self._next() != "]":
            yield self._value()
            if self._next() != "]":
                self._take(",")
        self._take("]")

    def _members(self) -> Iterator[Any]:
        head: dict[str, Any] = {}
        is_opened = False
        self._take("{")
        while self._next() != "}":
            name = self._value()
            self._take(":")
            if name in _LISTS and self._next() == "[":
                is_opened = True
                for item in self._list():
                    yield head | {name: [item]}
            else:
                head[name] = self._value()
            if self._next() != "}":
                self._take(",")
        if not is_opened:
            yield head

    def _next(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                raise ValueError("it is cut short")

    def _take(self, sign: str) -> None:
        found = self._next()
        if found != sign:
            raise ValueError(f"`{found}` stands where `{sign}` is expected")
        self._at += 1

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except ValueError:
                if len(self._text) - self._at > ENTRY_BYTES_MAX:
                    raise ValueError("one entry is too long, or not JSON") from None
                if not self._grow():
                    raise
                continue
            if end == len(self._text) and self._grow():
                continue  # a number may go on in the next piece
            self._at = end
            return value

    def _grow(self) -> bool:
        # As much again each time, so that a long value is not tried a thousand times over.
        rest = self._text[self._at :]
        piece = self._stream.read(max(_PIECE_BYTES, len(rest)))
        self._text, self._at = rest + self._decoder.decode(piece, final=not piece), 0
        return bool(piece)
