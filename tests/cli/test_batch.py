"""`lineside batch`, as a person types it."""

import logging
from pathlib import Path

import pytest


@pytest.fixture
def live(lineside, write_folder, place: Path) -> Path:
    folder = write_folder(right=20)
    assert lineside("release", str(folder)).code == 0
    assert lineside("deploy", "post-room").code == 0
    # DBOS logs into the stderr it saw first, which a test has for itself.
    logging.getLogger("dbos").handlers.clear()
    rows = place / "letters.csv"
    rows.write_text("id,message\n1,a refund\n2,where is it\n3,broken\n")
    return rows


def test_a_file_is_answered_looked_at_and_asked_again(lineside, live: Path, place: Path) -> None:
    empty = lineside("batch", "list")
    done = lineside("batch", "post-room", str(live), "--out", "answers.csv")
    [listed] = lineside("batch", "list", "--json").data
    batch_id = listed["batch"]["id"]

    assert "No batches yet" in empty.err
    assert done.code == 0
    assert f"{batch_id}: done" in done.out
    assert "2 of 3 rows answered, 1 failed" in done.out
    assert "1 × invalid:model_refused_request" in done.out
    assert "(line 4)" in done.out
    assert "resume" in done.err
    lines = (place / "answers.csv").read_text().splitlines()
    assert lines[0].startswith("id,message,output_topic,batch_line,batch_status")
    assert [line.split(",")[2] for line in lines[1:]] == ["refund", "delivery", ""]
    again = lineside("batch", "run", "post-room", str(live))
    assert "The same rows were given to v1 before" in again.err
    retried = lineside("batch", "resume", batch_id, "--failed", "--json").data
    assert (retried["batch"]["attempt"], retried["batch"]["rows_failed"]) == (2, 1)
    assert lineside("batch", "export", batch_id, "answers.parquet").code == 0
    assert (place / "answers.parquet").read_bytes()[:4] == b"PAR1"
    assert "post-room" in lineside("batch", "list").out
    assert lineside("batch", "remove", batch_id).code == 0
    assert "There is no batch" in lineside("batch", "show", batch_id).err


def test_a_limit_ends_it_with_another_exit_code(lineside, live: Path) -> None:
    live.write_text("text\n" + "hello\n" * 50)
    words = ("batch", "post-room", str(live), "--map", "message=text")
    ended = lineside(*words, "--max-minutes", "0.000001", "--limit", "40")
    shown = lineside("batch", "list", "--json").data[0]

    assert ended.code == 1
    assert "stopped: time" in ended.out
    assert "goes on with the rest" in ended.err
    assert shown["batch"]["rows_total"] == 40
    resumed = lineside("batch", "resume", shown["batch"]["id"], "--max-minutes", "5")
    assert (resumed.code, "40 of 40 rows answered" in resumed.out) == (0, True)
    assert "not under way" in lineside("batch", "cancel", shown["batch"]["id"]).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["batch", "post-room", "nowhere.csv"], "nowhere.csv"),
        (["batch", "nobody", "letters.csv"], "There is no use case `nobody`"),
        (["batch", "post-room", "letters.csv", "--release", "v7"], "no release `v7`"),
        (["batch", "post-room", "letters.csv", "--out", "a.xlsx"], "ends with `.xlsx`"),
        (["batch", "post-room", "letters.csv", "--map", "message"], "names no column"),
        (["batch", "lst"], "Did you mean `lineside batch list`"),
        (["batch", "run"], "No file was named"),
        (["batch", "resume", "batch_1"], "There is no batch `batch_1`"),
    ],
)
def test_what_is_wrong_is_said(lineside, live: Path, words: list[str], said: str) -> None:
    ended = lineside(*words)

    assert ended.code in (1, 2)
    assert said in ended.err
