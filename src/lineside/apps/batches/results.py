"""What became of the rows of a batch: a page at a time, or all of it as a file."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from lineside.apps.batches import queries
from lineside.apps.batches.batch import Batch, get_batch
from lineside.apps.batches.intake import chunk_rows
from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.release import load_release
from lineside.core import Invalid, Record
from lineside.store import Store, parquet
from lineside.trust import Scope

EXPORTS = (".csv", ".jsonl", ".parquet")
_MEDIA = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
_PAGE_MAX = 1_000
_INTEGER_MAX = 2**63
_OWN = (
    "line",
    "status",
    "error",
    "confidence",
    "hand_off",
    "trace_id",
    "latency_ms",
    "cost_usd",
    "tokens_in",
    "tokens_out",
)
"""What a table says of each row beside its own columns and the answer, after `batch_`."""

Told = Callable[[int], None]


class BatchResult(Record):
    """What became of one row.

    Attributes:
        number: Of the row, from 0; a page goes on behind it.
        line: Where the row begins in the file, from 1; of Parquet the row's number.
        row: As the file had it; of CSV without empty cells.
        status: Whether there is an answer.
        output: The answer, which fits the app's output schema.
        error_code: Why there is none, such as `invalid:input_misfit`.
        hand_off: The answer is a suggestion for a person to decide on.
    """

    number: int
    line: int
    row: dict[str, Any]
    status: str
    output: dict[str, Any] | None
    error_code: str | None
    error_message: str | None
    confidence: float | None
    hand_off: bool | None
    trace_id: str | None
    latency_ms: float | None
    cost_usd: float | None
    tokens_in: int | None
    tokens_out: int | None


def batch_results(
    scope: Scope, batch_id: str, *, after: int = -1, limit: int = 100
) -> list[BatchResult]:
    """Rows that are answered or have failed, in the order of the file.

    Args:
        after: Number of the last row that was seen.
        limit: At most 1,000.
    """
    batch = get_batch(scope, batch_id)
    found: list[BatchResult] = []
    for result in _results(scope.store, batch, after=after):
        if len(found) >= max(0, min(limit, _PAGE_MAX)):
            break
        found.append(result)
    return found


def export_batch(scope: Scope, batch_id: str, out: Path, *, told: Told = lambda _rows: None) -> int:
    """Write every row that is answered or has failed into a file; returns how many.

    JSON lines say everything. CSV and Parquet have the columns of the file, those of the answer as
    `output_…`, and what is known of each row as `batch_…`. The file is there whole or not at all.

    Args:
        out: Its ending says the format: `.csv`, `.jsonl` or `.parquet`.

    Raises:
        Invalid: The ending is another, or its folder is not there.
    """
    batch = get_batch(scope, batch_id)
    suffix = check_export(out)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        writer = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}[suffix]
        rows = writer(scope, batch, temporary, told)
        temporary.chmod(0o644)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


class ExportedFile(NamedTuple):
    """Results as a file that is only there until it was sent.

    Attributes:
        remove: Lets go of it.
    """

    path: Path
    media_type: str
    remove: Callable[[], None]


def exported_file(scope: Scope, batch_id: str, form: str) -> ExportedFile:
    """Write results for somebody to download; `form` is `csv`, `jsonl` or `parquet`.

    Raises:
        Invalid: The form is another.
    """
    name = f"{get_batch(scope, batch_id).id}.{form}"
    check_export(Path(name))
    folder = tempfile.TemporaryDirectory(prefix="lineside-batch-")
    path = Path(folder.name) / name
    try:
        export_batch(scope, batch_id, path)
    except BaseException:
        folder.cleanup()
        raise
    return ExportedFile(path, _MEDIA[form], folder.cleanup)


def check_export(out: Path) -> str:
    """The ending of a file that results can be written to.

    Raises:
        Invalid: It is another, or its folder is not there.
    """
    suffix = out.suffix.lower()
    if suffix not in EXPORTS:
        raise Invalid(
            "batch_format",
            f"`{out.name}` ends with `{suffix}`, expected {', '.join(EXPORTS)}",
            hint="Name the file with one of these endings.",
        )
    if not out.parent.is_dir():
        raise Invalid(
            "batch_no_folder",
            f"There is no folder `{out.parent}` for the results",
            hint="Make it first, or name another.",
        )
    return suffix


def _results(store: Store, batch: Batch, *, after: int = -1) -> Iterator[BatchResult]:
    chunk_after = -1
    while True:
        with store.records.read() as connection:
            page = queries.chunks_after(connection, batch.id, after=chunk_after)
        if not page:
            return
        for chunk in page:
            chunk_after = chunk["number"]
            first, end = chunk["first_row"], chunk["first_row"] + chunk["rows"]
            if end <= after + 1:
                continue
            with store.records.read() as connection:
                kept = queries.kept_rows(connection, batch.id, first=max(first, after + 1), end=end)
            raw = chunk_rows(store, chunk["digest"]) if kept else []
            for row in kept:
                yield _result(row, raw[row["row"] - first].values)


def _result(row: queries.Row, values: dict[str, Any]) -> BatchResult:
    return BatchResult(
        number=row["row"],
        row=values,
        status="failed" if row["error_code"] else "answered",
        **{
            name: row[name]
            for name in BatchResult.model_fields
            if name not in ("number", "row", "status")
        },
    )


def _write_jsonl(scope: Scope, batch: Batch, out: Path, told: Told) -> int:
    rows = 0
    with out.open("wb") as file:
        for rows, result in enumerate(_results(scope.store, batch), start=1):
            file.write(orjson.dumps(result.model_dump(exclude={"number"})) + b"\n")
            told(rows)
    return rows


def _write_csv(scope: Scope, batch: Batch, out: Path, told: Told) -> int:
    columns, rows = _Columns(batch, _output_fields(scope, batch)), 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns.names, extrasaction="ignore")
        writer.writeheader()
        for rows, result in enumerate(_results(scope.store, batch), start=1):
            cells = columns.flat(result).items()
            writer.writerow({name: _cell(value) for name, value in cells})
            told(rows)
    return rows


def _write_parquet(scope: Scope, batch: Batch, out: Path, told: Told) -> int:
    """By way of JSON lines, since only then it is known what kind of values a column has."""
    columns, rows = _Columns(batch, _output_fields(scope, batch)), 0
    kinds: dict[str, str] = {}
    lines = out.with_name(f"{out.name}.jsonl")
    try:
        with lines.open("wb") as file:
            for rows, result in enumerate(_results(scope.store, batch), start=1):
                flat = columns.flat(result)
                for name, value in flat.items():
                    if value is not None:
                        kinds[name] = _wider(kinds.get(name), value)
                file.write(orjson.dumps(flat) + b"\n")
                told(rows)
        parquet.write(lines, {name: kinds.get(name, "VARCHAR") for name in columns.names}, out)
    finally:
        lines.unlink(missing_ok=True)
    return rows


class _Columns:
    """The columns of a table of results; those of the file give way to ours."""

    def __init__(self, batch: Batch, outputs: list[str]) -> None:
        own = [*(f"output_{name}" for name in outputs), *(f"batch_{name}" for name in _OWN)]
        self._taken = {name: name for name in batch.columns}
        for name in batch.columns:
            while self._taken[name] in own:
                self._taken[name] = f"input_{self._taken[name]}"
        self.names = list(dict.fromkeys([*self._taken.values(), *own]))

    def flat(self, result: BatchResult) -> dict[str, Any]:
        """A result by column; lists and objects as JSON."""
        found = {
            self._taken[name]: value for name, value in result.row.items() if name in self._taken
        }
        found |= {f"output_{name}": value for name, value in (result.output or {}).items()}
        error = f"{result.error_code}: {result.error_message}" if result.error_code else None
        said = {"error": error} | {name: getattr(result, name) for name in _OWN if name != "error"}
        found |= {f"batch_{name}": value for name, value in said.items()}
        return {name: _plain(value) for name, value in found.items() if name in self.names}


def _output_fields(scope: Scope, batch: Batch) -> list[str]:
    digest = load_release(scope, batch.release_id).digest
    folder = folder_of(scope.store, get_candidate(scope.store, batch.workspace, digest))
    return list(folder.output_schema.get("properties", {}))


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def _wider(kind: str | None, value: Any) -> str:
    """The narrowest type that has room for what a column held so far and for this."""
    if isinstance(value, bool):
        found = "BOOLEAN"
    elif isinstance(value, int) and -_INTEGER_MAX <= value < _INTEGER_MAX:
        found = "BIGINT"
    else:
        found = "DOUBLE" if isinstance(value, float) else "VARCHAR"
    if kind is None or kind == found:
        return found
    return "DOUBLE" if {kind, found} == {"BIGINT", "DOUBLE"} else "VARCHAR"
