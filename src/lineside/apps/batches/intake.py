"""Takes the rows of a file into the store, some at a time, so that the file is not needed again."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson
import zstandard

from lineside.apps.batches import queries
from lineside.apps.batches.rows import RawRow, open_rows
from lineside.core import Conflict, Invalid
from lineside.store import Store

_CHUNK_ROWS = 1_000
_CHUNK_BYTES = 4 * 1024 * 1024
_COLUMNS_MAX = 2_000


class TakenRows(NamedTuple):
    """What was taken in.

    Attributes:
        digest: Of all rows in their order: the same rows, the same digest.
        columns: In the order of the file; of JSON lines as they were first met.
        chunks: Rows for `batch_chunks`, without the batch.
    """

    digest: str
    columns: list[str]
    rows: int
    chunks: list[queries.Row]


def take_rows(
    store: Store,
    path: Path,
    name: str,
    *,
    limit: int | None,
    check: Callable[[list[str]], None],
    told: Callable[[int], None],
) -> TakenRows:
    """Read a file to its end or to a limit of rows.

    Args:
        check: Gets the columns as soon as they are known, to refuse the file before it is read.
        told: Gets the number of rows that were read so far, again and again.

    Raises:
        Invalid: It cannot be read, or has no rows.
        Conflict: It was changed while it was read.
    """
    found: list[queries.Row] = []
    try:
        return _taken(store, path, name, found, limit=limit, check=check, told=told)
    except BaseException:
        with store.records.read() as connection:
            unused = queries.unused_digests(connection, {one["digest"] for one in found})
        store.payloads.remove(unused)
        raise


def _taken(
    store: Store,
    path: Path,
    name: str,
    found: list[queries.Row],
    *,
    limit: int | None,
    check: Callable[[list[str]], None],
    told: Callable[[int], None],
) -> TakenRows:
    before = path.stat()
    packed, digest = zstandard.ZstdCompressor(level=3), hashlib.sha256()
    total = 0
    with open_rows(path, name) as file:
        columns = dict.fromkeys(file.columns)
        if columns:
            check(list(columns))
        for content, rows in _chunks(file.rows, limit, columns):
            if not found and not file.columns:
                check(list(columns))
            digest.update(content)
            kept = store.payloads.put(packed.compress(content))
            found.append({"number": len(found), "first_row": total, "rows": rows, "digest": kept})
            total += rows
            told(total)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Conflict(
            "batch_file_changed",
            f"`{name}` was changed while it was read",
            hint="Start again once nobody writes to it.",
        )
    if not total:
        raise Invalid("batch_empty", f"`{name}` has no rows", hint="Give a file with rows.")
    return TakenRows(digest.hexdigest(), list(columns), total, found)


def chunk_rows(store: Store, digest: str) -> list[RawRow]:
    """The rows of one chunk as they were taken in."""
    content = zstandard.ZstdDecompressor().decompress(store.payloads.get(digest))
    found = []
    for line in content.splitlines():
        at, values, problem = orjson.loads(line)
        found.append(RawRow(at, values, tuple(problem) if problem else None))
    return found


def _chunks(
    rows: Iterator[RawRow], limit: int | None, columns: dict[str, None]
) -> Iterator[tuple[bytes, int]]:
    lines: list[bytes] = []
    size = 0
    for row in islice(rows, limit):
        if len(columns) < _COLUMNS_MAX:
            columns.update(dict.fromkeys(row.values))
        line = orjson.dumps([row.line, row.values, row.problem], default=str) + b"\n"
        lines.append(line)
        size += len(line)
        if len(lines) == _CHUNK_ROWS or size > _CHUNK_BYTES:
            yield b"".join(lines), len(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines), len(lines)
