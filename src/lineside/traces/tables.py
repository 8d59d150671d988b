"""Traces as Arrow tables, for everything that takes a dataframe.

pyarrow is an extra: whoever never asks for a table does not need it.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import orjson

from lineside.core import Invalid, Record, Unavailable, did_you_mean
from lineside.traces import search
from lineside.traces.row import TraceRow
from lineside.traces.span import Span
from lineside.trust import Scope

if TYPE_CHECKING:
    import pyarrow as pa

TableLevel = Literal["span", "trace"]
"""What one row of a table is."""

ROWS_MAX = 1_000_000
_BATCH_ROWS_MAX = 2_000
_BATCH_CHARACTERS_MAX = 16_000_000
_RECORDS: dict[str, type[Record]] = {"span": Span, "trace": TraceRow}
_TEXT, _WHOLE, _FRACTION, _TRUTH, _MOMENT, _TEXTS, _JSON = (
    "text",
    "whole",
    "fraction",
    "truth",
    "moment",
    "texts",
    "json",
)
_KINDS: dict[Any, str] = {
    str: _TEXT,
    int: _WHOLE,
    float: _FRACTION,
    bool: _TRUTH,
    datetime: _MOMENT,
    tuple[str, ...]: _TEXTS,
}


def table_columns(level: TableLevel, wanted: Sequence[str] | None = None) -> dict[str, str]:
    """Columns of a table with their kinds, in their order; all of them unless some are wanted.

    The kind follows from the record's field alone and never from what stands in it, so a column
    has the same type in every table. Whatever is no text, number, moment or list of texts is JSON.

    Raises:
        Invalid: A wanted column does not exist.
    """
    all_of_them = {
        name: _kind(field.annotation) for name, field in _RECORDS[level].model_fields.items()
    }
    for name in wanted or ():
        if name not in all_of_them:
            near = did_you_mean(name, all_of_them)
            raise Invalid(
                "unknown_column",
                f"A table with one row per {level} has no column `{name[:60]}`",
                hint=f"Did you mean `{near}`?" if near else f"It has {', '.join(all_of_them)}.",
            )
    return {name: all_of_them[name] for name in wanted} if wanted else all_of_them


def read_table(
    scope: Scope,
    filters: search.Filters | None = None,
    *,
    level: TableLevel = "span",
    columns: Sequence[str] | None = None,
    limit: int = 10_000,
) -> "pa.RecordBatchReader":
    """The newest traces that the filters let through, or all their steps, as an Arrow table.

    It is made in batches while it is read. Rows stand in the order of `search.list_traces`, the
    steps of a trace together in the order they began.

    Args:
        limit: Rows, at most 1,000,000.

    Raises:
        Invalid: A column does not exist.
        Denied: The right `read` is missing, here or on the use case that is asked for.
        Unavailable: pyarrow is not installed.
    """
    pa = arrow()
    chosen = table_columns(level, columns)
    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in chosen.items()])
    limit = max(0, min(limit, ROWS_MAX))
    records = _steps(scope, filters, limit) if level == "span" else _traces(scope, filters, limit)
    batches = _batches(islice(records, limit), chosen, schema)
    # The first batch is made at once: what stands in its way is then an error and not a torn table.
    first = list(islice(batches, 1))
    return pa.RecordBatchReader.from_batches(schema, chain(first, batches))


def ipc_stream(reader: "pa.RecordBatchReader") -> Iterator[bytes]:
    """The same as an Arrow IPC stream, batch by batch, compressed."""
    pa = arrow()
    sink = _Sink()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, reader.schema, options=options) as writer:
        yield sink.taken()
        for batch in reader:
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


def arrow() -> Any:
    """The module `pyarrow`.

    Raises:
        Unavailable: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise Unavailable(
            "arrow_missing",
            "Tables need the package `pyarrow`, which is not installed",
            hint="Install `lineside[dataframes]`; a server that tables are read from needs it too.",
        ) from error
    return pyarrow


class _Sink:
    """Looks like a file to the writer, and is emptied after every batch."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def write(self, piece: Any) -> int:
        content = bytes(piece)
        self._pieces.append(content)
        self._at += len(content)
        return len(content)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _batches(
    records: Iterator[Record], columns: dict[str, str], schema: Any
) -> Iterator["pa.RecordBatch"]:
    pa = arrow()
    cells: list[list[Any]] = [[] for _ in columns]
    characters = 0
    for record in records:
        for column, (name, kind) in zip(cells, columns.items(), strict=True):
            cell = _CELLS[kind](getattr(record, name))
            characters += len(cell) if isinstance(cell, str) else 8
            column.append(cell)
        if len(cells[0]) >= _BATCH_ROWS_MAX or characters >= _BATCH_CHARACTERS_MAX:
            yield pa.record_batch(cells, schema=schema)
            cells, characters = [[] for _ in columns], 0
    if cells[0]:
        yield pa.record_batch(cells, schema=schema)


def _steps(scope: Scope, filters: search.Filters | None, limit: int) -> Iterator[Record]:
    return chain.from_iterable(search.spans_of(scope, filters, traces_max=limit))


def _traces(scope: Scope, filters: search.Filters | None, limit: int) -> Iterator[Record]:
    before = None
    while limit > 0:
        page = search.list_traces(
            scope, filters, limit=min(limit, search.PAGE_TRACES_MAX), before=before
        )
        yield from page.traces
        limit -= len(page.traces)
        before = page.older
        if before is None:
            return


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=vars).decode()


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _same(value: Any) -> Any:
    return value


_CELLS: dict[str, Callable[[Any], Any]] = {
    _TEXT: _same,
    _WHOLE: _same,
    _FRACTION: _same,
    _TRUTH: _same,
    _MOMENT: _moment,
    _TEXTS: list,
    _JSON: _json,
}


def _arrow_type(kind: str) -> Any:
    pa = arrow()
    types = {
        _TEXT: pa.string,
        _JSON: pa.string,
        _WHOLE: pa.int64,
        _FRACTION: pa.float64,
        _TRUTH: pa.bool_,
        _MOMENT: lambda: pa.timestamp("us", tz="UTC"),
        _TEXTS: lambda: pa.list_(pa.string()),
    }
    return types[kind]()


def _kind(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        choices = [choice for choice in get_args(annotation) if choice is not NoneType]
        return _kind(choices[0]) if len(choices) == 1 else _JSON
    if get_origin(annotation) is Literal:
        return _TEXT
    return _KINDS.get(annotation, _JSON)
