"""Wide, append-only rows: a DuckLake, Parquet files and a catalogue that says what counts."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lineside.core import Unavailable, now
from lineside.store import queries
from lineside.store.intake import LakeTable, Rows
from lineside.store.lake_files import LakePlace, connect

if TYPE_CHECKING:
    import duckdb

Result = TypeVar("Result")

_ATTEMPTS_MAX = 40
_MARKS = LakeTable(queries.LAKE_MARKS, queries.MARK_COLUMNS)
_MARKS_INLINED_MAX = 1_000
# Another process holds the catalogue, or makes the lake or a table at this very moment.
_PASSING = re.compile(
    "locked|onflict|oncurren|already exists|duplicate key|UNIQUE|retry count|not have any columns"
)
_REASON_MAX = 400
# Not the end of an escaped backslash: in JSON within JSON it is a text like any other.
_ZERO = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_LOST = re.compile("onnection|terminating|starting up|shutting down")
OUT_OF_MEMORY = "lake_out_of_memory"
# Text compresses to half of what DuckDB's default leaves, at the same speed of reading. A group of
# rows is unpacked whole to read one of them, so it is small; that takes 2 % more space.
GROUP_ROWS = "4096"
_PARQUET = {"parquet_compression": "zstd", "parquet_row_group_size": GROUP_ROWS}


class Lake:
    """The lake, opened on first use because DuckDB takes a moment and start-up must not wait.

    Any number of processes may read; whoever writes holds the lake's lock, which the store gives.
    """

    out_of_memory = OUT_OF_MEMORY
    """Code of the error when something takes more memory than DuckDB may."""

    def __init__(self, place: LakePlace) -> None:
        self._place = place
        self._database: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._ready: set[str] = set()
        self._filled: frozenset[str] = frozenset()

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was ever kept here, as far as can be told without opening the lake."""
        kind, _, path = self._place.catalogue.partition(":")
        return self._database is None and kind == "sqlite" and not Path(path).exists()

    def read(
        self, table: LakeTable, sql: str, parameters: Sequence[Any] = ()
    ) -> list[dict[str, Any]]:
        """Run one query over the lake alone; `{name}` in it stands for the table of that name."""
        with self.reading([table]) as reading:
            return reading.rows(sql, parameters)

    @contextmanager
    def reading(self, tables: Sequence[LakeTable]) -> Iterator["Reading"]:
        """Several queries that all see one and the same state of the lake.

        Raises:
            Unavailable: The lake cannot be opened or read.
        """
        with self._clear_errors(), self._cursor(tables) as cursor:
            # It fixes the state of the lake that is seen, so the first look may be repeated.
            filled = self._patiently(lambda: self._begin(cursor, tables))
            try:
                yield Reading(cursor, tables, filled)
            finally:
                _roll_back(cursor)

    def append(self, rows: Mapping[LakeTable, Sequence[bytes]], *, envelope_ids: list[int]) -> None:
        """Add rows to their tables and mark the envelopes they came in, all of it or nothing.

        The caller holds the lake's lock, and has left out envelopes that are marked.
        """
        moment = now().replace(tzinfo=None)

        def write() -> None:
            with self._writing([*rows, _MARKS]) as cursor:
                _insert(cursor, rows)
                if envelope_ids:
                    cursor.execute(queries.LAKE_MARK, [moment, envelope_ids])

        self._patiently(write)

    def change(
        self,
        tables: Sequence[LakeTable],
        statements: Sequence[tuple[str, Sequence[Any]]],
        rows: Mapping[LakeTable, Sequence[bytes]] | None = None,
    ) -> None:
        """Run statements that change rows, then add rows, all of it or nothing.

        The caller holds the lock.
        """

        def write() -> None:
            with self._writing(tables) as cursor:
                for sql, parameters in statements:
                    cursor.execute(sql, parameters)
                _insert(cursor, rows or {})

        self._patiently(write)

    def forget_marks(self, before: datetime) -> None:
        """Drop the marks of flushes so long ago that nobody can still hold their envelopes."""
        moment = before.astimezone(UTC).replace(tzinfo=None)
        self.change([_MARKS], [(queries.LAKE_UNMARK, [moment])])

    def run(self, tables: Sequence[LakeTable], sql: str, parameters: Sequence[Any] = ()) -> Any:
        """One statement of its own, outside any transaction; for the lake's own upkeep."""

        def call() -> Any:
            with self._cursor(tables) as cursor:
                return cursor.execute(sql, parameters).fetchall()

        return self._patiently(call)

    def take_one_core(self) -> None:
        """Have DuckDB work on one core, once it is opened: for a process that writes small batches.

        Its threads wait for each other by asking again and again. On two cores, a batch took nearly
        twice the CPU.
        """
        self._place = replace(self._place, cores=1)

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
                self._filled = frozenset()

    @contextmanager
    def _writing(self, tables: Sequence[LakeTable]) -> Iterator["duckdb.DuckDBPyConnection"]:
        with self._cursor(tables) as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                _roll_back(cursor)
                raise

    @contextmanager
    def _cursor(self, tables: Sequence[LakeTable]) -> Iterator["duckdb.DuckDBPyConnection"]:
        cursor = self._open(tables).cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def _open(self, tables: Sequence[LakeTable]) -> "duckdb.DuckDBPyConnection":
        with self._lock:
            database = self._connected()
            missing = {one.name: one for one in (_MARKS, *tables) if one.name not in self._ready}
            if missing:
                self._patiently(partial(_ensure, database, missing))
                self._ready.update(missing)
            return database

    def _begin(
        self, cursor: "duckdb.DuckDBPyConnection", tables: Sequence[LakeTable]
    ) -> frozenset[str]:
        """Fix the state that is seen; return the names of those tables that ever held a row.

        DuckLake asks the catalogue six times, 40 ms in all, whenever a table is read that never
        did; of the others it keeps in mind what it was told.
        """
        _roll_back(cursor)
        cursor.execute("BEGIN TRANSACTION")
        cursor.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
        names = frozenset(table.name for table in (_MARKS, *tables))
        filled = self._filled
        if not names <= filled:
            # After the state is fixed: a table that fills meanwhile may be asked, and shows no row.
            found = cursor.execute(queries.LAKE_FILLED).fetchall()
            self._filled = filled = frozenset(row[0] for row in found)
        return names & filled

    def _connected(self) -> "duckdb.DuckDBPyConnection":
        if self._database is None:
            self._database = self._patiently(partial(connect, self._place))
            self._ready.clear()
            self._filled = frozenset()
        return self._database

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> Unavailable:
        if _LOST.search(str(error)):
            # DuckDB keeps a connection to the catalogue that has gone; the next one opens anew.
            self._database = None
        if isinstance(error, _out_of_memory()):
            return Unavailable(
                OUT_OF_MEMORY,
                f"To answer this takes more memory than the {self._place.memory_mb} MB that DuckDB "
                "may take here",
                hint="Ask for a shorter time or for less at once, or allow more: set "
                "LINESIDE_LAKE_MEMORY_MB and start again.",
            )
        return _unavailable(error)

    def _patiently(self, work: Callable[[], Result]) -> Result:
        """Do the work again while another process holds the catalogue; give up in about 20 s."""
        import duckdb

        for attempt in range(_ATTEMPTS_MAX):
            try:
                return work()
            except duckdb.Error as error:
                if not _PASSING.search(str(error)) or attempt == _ATTEMPTS_MAX - 1:
                    raise self._failed(error) from error
                time.sleep(min(0.02 * 1.3**attempt, 0.7))
        raise AssertionError("the last attempt returns or raises")


