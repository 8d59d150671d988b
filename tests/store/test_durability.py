"""A process is killed, a disk is full: what was accepted is there, once."""

import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from lineside.core import Settings
from lineside.store import LakeTable, open_store

NOTES = LakeTable("notes", {"workspace": "VARCHAR", "id": "VARCHAR", "text": "VARCHAR"})

WRITER = """
import sys, orjson
from pathlib import Path
from lineside.core import LinesideError, Settings
from lineside.store import LakeTable, open_store

values = orjson.loads(sys.argv[1])
store = open_store(Settings(**values | {"home": Path(values["home"])}))
store.add_lake_table(LakeTable("notes", orjson.loads(sys.argv[2])))
import threading
def flush_forever():
    while True:
        store.flusher.flush()
        threading.Event().wait(0.05)
threading.Thread(target=flush_forever, daemon=True).start()
size = int(sys.argv[3])
for number in range(100_000):
    row = {"workspace": "w", "id": f"n{number}", "text": "x" * size}
    try:
        store.inbox.put("w", "notes", [row])
    except LinesideError as error:
        print("refused", error.code, flush=True)
        break
    print(number, flush=True)
"""


def start_writer(
    settings: Settings, *, text_size: int, file_bytes_max: int = 0
) -> subprocess.Popen[str]:
    def limit() -> None:
        if file_bytes_max:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))

    values = orjson.dumps(asdict(settings) | {"home": str(settings.home)}).decode()
    columns = orjson.dumps(NOTES.columns).decode()
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, values, columns, str(text_size)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=limit,  # nothing else runs in this process
    )


def kept_ids(settings: Settings) -> list[str]:
    """Every id that reached the lake, doubled ones twice."""
    store = open_store(settings)
    store.add_lake_table(NOTES)
    store.flusher.flush()
    rows = store.lake.read(NOTES, "SELECT id FROM {notes}")
    store.close()
    return [row["id"] for row in rows]


def test_a_killed_process_loses_and_doubles_nothing_it_accepted(settings: Settings) -> None:
    accepted: set[str] = set()
    for _ in range(2):
        writer = start_writer(settings, text_size=200)
        assert writer.stdout is not None
        for line in writer.stdout:
            accepted.add(f"n{line.strip()}")
            if int(line) > 150:
                writer.send_signal(signal.SIGKILL)
                break
        accepted |= {f"n{line.strip()}" for line in writer.stdout if line.endswith("\n")}
        writer.wait()

    kept = kept_ids(settings)

    assert len(accepted) > 150
    assert accepted <= set(kept)


def test_each_accepted_row_reaches_the_lake_once_through_a_kill(settings: Settings) -> None:
    writer = start_writer(settings, text_size=200)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) > 300:
            writer.send_signal(signal.SIGKILL)
            break
    writer.wait()

    kept = kept_ids(settings)

    assert len(kept) == len(set(kept)) > 300


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_full_disk_refuses_and_keeps_what_was_accepted(settings: Settings) -> None:
    writer = start_writer(settings, text_size=20_000, file_bytes_max=3_000_000)
    output, _ = writer.communicate(timeout=60)
    *accepted, refusal = output.split("\n")[:-1]

    assert refusal == "refused disk_full"
    kept = kept_ids(settings)
    assert len(kept) == len(set(kept))
    assert {f"n{number}" for number in accepted} <= set(kept)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_flush_that_cannot_write_leaves_the_rows_in_the_inbox(settings: Settings) -> None:
    store = open_store(settings)
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", [{"workspace": "w", "id": "n1", "text": "x" * 300_000}])
    store.close()
    script = """
import resource, signal, sys
from pathlib import Path
from lineside.core import LinesideError, Settings
from lineside.store import LakeTable, open_store
import orjson
store = open_store(Settings(home=Path(sys.argv[1])))
store.add_lake_table(LakeTable("notes", orjson.loads(sys.argv[2])))
store.lake.read(LakeTable("notes", orjson.loads(sys.argv[2])), "SELECT 1 FROM {notes}")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
try:
    store.flusher.flush()
except LinesideError as error:
    print(error.code)
"""
    columns = orjson.dumps(NOTES.columns).decode()
    done = subprocess.run(
        [sys.executable, "-c", script, str(settings.home), columns],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() in ("lake_failed", "disk_full"), done.stderr
    assert kept_ids(settings) == ["n1"]


def test_a_state_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    from lineside.core import Unavailable

    blocked = tmp_path / "file"
    blocked.write_text("not a folder")

    with pytest.raises(Unavailable, match="cannot be written"):
        open_store(Settings(home=blocked / "home"))


def test_jobs_that_could_not_begin_do_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    broken = open_store(Settings(home=tmp_path / "broken"))
    (tmp_path / "broken" / "jobs.sqlite").mkdir()
    with pytest.raises(Exception, match="unable to open database file"):
        broken.jobs.recover()
    broken.close()

    store = open_store(Settings(home=tmp_path / "whole"))
    store.jobs.register("double", lambda payload: payload["number"] * 2)
    store.jobs.ensure("double", "job_1", {"number": 21})

    assert store.jobs.result("job_1") == 42
    store.close()
