"""Reads the files that cases lie in as plain entries, whatever the file's format."""

import codecs
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from lineside.core import Invalid, Unavailable
from lineside.evals.datasets import queries

SUFFIXES = (".jsonl", ".ndjson", ".json", ".yaml", ".yml", ".csv", ".parquet", ".arrow")

_TABLES = (".csv", ".parquet", ".arrow")
_CELL_CHARACTERS_MAX = 10_000_000


class FileEntry(NamedTuple):
    """One entry of a file.

    Attributes:
        value: As the file has it; fields by name where it can be a case.
        split: The part of the dataset that its file belongs to, where the file says so.
    """

    value: Any
    split: str | None = None


def refuse_large(
    name: str,
    size_bytes: int,
    bytes_max: int,
    *,
    code: str = "dataset_too_large",
    hint: str = "Split it, or raise LINESIDE_DATASET_BYTES_MAX to the bytes you allow.",
) -> None:
    """Refuse a file before it is read, where it is larger than allowed."""
    if size_bytes > bytes_max:
        raise Invalid(
            code,
            f"`{name}` has {_in_words(size_bytes)}, the limit is {_in_words(bytes_max)}",
            hint=hint,
        )


def parse_file(file: Path) -> Any:
    """All that a file holds: a list of entries, or an object that holds them somewhere.

    Raises:
        Invalid: It cannot be read.
        Unavailable: It is an Arrow file, and pyarrow is not installed.
    """
    suffix = file.suffix.lower()
    try:
        if suffix in _TABLES:
            return [_plain(row) for row in _table_rows(file, suffix)]
        content = file.read_bytes()
        if suffix in (".yaml", ".yml"):
            return yaml.safe_load(content)
        return _json(content) if suffix == ".json" else _lines(content)
    except (OSError, ValueError, yaml.YAMLError, RecursionError, csv.Error) as error:
        raise Invalid(
            "dataset_format",
            f"`{file.name}` cannot be read: {' '.join(str(error).split())[:200]}",
            hint="Expected JSON, JSON lines, YAML or CSV in UTF-8, Parquet, or Arrow.",
        ) from error


def _in_words(size_bytes: int) -> str:
    if size_bytes < 1024 * 1024:
        return f"{size_bytes:,} bytes"
    return f"{size_bytes / 1024 / 1024:.1f} MB"


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError:
        # Some name a file of JSON lines `.json`; an error then tells what is wrong with a line.
        return _lines(content)


def _lines(content: bytes) -> list[Any]:
    # Not splitlines: it would also split within a text that holds an old separator.
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return [orjson.loads(line) for line in lines if line.strip()]


def _table_rows(file: Path, suffix: str) -> Iterable[dict[str, Any]]:
    if suffix == ".csv":
        return _csv_rows(file)
    return queries.parquet_rows(file) if suffix == ".parquet" else _arrow_rows(file)


def _csv_rows(file: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_CELL_CHARACTERS_MAX)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, strict=True)
        for row in rows:
            if None in row:
                raise ValueError(f"line {rows.line_num} has more cells than the header")
            yield {name: cell for name, cell in row.items() if cell and cell.strip()}


def _arrow_rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise Unavailable(
            "arrow_missing",
            f"`{file.name}` is an Arrow file, and the package `pyarrow` is not installed",
            hint="Install `lineside[dataframes]`, or save the dataset as Parquet.",
        ) from error
    with pyarrow.memory_map(str(file)) as source:
        for batch in pyarrow.ipc.open_stream(source):
            yield from batch.to_pylist()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table as JSON has it; a cell that spells a list or an object is one."""
    found = orjson.loads(orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS))
    return {name: _spelled(value) for name, value in found.items()}


def _spelled(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
