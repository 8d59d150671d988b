"""One holder at a time, over processes, given back by the system when the holder dies."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from lineside.store.records import Records


class FolderLock:
    """A lock file in the state folder; a killed holder loses it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def try_acquire(self, *, note: str = "") -> bool:
        """Take the lock if nobody holds it; `note` is what others read while we do."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, note.encode())
        self._handle = handle
        return True

    def acquire(self) -> None:
        """Wait until the lock is ours."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._handle = handle

    @property
    def is_held(self) -> bool:
        """Whether it is still ours."""
        return self._handle is not None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def remove(self) -> None:
        """Give the lock back and leave no file; for locks that one process alone ever takes."""
        self.path.unlink(missing_ok=True)
        self.release()

    def note(self) -> str:
        """What the present holder says of itself, or nothing."""
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return ""


class DatabaseLock:
    """The same promise over machines: an advisory lock of PostgreSQL, on its own connection."""

    def __init__(self, records: Records, name: str) -> None:
        self._records = records
        self._key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        self._connection: sa.Connection | None = None

    def try_acquire(self, *, note: str = "") -> bool:  # noqa: ARG002 # the server names the holder
        """Take the lock if no connection to this database holds it."""
        statement = sa.select(sa.func.pg_try_advisory_lock(self._key))
        connection, is_ours = self._records.connect_alone(statement)
        if not is_ours:
            connection.close()
            return False
        self._connection = connection
        return True

    def acquire(self) -> None:
        """Wait until the lock is ours."""
        statement = sa.select(sa.func.pg_advisory_lock(self._key))
        self._connection, _ = self._records.connect_alone(statement)

    def remove(self) -> None:
        """Give the lock back; the database keeps nothing of it."""
        self.release()

    @property
    def is_held(self) -> bool:
        """Whether it is still ours; a server that was stopped meanwhile has given it away."""
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.select(1))
        except sa.exc.DBAPIError:
            return False
        return True

    def release(self) -> None:
        if self._connection is not None:
            # The lock belongs to the session, which the pool would keep open; end the session.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


Lock = FolderLock | DatabaseLock


@contextmanager
def held(lock: Lock) -> Iterator[Lock]:
    """Wait for the lock, have it while the block runs, and give it back."""
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def lock_for(records: Records, folder: Path, name: str) -> Lock:
    """A lock that everyone who shares these records sees."""
    if records.is_sqlite:
        return FolderLock(folder / "locks" / name)
    return DatabaseLock(records, name)
