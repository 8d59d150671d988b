"""Moves what was received from the inbox into the lake, in batches, exactly once."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from lineside.core import Unavailable
from lineside.store.inbox import Inbox
from lineside.store.intake import Ask, Intake, LakeTable, Rows
from lineside.store.lake import Lake
from lineside.store.locks import Lock, held
from lineside.store.queries import Envelope
from lineside.store.text_index import Indexed, TextIndex

BATCH_ROWS = 2_000
BATCH_BYTES = 6 * 1024 * 1024
_BATCHES_PER_TURN_MAX = 20


class Flusher:
    """Moves rows; any process may, and whoever holds the lake's lock does.

    Rows go first into the lake, in one transaction with a mark of their envelopes, then out of the
    inbox. A death in between repeats nothing and loses nothing.
    """

    def __init__(
        self, inbox: Inbox, lake: Lake, texts: TextIndex, *, lock: Callable[[], Lock]
    ) -> None:
        self._inbox = inbox
        self._lake = lake
        self._texts = texts
        self._lock = lock
        self._intakes: dict[str, Intake] = {}
        self._gatherers: list[Callable[[bool], int]] = []
        # DuckDB and SQLite work outside of Python's lock, and so on a core of their own.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="lineside-lake")

    def add(self, intake: Intake) -> None:
        """Let what waits under this name be moved."""
        self._intakes[intake.name] = intake

    def add_gatherer(self, gather: Callable[[bool], int]) -> None:
        """Let a room put what comes in pieces together, from the inbox into the inbox.

        Args:
            gather: Done once all that waits is in the lake; gives how many pieces it took away. It
                is told whether to take those as well that more may come of.
        """
        self._gatherers.append(gather)

    def intake(self, name: str) -> Intake:
        """The intake of this name; its room must be open."""
        return self._intakes[name]

    def tables(self) -> list[LakeTable]:
        """Every lake table that rows are moved into."""
        return [table for intake in self._intakes.values() for table in intake.tables]

    def flush(self, *, everything: bool = False) -> int:
        """Move everything that waits now and return how many rows left the inbox.

        What comes meanwhile is left for the next time: a batch of a few rows costs nearly what one
        of thousands does, and somebody who always sends would be served in such batches for ever.

        Args:
            everything: Also pieces of what may not be whole yet.

        Raises:
            Unavailable: The lake cannot be written; the rows stay in the inbox.
        """
        moved = self._flush_intakes()
        gathered = sum(gather(everything) for gather in self._gatherers)
        return moved + (self._flush_intakes() if gathered else 0)

    def _flush_intakes(self) -> int:
        moved = 0
        for intake in self._intakes.values():
            until, after = self._inbox.last_id(intake.name) or 0, 0
            while after < until:
                rows, after = self._flush_turn(intake, after, until)
                moved += rows
        return moved

    def _flush_turn(self, intake: Intake, after: int, until: int) -> tuple[int, int]:
        """Move some batches, the next being read while one is written.

        Returns:
            How many rows were moved, and the id of the envelope up to which nothing waits.
        """
        moved = 0
        writing: Future[int] | None = None
        marked: set[int] | None = None
        with held(self._lock()) as lock:
            for _ in range(_BATCHES_PER_TURN_MAX):
                batch = self._inbox.oldest(
                    intake.name,
                    after=after,
                    until=until,
                    rows_max=BATCH_ROWS,
                    bytes_max=BATCH_BYTES,
                )
                intake.read_ahead(batch)
                if writing is not None:
                    moved += writing.result()
                    writing = None
                after = (batch[-1].id if batch else None) or until
                if not batch:
                    break
                with self._lake.reading(intake.tables) as lake:
                    # What we mark is not met again, and nobody else marks while we hold the lock.
                    marked = lake.marked() if marked is None else marked
                    ready = _prepared(intake, batch, marked, ask=lake.rows)
                writing = self._begin_writing(intake, ready, lock)
            if writing is not None:
                moved += writing.result()
        return moved, after

    def _begin_writing(self, intake: Intake, ready: "_Ready", lock: Lock) -> "Future[int]":
        """Let a batch be written beside us; gives how many rows that moves."""
        if not lock.is_held:
            raise Unavailable(
                "lake_lock_lost",
                "The database went away while rows were on their way into the lake",
                hint="Nothing is lost: they stay in the inbox and are moved when it is back.",
            )
        by_table = {table: ready.rows.get(table.name, []) for table in intake.tables}
        fresh_ids, ids = _ids(ready.fresh), _ids(ready.batch)
        rows = sum(envelope.rows for envelope in ready.fresh)

        def write() -> int:
            if fresh_ids:
                self._lake.append(by_table, envelope_ids=fresh_ids)
            self._texts.add(ready.texts)
            self._inbox.remove(ids)
            return rows

        return self._writer.submit(write)


class _Ready(NamedTuple):
    """A batch that is to be written.

    Attributes:
        fresh: Those of the batch whose rows the lake has not.
    """

    batch: list[Envelope]
    fresh: list[Envelope]
    rows: Rows
    texts: list[Indexed]


def _prepared(intake: Intake, batch: list[Envelope], marked: set[int], *, ask: Ask) -> _Ready:
    fresh = [envelope for envelope in batch if envelope.id not in marked]
    known = [envelope for envelope in batch if envelope.id in marked]
    # Whoever wrote the rows of known ones may have died before it wrote down their words.
    again = intake.prepare(known, ask=_nothing, keeps=True).texts if known else ()
    rows, texts = intake.prepare(fresh, ask=ask, keeps=True)
    return _Ready(batch, fresh, rows, [*again, *texts])


def _nothing(_sql: str, _parameters: list[Any]) -> list[dict[str, Any]]:
    return []


def _ids(envelopes: list[Envelope]) -> list[int]:
    return [envelope.id for envelope in envelopes if envelope.id is not None]
