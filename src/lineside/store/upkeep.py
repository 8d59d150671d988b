"""Keeps the lake quick and small: merges small files, lets go of what no reader needs any more."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from lineside.core import LinesideError, Unavailable, now
from lineside.store import bounds, queries
from lineside.store.intake import LakeTable
from lineside.store.lake import GROUP_ROWS, OUT_OF_MEMORY, Lake
from lineside.store.locks import Lock, held

SMALL_FILES_MAX = 12
"""A table with more small files than this is merged."""

SMALL_BYTES = 6 * 1024 * 1024
# As much as can be merged and sorted in the memory one process gives DuckDB: texts unpack to ten
# times that. Lists, of which sums are made, unpack to more, so that less is tried where it fails.
_MERGED_SIZES = ("12MB", "3MB", "1MB")
_MERGES_MAX = 4
_READERS_NEED = timedelta(minutes=10)
_COMPACT_SECONDS_MAX = 60
_MARKS_NEEDED = timedelta(minutes=10)
_ORPHANS_SEARCHED = timedelta(hours=6)
_ORPHANS_AGED = timedelta(hours=1)


class UpkeepDone(NamedTuple):
    """What one round of upkeep did."""

    merged: int
    removed: int


class Upkeep:
    """One round at a time, by whoever holds the lake's lock; readers never wait for it."""

    def __init__(
        self, lake: Lake, *, lock: Callable[[], Lock], tables: Callable[[], Sequence[LakeTable]]
    ) -> None:
        self._lake = lake
        self._lock = lock
        self._tables = tables
        self._orphans_at: datetime | None = None
        self._tasks: list[Callable[[], object]] = []

    def add(self, task: Callable[[], object]) -> None:
        """Let a room keep its part in order in every round; the task takes the lock it needs."""
        self._tasks.append(task)

    def run(self, *, rewrites: bool = False) -> UpkeepDone:
        """Merge what is in many small files and remove files that nobody can read any more.

        Every table, and what a room keeps in order, is tried whatever else fails; the first failure
        is raised last.

        Args:
            rewrites: Also write files anew that hold deleted rows, and remove the old ones at once,
                so that what was erased is gone from the disk when this returns.

        Raises:
            Unavailable: The lake cannot be used; nothing is lost.
        """
        if self._lake.is_untouched:
            return UpkeepDone(0, 0)
        failures = [] if rewrites else self._failures_of_tasks()
        merged = 0
        for table in self._tables():
            try:
                with held(self._lock()):
                    merged += self._merge(table, rewrites=rewrites)
            except LinesideError as error:
                logging.getLogger(__name__).warning("A table was not merged", exc_info=True)
                failures.append(error)
        with held(self._lock()):
            self._lake.forget_marks(now() - _MARKS_NEEDED)
            oldest = [(now() if rewrites else now() - _READERS_NEED).isoformat()]
            self._lake.run((), queries.LAKE_EXPIRE, oldest)
            if rewrites:
                self._lake.change((), bounds.widen_tables())
                gone = self._lake.run((), queries.LAKE_CLEAN_ALL)
            else:
                # A dump of the catalogue names files that were merged since. In SQLite, DuckLake
                # compares days only; there, whoever copies the catalogue holds the lake's lock.
                gone = self._lake.run((), queries.LAKE_CLEAN, oldest)
            removed = len(gone) + self._remove_orphans()
        if failures:
            raise failures[0]
        return UpkeepDone(merged, removed)

    def _failures_of_tasks(self) -> list[Exception]:
        """Do every task; gives what went wrong, so that none keeps the others waiting for ever."""
        failures = []
        for task in self._tasks:
            try:
                task()
            except Exception as error:
                logging.getLogger(__name__).warning("A part of upkeep failed", exc_info=True)
                failures.append(error)
        return failures

    def _remove_orphans(self) -> int:
        """Remove files of writers that died before they committed.

        To list every file of a bucket costs money and time, so this is done now and then. A file
        must have lain for an hour: a writer that has lost its lock may not know yet.
        """
        if self._orphans_at is not None and now() - self._orphans_at < _ORPHANS_SEARCHED:
            return 0
        self._orphans_at = now()
        aged = (now() - _ORPHANS_AGED).isoformat()
        return len(self._lake.run((), queries.LAKE_ORPHANS, [aged]))

    def _merge(self, table: LakeTable, *, rewrites: bool) -> int:
        ((_, _, small),) = self._lake.run([table], queries.LAKE_FILES, [SMALL_BYTES, table.name])
        if rewrites:
            for derived in self._tables():
                if derived.is_derived:
                    self._lake.run([derived], queries.lake_empty(derived.name))
            self._lake.run([table], queries.LAKE_OUT_OF_CATALOGUE, [table.name])
            self._lake.change([table], bounds.fill_gaps(table))
            self._lake.run([table], queries.LAKE_REWRITE, [table.name])
        merged = self._merge_small(table) if small > SMALL_FILES_MAX else 0
        if rewrites or table.found_by:
            self._lake.change([table], bounds.leave_gaps(table))
        return merged

    def _merge_small(self, table: LakeTable) -> int:
        for size in _MERGED_SIZES:
            try:
                return self._merge_up_to(size, table)
            except Unavailable as error:
                if error.code != OUT_OF_MEMORY or size == _MERGED_SIZES[-1]:
                    raise
        return 0

    def _merge_up_to(self, size: str, table: LakeTable) -> int:
        # A lake that an older version has made has larger groups of rows.
        for option in (("target_file_size", size), ("parquet_row_group_size", GROUP_ROWS)):
            self._lake.run([table], queries.LAKE_OPTION, list(option))
        merged = 0
        for _ in range(_MERGES_MAX):
            # One at a time: they would share the memory.
            done = self._lake.run([table], queries.LAKE_MERGE, [table.name, 1])
            if not done:
                break
            merged += sum(int(row[2]) for row in done)
        return merged


def compact(path: Path) -> None:
    """Write a SQLite file anew, as deleted rows stay readable in it until then."""
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=_COMPACT_SECONDS_MAX, isolation_level=None)
    try:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unavailable(
            "not_compacted",
            f"What was deleted may still be readable in {path.name}: {error}",
            hint="The rows are gone; do it again when less is going on, to have the bytes gone.",
        ) from error
    finally:
        connection.close()
