"""Small, mutable truth: one SQL database, SQLite or PostgreSQL, and who may write when."""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DataError, OperationalError

from lineside.core import Invalid, Unavailable
from lineside.store.at_hand import AtHand, Change, Outcome

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer waits for another process before it gives up, in milliseconds."""

CONNECT_SECONDS = 5
"""How long a PostgreSQL server may take to answer a new connection, in seconds."""

_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
_ROUNDS_MAX = 1_000  # what is left then is deleted the next time

Value = TypeVar("Value")


class Records:
    """The records database, with one rule: read in `read()`, write in `write()`.

    SQLite admits one writer at a time over all processes. Inside a process writers queue on a lock
    and never poll; between processes they queue on SQLite's own lock, taken at the start of the
    transaction (`BEGIN IMMEDIATE`), so that no transaction finds out halfway that it must fail.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._write_lock = threading.Lock()
        self.engine = self._make_engine()
        self._at_hand = AtHand(url) if self.is_sqlite else None

    def _make_engine(self) -> sa.Engine:
        if not self.is_sqlite:
            return sa.create_engine(
                postgres_url(self.url),
                pool_size=10,
                pool_pre_ping=True,
                connect_args={"connect_timeout": CONNECT_SECONDS},
            )
        engine = sa.create_engine(self.url, pool_size=10, max_overflow=20)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one consistent state and writes nothing."""
        with _clear_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    def recall(self, name: Hashable, asked: Callable[[Any], Value]) -> Value:
        """What every call needs and seldom changes: asked anew once anybody has written anything.

        Args:
            name: Of what is asked, with all that the answer depends on.
        """
        found = None if self._at_hand is None else self._at_hand.recall(name, asked)
        if found is not None:
            value: Value = found.value
            return value
        with self.read() as connection:
            return asked(connection)

    def make_now(self, changes: Sequence[Change]) -> list[Outcome] | None:
        """Make changes in one transaction; nothing where that would have to wait, or fails."""
        if self._at_hand is None or not self._write_lock.acquire(blocking=False):
            return None
        try:
            return self._at_hand.make(changes)
        finally:
            self._write_lock.release()

    def checkpoint(self) -> None:
        """Copy SQLite's log into the database, so that it is written from its start again.

        That happens only once all of it is copied. So most is copied while others write, and what
        they wrote meanwhile while they do not; else the log would grow as long as the load lasts.
        """
        with self.engine.connect() as connection:
            connection.exec_driver_sql(_CHECKPOINT).all()
            with self._write_lock:
                connection.exec_driver_sql(_CHECKPOINT).all()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A connection whose changes land together when the block ends, or not at all."""
        with _clear_errors():
            if not self.is_sqlite:
                with self.engine.begin() as connection:
                    yield connection
                return
            with self._write_lock, self.engine.connect() as connection:
                connection = connection.execution_options(lineside_writes=True)
                with connection.begin():
                    yield connection

    def delete_in_rounds(
        self,
        *,
        is_any: Callable[[sa.Connection], bool],
        delete_some: Callable[[sa.Connection], int],
    ) -> int:
        """Delete some after some, so that nobody waits long for them; says how many in all.

        Whether there is anything is read first, since most often there is nothing to write.
        """
        gone = 0
        for _ in range(_ROUNDS_MAX):
            with self.read() as connection:
                if not is_any(connection):
                    break
            with self.write() as connection:
                gone += delete_some(connection)
        return gone

    def connect_alone(self, statement: sa.Select[Any]) -> tuple[sa.Connection, Any]:
        """A connection outside of any transaction, and what a first statement gave on it."""
        with _clear_errors():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                return connection, connection.execute(statement).scalar()
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        if self._at_hand is not None:
            self._at_hand.close()
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def postgres_url(url: str) -> str:
    """Name the driver in a PostgreSQL address, whichever of the usual spellings was given."""
    for start in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(start):
            return "postgresql+psycopg://" + url.removeprefix(start)
    raise Invalid(
        "bad_database_url",
        f"LINESIDE_DATABASE_URL starts with `{url.split(':', maxsplit=1)[0]}:`",
        hint="Use postgresql://user:password@host:5432/name, or unset it to use SQLite.",
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's driver would open transactions by itself and at the wrong moment; we say BEGIN.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    # In WAL, NORMAL keeps every commit through a killed process; a power cut may take the last.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("lineside_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Say what the database's own error means to the person, where we know it."""
    try:
        yield
    except (DataError, OverflowError, UnicodeEncodeError) as error:
        raise _not_storable(error) from error
    except OperationalError as error:
        text = str(error.orig)
        if "disk is full" in text or "No space left" in text or "disk I/O error" in text:
            raise Unavailable(
                "disk_full",
                f"The database could not be written: {text}",
                hint="Free space on the disk of the state folder; nothing accepted was lost.",
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise Unavailable(
                "state_not_writable",
                f"The database in the state folder could not be opened for writing: {text}",
                hint="Check the rights of the folder LINESIDE_HOME, or run `lineside doctor`.",
            ) from error
        if "deadlock" in text:
            raise Unavailable(
                "database_contended",
                f"Two changes waited for each other; this one was undone: {text.splitlines()[0]}",
                hint="Try again; nothing of it was kept.",
            ) from error
        if error.connection_invalidated or "onnect" in text:
            hint = "Check LINESIDE_DATABASE_URL and that the server runs."
            why = f": {text.splitlines()[0]}"
            unreachable = Unavailable(
                "database_unreachable", f"The database does not answer{why}", hint=hint
            )
            unreachable.private = ((why, ""), (hint, "Try again in a moment."))
            raise unreachable from error
        raise


def _not_storable(error: Exception) -> Invalid:
    """What a database cannot keep, nor compare with what it keeps, was given by the caller."""
    said = str(error.orig if isinstance(error, DataError) else error).splitlines()[0]
    return Invalid(
        "not_storable",
        f"Something that was given cannot be kept or looked for: {said}",
        hint="Leave out characters that no text has, such as NUL, and numbers of 20 digits.",
    )
