"""All that lineside keeps, opened together from one state folder."""

import shutil
from pathlib import Path

from lineside.core import Conflict, Settings, Unavailable
from lineside.store.blobs import Blobs
from lineside.store.flusher import Flusher
from lineside.store.inbox import Inbox
from lineside.store.jobs import Jobs
from lineside.store.lake import Lake, LakeTable
from lineside.store.locks import FolderLock, lock_for
from lineside.store.migrations import migrate
from lineside.store.records import Records, sqlite_url


class Store:
    """Records, inbox, lake, blobs and jobs of one installation.

    Attributes:
        records: Small, mutable truth in SQL.
        inbox: Accepted telemetry on its way to the lake.
        lake: Wide, append-only rows.
        blobs: Bytes by content address.
        jobs: Durable work.
        flusher: Moves inbox to lake; started by the server.
        home: The state folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = _made_writable(settings.home)
        url = settings.database_url or sqlite_url(self.home / "records.sqlite")
        self.records = Records(url)
        self.blobs = Blobs(self.home / "blobs")
        self.inbox = Inbox(self.records, rows_max=settings.inbox_rows_max)
        self.lake = Lake(
            catalogue=self._catalogue(), files=settings.lake or str(self.home / "lake" / "data")
        )
        self.jobs = Jobs(self.records, folder=self.home)
        self.flusher = Flusher(
            self.records,
            self.inbox,
            self.lake,
            lock=lock_for(self.records, self.home, "flusher"),
            seconds=settings.flush_seconds,
        )

    def add_lake_table(self, table: LakeTable) -> None:
        """Let a room keep rows in the lake; called once when the room opens."""
        self.flusher.add_table(table)

    def claim_server(self, address: str) -> FolderLock:
        """Be the one server of this state folder until the process ends.

        Raises:
            Conflict: Another server holds it; says where it listens.
        """
        lock = FolderLock(self.home / "locks" / "server")
        if not lock.try_acquire(note=address):
            raise Conflict(
                "server_running",
                f"A server already runs on `{self.home}`: {lock.note()}",
                hint="Use that one, stop it first, or set LINESIDE_HOME to another folder.",
            )
        return lock

    def close(self) -> None:
        """Let go of everything; what was accepted is kept."""
        self.flusher.stop()
        self.jobs.close()
        self.inbox.close()
        self.lake.close()
        self.records.close()

    def _catalogue(self) -> str:
        if self.settings.is_embedded:
            return f"sqlite:{self.home / 'lake' / 'catalogue.sqlite'}"
        return "postgres:" + self.settings.database_url.replace("+psycopg", "")


def open_store(settings: Settings) -> Store:
    """Open the state folder, make it if it is not there, and bring its database up to date."""
    store = Store(settings)
    turn = FolderLock(store.home / "locks" / "migrations")
    turn.acquire()
    try:
        migrate(store.records)
    finally:
        turn.release()
    return store


def free_bytes(home: Path) -> int:
    """Space left on the disk of the state folder."""
    return shutil.disk_usage(home).free


def _made_writable(home: Path) -> Path:
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(
            "state_not_writable",
            f"The state folder `{home}` cannot be written: {error.strerror}",
            hint="Set LINESIDE_HOME to a folder you may write, or give yourself the right to.",
        ) from error
    return home
