"""Moves telemetry from the inbox into the lake, in batches, as long as the server runs."""

import threading
import time

from lineside.core import LinesideError
from lineside.store.inbox import Inbox
from lineside.store.lake import Lake, LakeTable
from lineside.store.locks import Lock
from lineside.store.queries import delete_envelopes
from lineside.store.records import Records

BATCH_ROWS = 20_000
BATCH_BYTES = 32 * 1024 * 1024
_BATCHES_PER_TURN_MAX = 50


class Flusher:
    """One per state folder: whoever holds the lock moves rows; the others leave it to them.

    Rows go first into the lake, in one transaction with a mark of their envelopes, then out of the
    inbox. A death in between repeats nothing and loses nothing.
    """

    def __init__(
        self, records: Records, inbox: Inbox, lake: Lake, *, lock: Lock, seconds: float
    ) -> None:
        self._records = records
        self._inbox = inbox
        self._lake = lake
        self._lock = lock
        self._seconds = seconds
        self._tables: dict[str, LakeTable] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_error: str | None = None

    def add_table(self, table: LakeTable) -> None:
        """Let rows of this table be moved."""
        self._tables[table.name] = table

    def flush(self) -> int:
        """Move everything that waits now and return how many rows reached the lake.

        Raises:
            Unavailable: The lake cannot be written; the rows stay in the inbox.
        """
        moved = 0
        for table in self._tables.values():
            for _ in range(_BATCHES_PER_TURN_MAX):
                envelopes = self._inbox.waiting(
                    table.name, rows_max=BATCH_ROWS, bytes_max=BATCH_BYTES
                )
                if not envelopes:
                    break
                moved += self._lake.append(table, envelopes)
                ids = [envelope.id for envelope in envelopes if envelope.id is not None]
                with self._records.write() as connection:
                    delete_envelopes(connection, ids)
                self._lake.forget_marks(table, max(ids))
        return moved

    def start(self) -> None:
        """Flush every few seconds in a thread of its own, while this process holds the lock."""
        self._thread = threading.Thread(target=self._run, name="lineside-flusher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand and give the lock back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._lock.release()

    def _run(self) -> None:
        holds = False
        while not self._stop.wait(self._seconds):
            holds = holds or self._lock.try_acquire()
            if not holds:
                continue
            try:
                self.flush()
                self.last_error = None
            except LinesideError as error:
                self.last_error = f"{error.message} ({time.strftime('%H:%M:%S')})"
