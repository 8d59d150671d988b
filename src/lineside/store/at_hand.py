"""A connection to SQLite for what every call asks: it never waits, and costs little more than C."""

import sqlite3
import threading
from collections import namedtuple
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import dialect as sqlite_dialect
from sqlalchemy.engine import make_url

_DIALECT = sqlite_dialect()
_STATEMENTS_MAX = 256
_ROWS_KNOWN_MAX = 1_000
_RECALLED_MAX = 1_000
_NOTHING: Mapping[str, Any] = {}
_DATA_VERSION = "PRAGMA data_version"

Change = Callable[[Any], Any]
"""Takes a connection that writes. What it raises is its own failure, and undoes what it did.

It may be made anew where what was made beside it failed: it leaves no trace but in the database.
"""


class Outcome(NamedTuple):
    """What came of a change: a value, or why it failed by itself."""

    value: Any = None
    failure: Exception | None = None


class Rows(list[Any]):
    """The rows of an answer, read as those of SQLAlchemy are."""

    def all(self) -> list[Any]:
        return self

    def first(self) -> Any:
        return self[0] if self else None

    def scalars(self) -> Iterator[Any]:
        return (row[0] for row in self)

    def scalar(self) -> Any:
        return self[0][0] if self else None


class _Prepared:
    """A statement as SQLite takes it, with what turns its values into Python's and back."""

    def __init__(self, statement: Any) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        left_open = {bind.key: None for bind in compiled.binds.values() if bind.required}
        # Expanded, because the values of an `IN` have as many places as there are values.
        expanded = compiled.construct_expanded_state(left_open)
        writers: dict[str, Any] = {
            name: bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            for name, bind in compiled.binds.items()
        } | dict(expanded.processors)
        self.sql = expanded.statement
        self._binds = [
            (name, expanded.parameters[name], writers.get(name))
            for name in expanded.positiontup or ()
        ]
        self.is_read = isinstance(statement, sa.Select)
        named = statement.get_final_froms() if self.is_read else [statement.table]
        self.tables = frozenset(table.name for table in named)
        columns = list(getattr(statement, "exported_columns", ()))
        self.has_rows = bool(columns)
        make_type: Any = namedtuple  # one of as many fields as the statement has columns
        self._row = make_type("Row", [column.key for column in columns], rename=True)._make
        impls = [column.type.dialect_impl(_DIALECT) for column in columns]
        readers = [impl.result_processor(_DIALECT, None) for impl in impls]
        self._readers = readers if any(readers) else []
        self._known: dict[Sequence[Any], Any] = {}

    def values(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(
            [
                given.get(name, default) if write is None else write(given.get(name, default))
                for name, default, write in self._binds
            ]
        )

    def rows(self, found: Sequence[Sequence[Any]]) -> Rows:
        if not self._readers:
            return Rows(map(self._row, found))
        return Rows(map(self._read, found))

    def _read(self, row: Sequence[Any]) -> Any:
        """A row is read once: keys and limits seldom change, and every call asks for them."""
        known = self._known.get(row)
        if known is None:
            values = zip(self._readers, row, strict=True)
            known = self._row([value if read is None else read(value) for read, value in values])
            if len(self._known) >= _ROWS_KNOWN_MAX:
                self._known.clear()
            self._known[row] = known
        return known


# By the object: what is asked again and again is built once, at the top of a `queries.py`.
_prepared = lru_cache(_STATEMENTS_MAX)(_Prepared)


class AtHand:
    """Executes statements of SQLAlchemy on one connection, without SQLAlchemy in between.

    Asking SQLite takes microseconds; going there through a pool, a transaction and a thread takes
    a hundred times as long. Whoever would have to wait gets nothing, and goes the long way.
    """

    dialect = _DIALECT

    def __init__(self, url: str) -> None:
        self._path = make_url(url).database or ""
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._recalled: dict[Hashable, Outcome] = {}
        self._recalled_of: set[str] = set()
        self._is_recalling = False
        self._version = 0

    def execute(self, statement: Any, given: Mapping[str, Any] | list[Any] = _NOTHING) -> Rows:
        """What a statement gives, within `recall` or a change."""
        assert self._connection is not None  # noqa: S101 # opened by whoever lets one in
        prepared = _prepared(statement)
        if self._is_recalling:
            self._recalled_of |= prepared.tables
        elif not (prepared.is_read or self._recalled_of.isdisjoint(prepared.tables)):
            self._recalled.clear()
        if not isinstance(given, list):
            done = self._connection.execute(prepared.sql, prepared.values(given))
            return prepared.rows(done.fetchall()) if prepared.has_rows else Rows()
        self._connection.executemany(prepared.sql, map(prepared.values, given))
        return Rows()

    def recall(self, name: Hashable, asked: Callable[[Any], Any]) -> Outcome | None:
        """What is asked, of what is committed; nothing where that cannot be had at once.

        It is asked once, and anew only once anything was written since.
        SQLite tells whether another connection has written, in any process and in any table; of
        what is written here the tables are known.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            [version] = self._opened().execute(_DATA_VERSION).fetchone()
            if version != self._version or len(self._recalled) >= _RECALLED_MAX:
                self._recalled.clear()
                self._version = version
            found = self._recalled.get(name)
            if found is None:
                self._is_recalling = True
                found = self._recalled[name] = Outcome(asked(self))
            return found
        except sqlite3.Error:
            return None  # as in `make`
        finally:
            self._is_recalling = False
            self._lock.release()

    def make(self, changes: Sequence[Change]) -> list[Outcome] | None:
        """Make changes durable together, or nothing at all where that cannot be done at once."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            connection = self._opened()
            made = self._at_once(connection, changes)
            return self._apart(connection, changes) if made is None else made
        except sqlite3.Error:
            return None  # the long way meets the same error, and knows how to say it
        finally:
            self._lock.release()

    def close(self) -> None:
        with self._lock:
            self._recalled.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _at_once(
        self, connection: sqlite3.Connection, changes: Sequence[Change]
    ) -> list[Outcome] | None:
        """Make changes that all succeed, as nearly always; nothing is made where one fails.

        A mark ahead of each, to go back to, takes as long as what most of them change.
        """
        try:
            with _transaction(connection):
                return [Outcome(change(self)) for change in changes]
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 # its own, where it is alone
            return [Outcome(failure=error)] if len(changes) == 1 else None

    def _apart(self, connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Outcome]:
        """Make changes of which some fail, each of them by itself."""
        with _transaction(connection):
            return [self._made(connection, change) for change in changes]

    def _made(self, connection: sqlite3.Connection, change: Change) -> Outcome:
        connection.execute("SAVEPOINT change")
        try:
            outcome = Outcome(change(self))
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 # of this one; the others go on
            connection.execute("ROLLBACK TO change")
            outcome = Outcome(failure=error)
        connection.execute("RELEASE change")
        return outcome

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=0, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            # Copying the log into the database waits for the disk: others do that.
            connection.execute("PRAGMA wal_autocheckpoint=0")
            self._connection = connection
        return self._connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What is changed here is changed for good, or where anything is raised not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
