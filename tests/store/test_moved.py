"""A state folder that was moved, copied or restored elsewhere is read and written as before."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lineside.core import Settings, Unavailable
from lineside.store import LakeTable, Store, open_store, upkeep

ROWS = LakeTable("kept", {"workspace": "VARCHAR", "number": "BIGINT"}, sorted_by=("number",))
EACH = 20  # fewer are not worth a file


def opened(settings: Settings) -> Store:
    store = open_store(settings)
    store.add_lake_table(ROWS)
    return store


def keep(store: Store, number: int) -> None:
    store.inbox.put("default", "kept", [{"workspace": "default", "number": number}] * EACH)
    store.flusher.flush()


def numbers(store: Store) -> list[int]:
    rows = store.lake.read(ROWS, "SELECT DISTINCT number FROM {kept} ORDER BY number")
    return [row["number"] for row in rows]


def elsewhere(settings: Settings, home: Path) -> Settings:
    return replace(settings, home=home)


def test_a_moved_folder_is_read_and_written(settings: Settings, tmp_path: Path) -> None:
    store = opened(settings)
    keep(store, 1)
    store.close()
    moved = shutil.move(settings.home, tmp_path / "moved")

    store = opened(elsewhere(settings, moved))
    assert numbers(store) == [1]
    keep(store, 2)
    store.upkeep.run(rewrites=True)
    store.close()

    again = opened(elsewhere(settings, moved))
    assert numbers(again) == [1, 2]
    again.close()
    assert not settings.home.exists()


def test_a_copy_and_what_it_was_copied_from_go_their_own_ways(
    made_home: Path, tmp_path: Path
) -> None:
    first = opened(Settings(home=made_home))
    keep(first, 1)
    first.close()
    copy = opened(Settings(home=shutil.copytree(made_home, tmp_path / "copy")))
    first = opened(Settings(home=made_home))

    copy.lake.change([ROWS], [("DELETE FROM lake.kept", [])])
    keep(copy, 2)
    copy.upkeep.run(rewrites=True)
    keep(first, 3)
    first.upkeep.run(rewrites=True)

    assert (numbers(first), numbers(copy)) == ([1, 3], [2])
    first.close()
    copy.close()
    with sqlite3.connect(tmp_path / "copy" / "lake" / "catalogue.sqlite") as catalogue:
        asked = "SELECT value FROM ducklake_metadata WHERE key = 'data_path'"
        (place,) = catalogue.execute(asked).fetchone()
    assert place == f"{tmp_path / 'copy' / 'lake' / 'data'}/", "for who reads it without us"


def test_a_catalogue_without_its_files_is_refused_and_says_what_is_missing(
    settings: Settings, tmp_path: Path
) -> None:
    store = opened(settings)
    keep(store, 1)
    store.close()
    moved = shutil.move(settings.home, tmp_path / "moved")
    files = shutil.move(moved / "lake" / "data", tmp_path / "files")

    store = opened(elsewhere(settings, moved))
    with pytest.raises(Unavailable, match=r"main/kept/.*\.parquet` is missing"):
        numbers(store)
    store.close()

    store = opened(replace(settings, home=moved, lake=str(files)))
    assert numbers(store) == [1]
    store.close()


def test_a_backup_taken_as_the_guide_says_is_whole_though_much_goes_on(
    made_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SMALL_FILES_MAX", 1)
    guide = (Path(__file__).parents[2] / "docs/guides/production.md").read_text()
    (script,) = re.findall(r"# file: backup\.py\n(.*?)```", guide, re.DOTALL)
    backup = tmp_path / "backup"
    store = opened(Settings(home=made_home))
    keep(store, 0)

    made = subprocess.Popen(
        [sys.executable, "-c", script, str(backup)],
        env=os.environ | {"LINESIDE_HOME": str(made_home)},
    )
    kept = 0
    while made.poll() is None or kept < 3:
        kept += 1
        keep(store, kept)
        store.upkeep.run()
    assert made.returncode == 0
    store.close()

    restored = opened(Settings(home=backup))
    restored.flusher.flush()
    rows = restored.lake.read(ROWS, "SELECT number, count(*) AS n FROM {kept} GROUP BY number")
    assert {row["number"]: row["n"] for row in rows} == dict.fromkeys(range(len(rows)), EACH)
    assert rows
    restored.close()