class Reading:
    """One state of the lake, with rows that wait for it put beside, for as many queries as needed.

    In a query, `{name}` stands for the lake table of that name: what the lake holds and the waiting
    rows; `{name.kept}` and `{name.waiting}` for the one or the other alone.
    """

    def __init__(
        self,
        cursor: "duckdb.DuckDBPyConnection",
        tables: Sequence[LakeTable],
        filled: frozenset[str],
    ) -> None:
        self._cursor = cursor
        self._tables = {table.name: table for table in tables}
        self._filled = filled
        self._places: dict[str, str] = {}
        for table in tables:
            nothing = queries.lake_nothing(table.columns)
            kept = f"lake.{table.name}" if table.name in filled else nothing
            self._places |= {table.name: kept, f"{table.name}.kept": kept}
            self._places[f"{table.name}.waiting"] = nothing

    def has(self, table: LakeTable) -> bool:
        """Whether the lake ever held a row of this table."""
        return table.name in self._filled

    def marked(self) -> set[int]:
        """Inbox ids whose rows this state of the lake holds, of those flushed of late."""
        if _MARKS.name not in self._filled:
            return set()
        return {row["id"] for row in self.rows(queries.LAKE_MARKED)}

    def add(self, waiting: Rows) -> None:
        """Let the queries see these rows as well."""
        for name, payloads in waiting.items():
            if not payloads:
                continue
            columns = self._tables[name].columns
            texts = _texts(payloads)
            self._cursor.execute(queries.lake_waiting(name, columns), [texts])
            waits = f"waiting_{name}"
            self._places[f"{name}.waiting"] = waits
            both = queries.lake_and_waiting(name, columns)
            self._places[name] = both if name in self._filled else waits

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run one query and return its rows."""
        self._execute(sql, parameters)
        names = [column[0] for column in self._cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def columns(self, sql: str, parameters: Sequence[Any] = ()) -> list[list[Any]]:
        """Run one query and return its columns; of many rows twice as quick."""
        self._execute(sql, parameters)
        return [column.tolist() for column in self._cursor.fetchnumpy().values()]

    def _execute(self, sql: str, parameters: Sequence[Any]) -> None:
        for name, place in self._places.items():
            sql = sql.replace(f"{{{name}}}", place)
        self._cursor.execute(sql, parameters)


def _insert(cursor: "duckdb.DuckDBPyConnection", rows: Mapping[LakeTable, Sequence[bytes]]) -> None:
    for table, payloads in rows.items():
        if payloads:
            sql = queries.lake_insert(table.name, table.columns)
            cursor.execute(sql, [_texts(payloads)])


def _texts(payloads: Sequence[bytes]) -> list[str]:
    """JSON as DuckDB takes it, with a sign in place of each character of the number 0.

    DuckLake writes few rows into its catalogue as SQL, which ends at that character, and PostgreSQL
    has no such texts: one of them would keep all that comes after it out of the lake.
    """
    return [
        _ZERO.sub(r"\1\\ufffd", payload.decode()) if b"\\u0000" in payload else payload.decode()
        for payload in payloads
    ]


def _ensure(database: "duckdb.DuckDBPyConnection", tables: Mapping[str, LakeTable]) -> None:
    """Make the tables, and add the columns that a newer version of their room declares."""
    found: dict[str, set[str]] = {}
    for name, column in database.execute(queries.LAKE_COLUMNS).fetchall():
        found.setdefault(name, set()).add(column)
    cursor = database.cursor()
    cursor.execute("BEGIN TRANSACTION")
    try:
        for name, table in tables.items():
            if name not in found:
                cursor.execute(queries.lake_create(table.name, table.columns))
                if table.sorted_by:
                    cursor.execute(queries.lake_sort(table.name, table.sorted_by))
                continue
            for column, kind in table.columns.items():
                if column not in found[name]:
                    cursor.execute(queries.lake_add_column(name, column, kind))
        cursor.execute("COMMIT")
    except BaseException:
        _roll_back(cursor)
        raise
    finally:
        cursor.close()
    if _MARKS.name in tables and _MARKS.name not in found:
        # DuckLake takes no settings for tables that are not committed yet.
        database.execute(queries.lake_inline(_MARKS.name, _MARKS_INLINED_MAX))
        for option, value in _PARQUET.items():
            database.execute(queries.LAKE_OPTION, [option, value])


def _roll_back(cursor: "duckdb.DuckDBPyConnection") -> None:
    import duckdb

    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return  # there is no transaction, or the failed statement has already ended it


def _out_of_memory() -> type[Exception]:
    import duckdb

    return duckdb.OutOfMemoryException


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        "lake_failed",
        # Its first line often says no more than that something failed.
        f"The lake could not be used: {' '.join(str(error).split())[:_REASON_MAX]}",
        hint="Nothing accepted is lost: it waits in the inbox. "
        "Run `lineside doctor` to see what stands in the way.",
    )
