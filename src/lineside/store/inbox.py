"""The door of telemetry: what was put here is durable before the caller goes on."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from lineside.core import Unavailable
from lineside.store.changes import Changes
from lineside.store.queries import (
    Envelope,
    count_waiting,
    delete_envelopes,
    has_waiting,
    insert_envelopes,
    last_waiting,
    waiting_envelopes,
)
from lineside.store.records import Records

READ_ROWS_MAX = 2_000
READ_BYTES_MAX = 8 * 1024 * 1024
"""A reader looks at so much of what waits; the rest is in the lake within seconds."""

_COUNT_SECONDS = 1.0
_COUNT_SECONDS_FAR = 5.0
_COMMIT_ENVELOPES_MAX = 500


class _AnotherTookThem(Exception):
    """Undoes what was done in the same transaction."""


class Inbox:
    """Accepts rows for the lake, many callers in one commit, and refuses when too much waits."""

    def __init__(self, records: Records, changes: Changes, *, rows_max: int) -> None:
        self._records = records
        self._changes = changes
        self._rows_max = rows_max
        self._waiting = 0
        self._counted_at = 0.0
        self._queue: SimpleQueue[tuple[Envelope, Future[None]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()

    def put(self, workspace: str, lake_table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Keep rows for a lake table; they are durable when this returns.

        Raises:
            Unavailable: More rows wait for the lake than `LINESIDE_INBOX_ROWS_MAX`, or the disk is
                full. Nothing was kept.
        """
        payload = orjson.dumps(list(rows))
        self.put_soon(Envelope(workspace, lake_table, len(rows), payload)).result()

    def put_soon(self, envelope: Envelope) -> "Future[None]":
        """Keep an envelope and return at once; the future is done when it is durable.

        Callers at work at the same time share one commit, which is why this is quick under load.
        A caller that cancels the future waits no longer; what it put is kept all the same.
        """
        self._refuse_when_full()
        future: Future[None] = Future()
        with self._start_lock:
            self._start()
            # Within the lock, so that a thread told to end does not leave it behind.
            self._queue.put((envelope, future))
        return future

    def keep(self, envelope: Envelope) -> "asyncio.Future[None]":
        """The same for callers on an event loop, whose changes share one commit as well."""
        self._refuse_when_full()
        self._waiting += envelope.rows
        change = partial(insert_envelopes, envelopes=[envelope])
        return self._changes.make(change, is_certain=True)

    def oldest(
        self,
        lake_table: str,
        *,
        rows_max: int,
        bytes_max: int,
        after: int = 0,
        until: int | None = None,
    ) -> list[Envelope]:
        """What waits for the lake, oldest first, up to about so many rows or bytes.

        Args:
            after: Id of an envelope; only later ones.
            until: Id of an envelope; only it and earlier ones.
        """
        with self._records.read() as connection:
            return waiting_envelopes(
                connection,
                lake_table,
                rows_max=rows_max,
                bytes_max=bytes_max,
                after=after,
                until=until,
            )

    def last_id(self, lake_table: str) -> int | None:
        """Id of what came last and still waits; nothing where nothing waits."""
        with self._records.read() as connection:
            return last_waiting(connection, lake_table)

    def newest(
        self,
        lake_table: str,
        *,
        workspace: str,
        rows_max: int = READ_ROWS_MAX,
        bytes_max: int = READ_BYTES_MAX,
    ) -> list[Envelope]:
        """The last that came of one workspace and still waits, in the order it came."""
        with self._records.read() as connection:
            return waiting_envelopes(
                connection,
                lake_table,
                rows_max=rows_max,
                bytes_max=bytes_max,
                workspace=workspace,
                newest=True,
            )

    def has(self, lake_table: str, *, workspace: str | None = None) -> bool:
        """Whether anything waits, found out without reading what."""
        with self._records.read() as connection:
            return has_waiting(connection, lake_table, workspace=workspace)

    def remove(self, ids: Sequence[int]) -> None:
        """Let go of envelopes whose rows the lake has."""
        with self._records.write() as connection:
            delete_envelopes(connection, ids)

    def exchange(self, ids: Sequence[int], envelopes: Sequence[Envelope]) -> bool:
        """Put others in the place of envelopes, or do nothing where one of these is gone by now."""
        try:
            with self._records.write() as connection:
                if delete_envelopes(connection, ids) != len(ids):
                    raise _AnotherTookThem
                if envelopes:
                    insert_envelopes(connection, list(envelopes))
        except _AnotherTookThem:
            return False
        return True

    def count(self) -> int:
        """Rows that wait for the lake."""
        with self._records.read() as connection:
            self._waiting = count_waiting(connection)
        self._counted_at = time.monotonic()
        return self._waiting

    def close(self) -> None:
        """Commit what was put and stop the committing thread."""
        with self._start_lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    def _refuse_when_full(self) -> None:
        # To count reads every row that waits: as long as they are few, their number is no worry.
        is_near = self._waiting * 4 > self._rows_max
        seconds = _COUNT_SECONDS if is_near else _COUNT_SECONDS_FAR
        if time.monotonic() - self._counted_at > seconds:
            self.count()
        if self._waiting > self._rows_max:
            raise Unavailable(
                "inbox_full",
                f"{self._waiting:,} rows wait for the lake, the limit is {self._rows_max:,}",
                hint="Send again later; `lineside doctor` says why nothing is flushed.",
            )

    def _start(self) -> None:
        if self._thread is None:
            # Of its own: in a shared one, it might take the sign to end of the one before it.
            self._queue = SimpleQueue()
            self._thread = threading.Thread(
                target=self._commit_forever,
                args=(self._queue,),
                name="lineside-inbox",
                daemon=True,
            )
            self._thread.start()

    def _commit_forever(self, queue: "SimpleQueue[tuple[Envelope, Future[None]] | None]") -> None:
        while True:
            first = queue.get()
            batch = [first] if first is not None else []
            stopping = first is None
            while len(batch) < _COMMIT_ENVELOPES_MAX:
                try:
                    item = queue.get_nowait()
                except Empty:
                    break
                if item is None:
                    stopping = True
                else:
                    batch.append(item)
            if batch:
                self._commit([item for item in batch if item is not None])
            if stopping:
                return

    def _commit(self, batch: list[tuple[Envelope, "Future[None]"]]) -> None:
        # From here on none can be cancelled; one that was before is told nothing.
        told = [future for _, future in batch if future.set_running_or_notify_cancel()]
        try:
            with self._records.write() as connection:
                insert_envelopes(connection, [envelope for envelope, _ in batch])
        except Exception as error:  # noqa: BLE001 # handed to every caller that waits on it
            for future in told:
                future.set_exception(error)
            return
        self._waiting += sum(envelope.rows for envelope, _ in batch)
        for future in told:
            future.set_result(None)
