"""Wide, append-only rows: a DuckLake, Parquet files and a catalogue that says what counts."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lineside.core import Unavailable
from lineside.store import queries
from lineside.store.queries import Envelope

if TYPE_CHECKING:
    import duckdb

Result = TypeVar("Result")

_CATALOGUE_EXTENSIONS = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}
_ATTEMPTS_MAX = 40
_MEMORY_LIMIT = "512MB"


@dataclass(frozen=True)
class LakeTable:
    """A table of the lake, as a room declares it: its name, and column names with DuckDB types."""

    name: str
    columns: dict[str, str]


class Lake:
    """The lake, opened on first use because DuckDB takes a moment and start-up must not wait.

    Any number of processes may read; who writes is settled by the flusher's own lock.
    """

    def __init__(self, *, catalogue: str, files: str) -> None:
        self._catalogue = catalogue
        self._files = files
        self._database: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._ready: set[str] = set()

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was ever kept here, as far as can be told without opening the lake."""
        kind, _, path = self._catalogue.partition(":")
        return self._database is None and kind == "sqlite" and not Path(path).exists()

    def read(
        self,
        table: LakeTable,
        sql: str,
        parameters: Sequence[Any] = (),
        *,
        waiting: Sequence[Envelope] = (),
    ) -> list[dict[str, Any]]:
        """Run a query over lake and inbox together and return its rows.

        In the SQL, `{rows}` stands for the whole table: what the lake holds and the waiting
        envelopes, read before, so that a row that moves meanwhile is seen twice at most and never
        missed. The query must take one of each by the row's own key.
        """
        payloads = _payloads(waiting)
        columns = ", ".join(table.columns)
        rows = (
            f"(SELECT {columns} FROM lake.{table.name} UNION ALL BY NAME "
            f"{queries.lake_rows_of(table.columns)})"
        )
        text = sql.replace("{rows}", rows)
        arguments: list[Any] = [payloads] * sql.count("{rows}")
        arguments += parameters

        def fetch() -> list[dict[str, Any]]:
            with self._cursor(table) as cursor:
                cursor.execute(text, arguments)
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self._patiently(fetch)

    def append(self, table: LakeTable, envelopes: Sequence[Envelope]) -> int:
        """Move envelopes into the lake, each exactly once, and return the rows that were new.

        The ids of the envelopes are written in the same transaction as their rows, so a process
        killed before it cleared the inbox leaves a mark, and the next one does not add them again.
        """

        def write() -> int:
            with self._cursor(table) as cursor:
                ids = [envelope.id for envelope in envelopes if envelope.id is not None]
                cursor.execute("BEGIN TRANSACTION")
                try:
                    known = {row[0] for row in cursor.execute(queries.lake_marked(ids)).fetchall()}
                    fresh = [envelope for envelope in envelopes if envelope.id not in known]
                    if fresh:
                        sql = queries.lake_insert(table.name, table.columns)
                        cursor.execute(sql, [_payloads(fresh)])
                        cursor.execute(queries.lake_mark([e.id for e in fresh if e.id is not None]))
                    cursor.execute("COMMIT")
                except BaseException:
                    _roll_back(cursor)
                    raise
                return sum(envelope.rows for envelope in fresh)

        return self._patiently(write)

    def forget_marks(self, table: LakeTable, through_id: int) -> None:
        """Drop the marks of envelopes that have left the inbox."""

        def write() -> None:
            with self._cursor(table) as cursor:
                cursor.execute(queries.lake_unmark(through_id))

        self._patiently(write)

    def open(self) -> None:
        """Open it ahead of the first who needs it, so that importing DuckDB stalls nobody."""
        with self._lock:
            self._connected()

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
                self._ready.clear()

    @contextmanager
    def _cursor(self, table: LakeTable) -> Iterator["duckdb.DuckDBPyConnection"]:
        cursor = self._open(table).cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def _open(self, table: LakeTable) -> "duckdb.DuckDBPyConnection":
        with self._lock:
            database = self._connected()
            if table.name not in self._ready:
                _ensure(database, LakeTable(queries.LAKE_MARKS, {"envelope_id": "BIGINT"}))
                _ensure(database, table)
                self._ready.add(table.name)
            return database

    def _connected(self) -> "duckdb.DuckDBPyConnection":
        if self._database is None:
            self._database = _connect(self._catalogue, self._files)
            self._ready.clear()
        return self._database

    def _patiently(self, work: Callable[[], Result]) -> Result:
        """Do the work again while another process holds the catalogue; give up in about 20 s."""
        import duckdb

        for attempt in range(_ATTEMPTS_MAX):
            try:
                return work()
            except duckdb.Error as error:
                text = str(error)
                passing = "locked" in text or "onflict" in text
                if not passing or attempt == _ATTEMPTS_MAX - 1:
                    raise Unavailable(
                        "lake_failed",
                        f"The lake could not be used: {text.splitlines()[0]}",
                        hint="Nothing accepted is lost: it waits in the inbox. "
                        "Run `lineside doctor` to see what stands in the way.",
                    ) from error
                time.sleep(min(0.02 * 1.3**attempt, 0.7))
        raise AssertionError("the last attempt returns or raises")


def _payloads(envelopes: Sequence[Envelope]) -> list[str]:
    return [envelope.payload.decode() for envelope in envelopes]


def _connect(catalogue: str, files: str) -> "duckdb.DuckDBPyConnection":
    import duckdb

    database = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # They come from hash-pinned wheels, as all our code does; to check DuckDB's signature
            # of each again takes 0.25 s of CPU whenever a process opens the lake.
            "allow_unsigned_extensions": True,
            "memory_limit": _MEMORY_LIMIT,
            "threads": 2,
        }
    )
    for name in ("ducklake", _CATALOGUE_EXTENSIONS[catalogue.partition(":")[0]]):
        database.execute(f"LOAD '{_extension(name)}'")
    if catalogue.startswith("sqlite:"):
        path = Path(catalogue.removeprefix("sqlite:"))
        path.parent.mkdir(parents=True, exist_ok=True)
        # In WAL a reader never waits for the flusher; the mode stays with the file.
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        Path(files).mkdir(parents=True, exist_ok=True)
    database.execute(f"ATTACH 'ducklake:{catalogue}' AS lake (DATA_PATH '{files}')")
    return database


def _extension(name: str) -> Path:
    """The extension's file inside its wheel; DuckDB is never asked to download one."""
    package = import_module(f"duckdb_extension_{name}")
    folder = Path(package.__file__ or "").parent
    return next(folder.rglob("*.duckdb_extension"))


def _ensure(database: "duckdb.DuckDBPyConnection", table: LakeTable) -> None:
    """Make the table, or add the columns that a newer version of its room declares."""
    found = {row[0] for row in database.execute(queries.lake_columns(table.name)).fetchall()}
    if not found:
        database.execute(queries.lake_create(table.name, table.columns))
        return
    for column, kind in table.columns.items():
        if column not in found:
            database.execute(queries.lake_add_column(table.name, column, kind))


def _roll_back(cursor: "duckdb.DuckDBPyConnection") -> None:
    import duckdb

    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return  # the failed statement has already ended the transaction
