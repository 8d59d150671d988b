"""Finds what holds some words: full-text search of the database that the records are in.

SQLite: FTS5 in a file of its own, so that indexing never holds up the records; in segments as they
came, so that the newest that hold a word, or the beginning of very many, are found in the last of
them. PostgreSQL: a `tsvector` under GIN. Both keep words and where they stand, not the texts; the
newest come first.
"""

import re
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from lineside.core import Unavailable
from lineside.store import queries
from lineside.store.records import Records
from lineside.store.wal import write_ahead

WORD_CHARACTERS_MAX = 80
WORDS_PER_QUERY_MAX = 16
_WORD = re.compile(r"[^\W_]+")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # moments are UTC without saying so, as in the lake
_MICROSECOND = timedelta(microseconds=1)
_PLACES_PER_MICROSECOND = 1_000
_PLACE_MAX = 2**63 - 1
_TRIES_MAX = 34
_SEGMENT_SIZE = 100_000


class Indexed(NamedTuple):
    """Words of one thing, to be found again.

    Attributes:
        moment: When it began, in UTC without a zone; it comes back in this order.
        words: Its words, each at least once, with blanks between.
    """

    workspace: str
    key: str
    moment: datetime
    words: str


class TextIndex(Protocol):
    """Words of things, and the things by their words."""

    def add(self, found: Sequence[Indexed]) -> None:
        """Let these be found; one that was added before is found once all the same."""

    def find(
        self,
        workspace: str,
        wanted: Sequence[str],
        *,
        before: datetime,
        after: datetime,
        limit: int,
        may_go_on: bool = True,
    ) -> list[tuple[str, datetime]]:
        """Keys with their moments that hold every wanted word, newest first.

        Args:
            wanted: As `words_in` gives them.
            may_go_on: Whether the last may be the beginning of a word.
        """

    def remove(self, found: Sequence[Indexed]) -> None:
        """Let these be found no more; they need all words they had, and no more than `add` got.

        Those given with the same words are pieces of one thing, which need not have all of them.
        """

    def compact(self) -> None:
        """Leave nothing of what was removed on the disk; takes a while where much is kept."""


def words_in(text: str) -> list[str]:
    """The words of a text that one looks for, in small letters, 16 at most."""
    found = [word[:WORD_CHARACTERS_MAX] for word in _WORD.findall(text.lower())]
    return list(dict.fromkeys(found))[:WORDS_PER_QUERY_MAX]


def _there(
    connection: sqlite3.Connection, segment: queries.TextSegment, place: int, words: str
) -> str:
    """Those of the words that stand at a place."""
    found = dict.fromkeys(_WORD.findall(words))
    return " ".join(
        word for word in found if connection.execute(segment.has, (f'"{word}"', place)).fetchone()
    )


