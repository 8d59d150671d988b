"""Reads the rows of a file one after the other: CSV, JSON lines or Parquet, however long it is."""

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import orjson

from lineside.core import Invalid
from lineside.evals import reading
from lineside.gateway import shorten, show
from lineside.store import parquet

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".parquet")
ROW_BYTES_MAX = 1024 * 1024
"""Of one row; a longer one fails, and the others go on."""

Problem = tuple[str, str]
"""Why a row cannot be asked: a code and a sentence."""


class RawRow(NamedTuple):
    """One row as the file has it.

    Attributes:
        line: Where it begins in the file, from 1; of Parquet the row's number.
        values: By column; a cell of CSV is text, and an empty one is left out.
        problem: Why it cannot be read.
    """

    line: int
    values: dict[str, Any]
    problem: Problem | None = None


class RowFile(NamedTuple):
    """A file that is open for reading.

    Attributes:
        columns: As the file says them; of JSON lines nothing, where each row may have others.
    """

    columns: list[str]
    rows: Iterator[RawRow]


@contextmanager
def open_rows(path: Path, name: str) -> Iterator[RowFile]:
    """Open a file; its rows are read as they are asked for, and no more than one is held.

    Args:
        name: The file's name as the person knows it; its ending says the format.

    Raises:
        Invalid: The ending is another, it is empty, or its columns cannot be read.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise Invalid(
            "batch_format",
            f"`{name}` ends with `{suffix}`, expected {', '.join(SUFFIXES)}",
            hint="Save it as CSV, JSON lines or Parquet.",
        )
    if path.stat().st_size == 0:
        raise Invalid("batch_empty", f"`{name}` is empty", hint="Give a file with rows.")
    if suffix == ".parquet":
        columns = parquet.columns_of(path)
        numbered = enumerate(parquet.rows_of(path), start=1)
        yield RowFile(columns, (RawRow(at, _said(row)) for at, (row, _) in numbered))
        return
    with path.open("rb") as file:
        if suffix == ".csv":
            lines = _Lines(file)
            rows = csv.reader(lines, strict=True)
            columns = _header(name, lines, rows)
            yield RowFile(columns, _csv_rows(lines, rows, columns))
        else:
            yield RowFile([], _json_rows(_Lines(file)))


class _TooLong(Exception):
    """A row goes on beyond what one may have."""


class _Lines:
    """Lines as text, counted, and never more of one than a row may have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.first = 0
        self.problem: Problem | None = None
        self._resume_at = 0
        self._taken = 0

    def begin_row(self) -> None:
        """The next line begins a row."""
        self.first, self.problem, self._taken = self.number + 1, None, 0

    def go_back(self) -> None:
        """Go on behind the first line of the row at hand, which could not be read to its end."""
        self._file.seek(self._resume_at)
        self.number = self.first

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        raw = self.take()
        if raw is None:
            raise StopIteration
        text, wrong = reading.decoded(raw)
        if wrong and self.problem is None:
            self.problem = ("invalid:not_utf8", f"line {self.number:,}: {wrong}")
        return text

    def take(self) -> bytes | None:
        """The next line as it is; nothing at the end."""
        raw = self._file.readline(ROW_BYTES_MAX + 1)
        if not raw:
            return None
        self.number += 1
        self._taken += len(raw)
        if len(raw) > ROW_BYTES_MAX and not raw.endswith(b"\n"):
            while raw and not raw.endswith(b"\n"):
                raw = self._file.readline(ROW_BYTES_MAX)
            self._note_first()
            raise _TooLong
        self._note_first()
        if self._taken > ROW_BYTES_MAX:
            raise _TooLong
        return raw.removeprefix(codecs.BOM_UTF8) if self.number == 1 else raw

    def _note_first(self) -> None:
        if self.number == self.first:
            self._resume_at = self._file.tell()


def _header(name: str, lines: _Lines, rows: Any) -> list[str]:
    # It holds for the whole process, and others may be reading longer cells just now.
    csv.field_size_limit(max(csv.field_size_limit(), ROW_BYTES_MAX))
    lines.begin_row()
    try:
        columns = [cell.strip() for cell in next(rows, [])]
    except (csv.Error, _TooLong) as error:
        raise Invalid("batch_format", f"The first line of `{name}` is no header: {error}") from None
    if lines.problem is not None:
        raise Invalid("batch_format", f"`{name}`, {lines.problem[1]}", hint="Save it as UTF-8.")
    if not any(columns):
        raise Invalid(
            "batch_empty", f"`{name}` has no columns", hint="Name them in its first line."
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        said = ", ".join(f"`{shorten(column, 80)}`" for column in twice[:5])
        raise Invalid(
            "batch_columns",
            f"`{name}` has more than one column called {said}",
            hint="Rename one of each, so that it is clear which is meant.",
        )
    return columns


def _csv_rows(lines: _Lines, rows: Any, columns: list[str]) -> Iterator[RawRow]:
    while True:
        lines.begin_row()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield RawRow(lines.first, {}, ("invalid:not_csv", f"not CSV: {error}"))
            lines.go_back()
            continue
        except _TooLong:
            yield RawRow(lines.first, {}, _too_long(" or a quotation mark that is left open"))
            lines.go_back()
            continue
        if cells is None:
            return
        if not cells:
            continue
        problem = lines.problem
        if problem is None and len(cells) != len(columns):
            said = f"read {len(cells):,} cells, the header has {len(columns):,} columns"
            problem = ("invalid:cells", said)
        values = {name: cell for name, cell in zip(columns, cells, strict=False) if cell.strip()}
        yield RawRow(lines.first, values, problem)


def _json_rows(lines: _Lines) -> Iterator[RawRow]:
    while True:
        lines.begin_row()
        try:
            raw = lines.take()
        except _TooLong:
            yield RawRow(lines.first, {}, _too_long())
            continue
        if raw is None:
            return
        if not raw.strip():
            continue
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            _, wrong = reading.decoded(raw)
            code = "invalid:not_utf8" if wrong else "invalid:not_json"
            yield RawRow(lines.first, {}, (code, wrong or f"no JSON: {error}"))
            continue
        if isinstance(value, dict):
            yield RawRow(lines.first, value)
        else:
            said = f"read {show(value)}, expected one JSON object a line"
            yield RawRow(lines.first, {}, ("invalid:not_json", said))


def _too_long(more: str = "") -> Problem:
    said = f"the row has more than {ROW_BYTES_MAX:,} bytes, a cell that is too large{more}"
    return "invalid:row_too_large", said


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
