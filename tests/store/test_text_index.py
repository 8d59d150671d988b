"""Finding things by their words: many at one moment, late ones, and in an older index."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lineside.store import text_index

NOON = datetime(2026, 3, 1, 12)  # noqa: DTZ001 # as the index has moments
HOUR = timedelta(hours=1)


def _find(
    index: text_index.FolderTextIndex, *words: str, limit: int = 1_000, before: datetime
) -> list[tuple[str, datetime]]:
    return index.find("default", words, before=before, after=NOON - HOUR, limit=limit)


def test_thousands_that_began_at_one_moment_are_all_found(tmp_path: Path) -> None:
    index = text_index.FolderTextIndex(tmp_path / "words.sqlite")
    for start in range(0, 5_000, 1_000):
        index.add(
            [
                text_index.Indexed("default", f"trace-{number}", NOON, f"parcel {number}")
                for number in range(start, start + 1_000)
            ]
        )

    found = _find(index, "parcel", before=NOON + HOUR, limit=10_000)
    assert len({key for key, _ in found}) == 5_000
    ((key, moment),) = _find(index, "parcel", "4321", before=NOON + HOUR)
    assert key == "trace-4321"
    assert abs(moment - NOON) < timedelta(seconds=1)


def test_the_newest_are_found_first_wherever_they_were_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_index, "_SEGMENT_SIZE", 100)
    index = text_index.FolderTextIndex(tmp_path / "words.sqlite")
    # Every third batch comes late, and one clock is years ahead.
    minutes = [hour * 60 + minute for hour in (0, 2, 1, 3, 5, 4, 6) for minute in range(60)]
    made = [
        text_index.Indexed("default", f"{at}", NOON + timedelta(minutes=at), f"parcel{at} parcel")
        for at in [*minutes, 5_000_000]
    ]
    for start in range(0, len(made), 30):
        index.add(made[start : start + 30])

    ever = NOON + timedelta(days=9_000)
    for word in ("parcel", "par"):
        newest = _find(index, word, before=ever, limit=90)
        assert [key for key, _ in newest] == ["5000000", *map(str, range(419, 330, -1))]
        assert _find(index, word, before=NOON + HOUR / 60) == [("0", NOON)]
    assert len(_find(index, "parcel", before=ever)) == 421

    index.remove([made[0], made[-1]])
    assert len(_find(index, "parcel", before=ever)) == 419
    index.compact()
    assert _find(index, "parcel5000000", before=ever) == []


def test_an_index_of_before_segments_is_read_and_added_to(tmp_path: Path) -> None:
    index_path = tmp_path / "words.sqlite"
    with sqlite3.connect(index_path) as before:
        before.execute("CREATE TABLE places (place INTEGER PRIMARY KEY, workspace TEXT, key TEXT)")
        before.execute(
            "CREATE VIRTUAL TABLE words USING fts5 (body, content='', detail=none, columnsize=0)"
        )
        place = int((NOON - datetime(1970, 1, 1)).total_seconds()) * 10**9  # noqa: DTZ001
        before.execute("INSERT INTO places VALUES (?, 'default', 'old')", (place,))
        before.execute("INSERT INTO words (rowid, body) VALUES (?, 'a lost parcel')", (place,))
    before.close()

    index = text_index.FolderTextIndex(index_path)
    index.add([text_index.Indexed("default", "new", NOON + HOUR, "a found parcel")])
    both = [("new", NOON + HOUR), ("old", NOON)]
    assert _find(index, "parc", before=NOON + 2 * HOUR) == both
    index.remove([text_index.Indexed("default", "old", NOON, "a lost parcel")])
    assert _find(index, "parcel", before=NOON + 2 * HOUR) == both[:1]