class FolderTextIndex:
    """The index in a SQLite file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._local = threading.local()

    def add(self, found: Sequence[Indexed]) -> None:
        if not found:
            return
        with self._clear_errors(), self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            number = self._open_segment(connection)
            segment = queries.TextSegment(number)
            connection.execute(segment.table)
            places = self._places(connection, found)
            rows = sorted(zip(places, found, strict=True), key=lambda row: row[0])
            connection.executemany(
                queries.TEXT_KEEP, [(place, one.workspace, one.key, number) for place, one in rows]
            )
            connection.executemany(segment.index, [(place, one.words) for place, one in rows])
            size = len(rows)
            connection.execute(queries.TEXT_SEGMENT, (number, rows[0][0], rows[-1][0], size))

    def find(
        self,
        workspace: str,
        wanted: Sequence[str],
        *,
        before: datetime,
        after: datetime,
        limit: int,
        may_go_on: bool = True,
    ) -> list[tuple[str, datetime]]:
        if not wanted:
            return []
        asked = " AND ".join(f'"{word}"' for word in wanted) + ("*" if may_go_on else "")
        start, end = _place_at(after), _place_at(before)
        found: list[tuple[int, str]] = []
        with self._clear_errors(), self._connection() as connection:
            for number, first, last, _ in connection.execute(queries.TEXT_SEGMENTS).fetchall():
                if len(found) == limit and found[-1][0] > last:
                    break
                if last >= start and first < end:
                    sql = queries.TextSegment(number).find
                    found += connection.execute(sql, (asked, start, end, workspace, limit))
                    found = sorted(found, reverse=True)[:limit]
        return [(key, _moment_at(place)) for place, key in found]

    def remove(self, found: Sequence[Indexed]) -> None:
        with self._clear_errors(), self._connection() as connection:
            pieces: dict[tuple[str, str], list[tuple[int, int]]] = {}
            for one in found:
                name = (one.workspace, one.key)
                places = connection.execute(queries.TEXT_PLACES, name).fetchall()
                pieces.setdefault((one.workspace, one.words), []).extend(places)
                connection.execute(queries.TEXT_FORGET, name)
            for (_, words), places in pieces.items():
                for place, number in places:
                    segment = queries.TextSegment(number)
                    # FTS5 takes the file for broken once more is taken out than was put in.
                    is_whole = len(places) == 1
                    there = words if is_whole else _there(connection, segment, place, words)
                    connection.execute(segment.unindex, (place, there))

    def compact(self) -> None:
        with self._clear_errors(), self._connection() as connection:
            # What was deleted stays readable in the file until its pieces are merged.
            for number, *_ in connection.execute(queries.TEXT_SEGMENTS).fetchall():
                connection.execute(queries.TextSegment(number).optimise)

    def _open_segment(self, connection: sqlite3.Connection) -> int:
        """The segment that takes what comes next: the last one, until it is full."""
        segments = connection.execute(queries.TEXT_SEGMENTS).fetchall()
        number, _, _, size = max(segments, default=(1, 0, 0, 0))
        return int(number) + (size >= _SEGMENT_SIZE)

    def _places(self, connection: sqlite3.Connection, found: Sequence[Indexed]) -> list[int]:
        """A row number for each, by its moment, so that row numbers sort by time."""
        taken: set[int] = set()
        places = []
        for one in found:
            place = first = _place_at(one.moment)
            for spread in range(_TRIES_MAX):
                known = (
                    place in taken or connection.execute(queries.TEXT_TAKEN, (place,)).fetchone()
                )
                if not known:
                    break
                # Where very many began at one moment, as coarse clocks have it, they move apart:
                # by less than a microsecond first, by some hours at most.
                place = first + secrets.randbelow(_PLACES_PER_MICROSECOND << spread)
            taken.add(place)
            places.append(place)
        return places

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path or ":memory:", timeout=30)
            write_ahead(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            self._prepare(connection)
            self._local.connection = connection
        with connection:
            yield connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables where they are missing; an index without segments becomes the first."""
        names = {name for (name,) in connection.execute(queries.TEXT_COLUMNS)}
        if "segment" in names:
            return
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in (*queries.TEXT_TABLES, *(queries.TEXT_DIVIDE if names else ())):
                connection.execute(statement)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Unavailable(
                "text_index_failed",
                f"The index of words could not be used: {error}",
                hint="Check free space and rights of LINESIDE_HOME, or run `lineside doctor`.",
            ) from error


class DatabaseTextIndex:
    """The index in PostgreSQL, for every machine that shares it."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def add(self, found: Sequence[Indexed]) -> None:
        rows = [
            {
                "workspace": one.workspace,
                "key": one.key,
                "place": _place_at(one.moment),
                "words": _lexemes(one.words),
            }
            for one in found
        ]
        with self._records.write() as connection:
            for row in rows:
                connection.execute(sa.text(queries.TEXT_ADD_ROW), row)

    def find(
        self,
        workspace: str,
        wanted: Sequence[str],
        *,
        before: datetime,
        after: datetime,
        limit: int,
        may_go_on: bool = True,
    ) -> list[tuple[str, datetime]]:
        if not wanted:
            return []
        asked = " & ".join(f"'{word}'" for word in wanted) + (":*" if may_go_on else "")
        values = {
            "workspace": workspace,
            "asked": asked,
            "after": _place_at(after),
            "before": _place_at(before),
            "limit": limit,
        }
        with self._records.read() as connection:
            rows = connection.execute(sa.text(queries.TEXT_FIND_ROWS), values)
            return [(row.key, _moment_at(row.place)) for row in rows]

    def remove(self, found: Sequence[Indexed]) -> None:
        with self._records.write() as connection:
            for workspace in {one.workspace for one in found}:
                keys = [one.key for one in found if one.workspace == workspace]
                connection.execute(
                    sa.text(queries.TEXT_FORGET_ROWS), {"workspace": workspace, "keys": keys}
                )

    def compact(self) -> None:
        """There is nothing to do: PostgreSQL's own vacuum does it."""


def _lexemes(words: str) -> list[str]:
    found: Iterable[str] = _WORD.findall(words)
    return sorted({word[:WORD_CHARACTERS_MAX] for word in found})


def _place_at(moment: datetime) -> int:
    place = (moment - _EPOCH) // _MICROSECOND * _PLACES_PER_MICROSECOND
    return max(-_PLACE_MAX, min(_PLACE_MAX - (_PLACES_PER_MICROSECOND << _TRIES_MAX), place))


def _moment_at(place: int) -> datetime:
    return _EPOCH + place // _PLACES_PER_MICROSECOND * _MICROSECOND
