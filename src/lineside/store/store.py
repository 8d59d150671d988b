"""All that lineside keeps, opened together from one state folder."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lineside.core import Conflict, Settings, Unavailable
from lineside.store.blob_bucket import BlobBucket
from lineside.store.blobs import BlobFolder, BlobPlace, Blobs
from lineside.store.changes import Changes
from lineside.store.flusher import Flusher
from lineside.store.flushing import Flushing
from lineside.store.inbox import Inbox
from lineside.store.intake import Intake, LakeTable, PlainIntake
from lineside.store.jobs import Jobs
from lineside.store.keepers import Keeper, SessionKeeper, TraceKeeper
from lineside.store.lake import Lake, Reading
from lineside.store.lake_files import LakePlace
from lineside.store.locks import FolderLock, Lock, held, lock_for
from lineside.store.migrations import migrate
from lineside.store.records import Records, sqlite_url
from lineside.store.text_index import DatabaseTextIndex, FolderTextIndex, Indexed, TextIndex
from lineside.store.upkeep import Upkeep, compact


class Store:
    """Records, inbox, lake, blobs and jobs of one installation.

    Attributes:
        records: Small, mutable truth in SQL.
        changes: Makes many callers' changes of the records durable, without a wait of the loop.
        inbox: Accepted telemetry on its way to the lake.
        lake: Wide, append-only rows.
        texts: Finds traces by their words.
        blobs: Bytes by content address: files of apps, datasets, fitted models. They stay.
        payloads: The same for what was sent to us and may have to be erased.
        jobs: Durable work.
        flusher: Moves inbox to lake, when it is asked to.
        upkeep: Keeps the lake quick and small, when it is asked to.
        flushing: Has a process of its own do that again and again; started by the server.
        at_close: What rooms still have to write down before the store is closed.
        keepers: What rooms keep of persons among the records, by its name in the plural; whoever
            erases a person asks them all.
        session_keepers: What rooms keep of sessions; it goes with the session, and with its user.
        trace_keepers: What rooms keep that came of traces; it goes wherever those go.
        home: The state folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = _made_writable(settings.home)
        url = settings.database_url or sqlite_url(self.home / "records.sqlite")
        self.records = Records(url)
        self.blobs = Blobs(self._blob_places("blobs"))
        self.payloads = Blobs(self._blob_places("payloads"))
        self.changes = Changes(self.records)
        self.inbox = Inbox(self.records, self.changes, rows_max=settings.inbox_rows_max)
        self.lake = Lake(
            LakePlace(
                catalogue=self._catalogue(),
                files=settings.lake or str(self.home / "lake" / "data"),
                s3_endpoint=settings.s3_endpoint,
                s3_region=settings.s3_region,
                memory_mb=settings.lake_memory_mb,
            )
        )
        self.texts: TextIndex = (
            FolderTextIndex(self.home / "words.sqlite")
            if self.records.is_sqlite
            else DatabaseTextIndex(self.records)
        )
        self.jobs = Jobs(self.records, folder=self.home)
        self.flusher = Flusher(self.inbox, self.lake, self.texts, lock=self.lake_lock)
        self.upkeep = Upkeep(self.lake, lock=self.lake_lock, tables=self.flusher.tables)
        self.flushing = Flushing(settings, self.inbox)
        self.at_close: list[Callable[[], object]] = []
        self.keepers: dict[str, Keeper] = {}
        self.session_keepers: dict[str, SessionKeeper] = {}
        self.trace_keepers: dict[str, TraceKeeper] = {}

    def add_intake(self, intake: Intake) -> None:
        """Let a room keep rows in the lake; called once when the room opens."""
        self.flusher.add(intake)

    def add_lake_table(self, table: LakeTable) -> None:
        """Let a room keep plain rows in a lake table of its own."""
        self.add_intake(PlainIntake(table))

    @contextmanager
    def reading(self, name: str, *, workspace: str) -> Iterator[tuple[Reading, Sequence[Indexed]]]:
        """One state of the lake with what waits for it beside, and the words of what waits.

        What waits is read before the lake: a row that moves meanwhile is marked in the lake, and
        then not counted again. Of what waits, the newest 2,000 rows are seen; under a load in which
        more do, the rest follows within seconds.

        Args:
            name: Of the intake whose tables are read.
        """
        intake = self.flusher.intake(name)
        waiting = self.inbox.newest(name, workspace=workspace)
        with self.lake.reading(intake.tables) as lake:
            texts: Sequence[Indexed] = ()
            if waiting:
                marked = lake.marked()
                fresh = [envelope for envelope in waiting if envelope.id not in marked]
                rows, texts = intake.prepare(fresh, ask=lake.rows, keeps=False)
                lake.add(rows)
            yield lake, texts

    def forget_deleted(self) -> None:
        """Leave nothing of what was deleted in any file; takes a while where much is kept."""
        self.texts.compact()
        self.upkeep.run(rewrites=True)
        if self.records.is_sqlite:
            for name in ("records.sqlite", "words.sqlite", "lake/catalogue.sqlite"):
                compact(self.home / name)

    @contextmanager
    def changing_lake(self) -> Iterator[None]:
        """Hold the lake's lock, as whoever changes its rows must; what arrives waits meanwhile."""
        with held(self.lake_lock()):
            yield

    def lake_lock(self) -> Lock:
        """The lock of whoever writes into the lake, not yet taken."""
        return lock_for(self.records, self.home, "lake")

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
        for task in self.at_close:
            task()
        self.flushing.stop()
        self.jobs.close()
        self.changes.close()
        self.inbox.close()
        self.lake.close()
        self.records.close()

    def _blob_places(self, name: str) -> list[BlobPlace]:
        """Where blobs are written, then where those lie that were kept before it was set."""
        settings = self.settings
        here = BlobFolder(self.home / name)
        where = f"{settings.blobs.rstrip('/')}/{name}" if settings.blobs else ""
        if not where and settings.lake.startswith("s3://"):
            # Not below the lake's files: what the catalogue does not name is removed there.
            where = f"{settings.lake.rstrip('/')}-{name}"
        if not where:
            return [here]
        if not where.startswith("s3://"):
            return [BlobFolder(Path(where)), here]
        bucket = BlobBucket(where, endpoint=settings.s3_endpoint, region=settings.s3_region)
        return [bucket, here]

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
