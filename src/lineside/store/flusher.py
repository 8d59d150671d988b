"""Moves what was received from the inbox into the lake, in batches, exactly once."""

from collections.abc import Callable

from lineside.core import Unavailable
from lineside.store.inbox import Inbox
from lineside.store.intake import Intake, LakeTable
from lineside.store.lake import Lake
from lineside.store.locks import Lock, held
from lineside.store.queries import Envelope
from lineside.store.text_index import TextIndex

BATCH_ROWS = 10_000
BATCH_BYTES = 16 * 1024 * 1024
_BATCHES_PER_TURN_MAX = 50


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

    def add(self, intake: Intake) -> None:
        """Let what waits under this name be moved."""
        self._intakes[intake.name] = intake

    def intake(self, name: str) -> Intake:
        """The intake of this name; its room must be open."""
        return self._intakes[name]

    def tables(self) -> list[LakeTable]:
        """Every lake table that rows are moved into."""
        return [table for intake in self._intakes.values() for table in intake.tables]

    def flush(self) -> int:
        """Move everything that waits now and return how many rows left the inbox.

        Raises:
            Unavailable: The lake cannot be written; the rows stay in the inbox.
        """
        moved = 0
        for intake in self._intakes.values():
            for _ in range(_BATCHES_PER_TURN_MAX):
                batch = self._flush_batch(intake)
                if batch is None:
                    break
                moved += batch
        return moved

    def _flush_batch(self, intake: Intake) -> int | None:
        """Move one batch and return its rows; nothing when none waits."""
        if not self._inbox.has(intake.name):
            return None
        with held(self._lock()) as lock:
            waiting = self._inbox.oldest(intake.name, rows_max=BATCH_ROWS, bytes_max=BATCH_BYTES)
            if not waiting:
                return None
            marked = self._lake.marked()
            fresh = [envelope for envelope in waiting if envelope.id not in marked]
            known = [envelope for envelope in waiting if envelope.id in marked]
            if known:
                # Whoever wrote their rows may have died before it wrote down their words.
                self._texts.add(intake.prepare(known, ask=_nothing, keeps=True).texts)
            if fresh:
                self._keep(intake, fresh, lock)
            self._inbox.remove(_ids(waiting))
            return sum(envelope.rows for envelope in fresh)

    def _keep(self, intake: Intake, envelopes: list[Envelope], lock: Lock) -> None:
        rows, texts = intake.prepare(envelopes, ask=self._ask(intake), keeps=True)
        if not lock.is_held:
            raise Unavailable(
                "lake_lock_lost",
                "The database went away while rows were on their way into the lake",
                hint="Nothing is lost: they stay in the inbox and are moved when it is back.",
            )
        by_table = {table: rows.get(table.name, []) for table in intake.tables}
        self._lake.append(by_table, envelope_ids=_ids(envelopes))
        self._texts.add(texts)

    def _ask(self, intake: Intake) -> Callable[..., list[dict[str, object]]]:
        def ask(sql: str, parameters: list[object]) -> list[dict[str, object]]:
            with self._lake.reading(intake.tables) as reading:
                return reading.rows(sql, parameters)

        return ask


def _nothing(_sql: str, _parameters: list[object]) -> list[dict[str, object]]:
    return []


def _ids(envelopes: list[Envelope]) -> list[int]:
    return [envelope.id for envelope in envelopes if envelope.id is not None]
