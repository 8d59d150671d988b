"""Files as people have them: what cannot be read is named by its line, and the others go on."""

import os
import shutil
from pathlib import Path

import pytest

from lineside.apps import deploy, release_folder
from lineside.apps.batches import (
    Batch,
    batch_results,
    list_batches,
    resume_batch,
    start_batch,
    wait_for_batch,
)
from lineside.apps.batches.rows import ROW_BYTES_MAX, open_rows
from lineside.core import Conflict, Invalid
from lineside.evals import plan
from lineside.trust import Scope
from lineside.usecases import read_folder


@pytest.fixture
def live(scope: Scope, make_folder) -> Scope:
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    return scope


def run(scope: Scope, folder: Path, name: str, content: bytes) -> Batch:
    path = folder / name
    path.write_bytes(content)
    return wait_for_batch(scope, start_batch(scope, "triage", path))


def failed(scope: Scope, batch: Batch) -> list[tuple[int, str | None]]:
    found = batch_results(scope, batch.id, limit=1_000)
    return [(one.line, one.error_code) for one in found if one.status == "failed"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"", "`rows.csv` is empty"),
        ("rows.csv", b"message\n", "`rows.csv` has no rows"),
        ("rows.csv", b"\n\n", "`rows.csv` has no columns"),
        ("rows.jsonl", b"\n \n", "`rows.jsonl` has no rows"),
        ("rows.xlsx", b"PK\x03\x04", "ends with `.xlsx`, expected .csv"),
        ("rows.csv", b"text,id\nhello,1\n", "has no column for `message`; its columns: `text`"),
        ("rows.jsonl", b'{"text": "hello"}\n', "has no column for `message`"),
        ("rows.csv", b"message,id,message\na,1,b\n", "more than one column called `message`"),
        ("rows.csv", "message\nhello\n".encode("utf-16"), "the file is UTF-16, expected UTF-8"),
        ("rows.parquet", b"message\nhello\n", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_a_batch_is_refused_in_words(
    live: Scope, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid) as error:
        start_batch(live, "triage", tmp_path / name)

    assert said in error.value.message
    assert error.value.hint
    assert list_batches(live) == []


def test_bad_rows_of_csv_are_named_by_line_and_the_others_go_on(
    live: Scope, tmp_path: Path
) -> None:
    huge = b"x" * (ROW_BYTES_MAX + 10)
    lines = [
        b"id,message",
        b"1,message 1",
        b"2,message \xff 2",
        b"3",
        b'4,"two\nlines"',
        b"6,",
        b"7," + huge,
        b"8,message 8",
        b'9,"left open',
        b"10,message 10",
        b"",
        b"12,message 12,more",
        b"13,message 13",
    ]
    batch = run(live, tmp_path, "rows.csv", b"\xef\xbb\xbf" + b"\n".join(lines))

    assert failed(live, batch) == [
        (3, "invalid:not_utf8"),
        (4, "invalid:cells"),
        (7, "invalid:input_misfit"),
        (8, "invalid:row_too_large"),
        (10, "invalid:not_csv"),
        (13, "invalid:cells"),
    ]
    answered = [one.row["id"] for one in batch_results(live, batch.id) if one.output]
    assert (batch.state, answered) == ("done", ["1", "4", "8", "10", "13"])
    assert "line 3: byte 11 is 0xFF" in batch.failures["invalid:not_utf8"].message
    assert batch.failures["invalid:cells"].lines == [4, 13]


def test_bad_rows_of_json_lines_are_named_by_line(live: Scope, tmp_path: Path) -> None:
    huge = b'{"message": "' + b"x" * (ROW_BYTES_MAX + 10) + b'"}'
    lines = [
        b'{"message": "message 1"}',
        b'{"message": 12}',
        b'["message"]',
        b'{"message": "\xff"}',
        b"{",
        huge,
        b'{"message": "message 7", "id": {"a": 1}}',
        b'{"id": 8}',
    ]
    batch = run(live, tmp_path, "rows.jsonl", b"\n".join(lines))

    assert failed(live, batch) == [
        (2, "invalid:input_misfit"),
        (3, "invalid:not_json"),
        (4, "invalid:not_utf8"),
        (5, "invalid:not_json"),
        (6, "invalid:row_too_large"),
        (8, "invalid:input_misfit"),
    ]
    assert batch.rows_answered == 2
    misfit = batch.failures["invalid:input_misfit"]
    assert "`message` is `12`, expected string" in misfit.message


def test_a_quotation_mark_left_open_takes_one_row_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    row = b"%d," + b"y" * 200 + b"\n"
    opened = b'5,"left open' + b"y" * 200 + b"\n"
    lines = [opened if at == 5 else row % at for at in range(20_000)]
    path.write_bytes(b"id,message\n" + b"".join(lines))

    with open_rows(path, path.name) as file:
        found = list(file.rows)
    assert [one.line for one in found if one.problem] == [7]
    assert [one.values["id"] for one in found if not one.problem] == [
        str(at) for at in range(20_000) if at != 5
    ]


def test_one_bad_row_among_many_is_found_by_its_line(live: Scope, tmp_path: Path) -> None:
    rows = [b"message 1\n"] * 3_000
    rows[2_345] = b"a,b\n"
    batch = run(live, tmp_path, "rows.csv", b"message\n" + b"".join(rows))

    assert (batch.rows_answered, batch.rows_failed) == (2_999, 1)
    assert batch.failures["invalid:cells"].lines == [2_347]


def test_a_file_that_changes_afterwards_changes_nothing(live: Scope, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("message\n" + "".join(f"message {at}\n" for at in range(30)))
    limits = plan.RunLimits(seconds_max=0.000_001)
    stopped = wait_for_batch(live, start_batch(live, "triage", path, limits=limits))
    assert stopped.state == "stopped: time"
    path.write_text("message\nsomething else\n")
    more = resume_batch(live, stopped.id, limits=plan.RunLimits(seconds_max=60))
    done = wait_for_batch(live, more)

    rows = [one.row["message"] for one in batch_results(live, done.id)]
    assert rows == [f"message {at}" for at in range(30)]
    other = wait_for_batch(live, start_batch(live, "triage", path))
    assert (other.id != done.id, other.rows_total) == (True, 1)


def test_a_file_that_changes_while_it_is_read_is_refused(live: Scope, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("message\n" + "message 1\n" * 2_500)

    def changed(rows: int) -> None:
        if rows == 1_000:
            copy = tmp_path / "copy.csv"
            shutil.copy(path, copy)
            with path.open("a") as file:
                file.write("message 2\n")
            os.utime(path)

    with pytest.raises(Conflict, match="was changed while it was read"):
        start_batch(live, "triage", path, told=changed)
    assert list_batches(live) == []
    kept = live.store.home / "payloads"
    assert [file for file in kept.rglob("*") if file.is_file()] == []
