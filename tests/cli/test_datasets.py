from collections.abc import Callable
from pathlib import Path

from cli.conftest import Run


def test_versions_of_cases_are_listed_compared_and_exported(
    lineside: Run, write_folder: Callable[..., str]
) -> None:
    lineside("test", write_folder(right=2))
    lineside("test", write_folder(right=3))

    listed = lineside("datasets", "ls", "--json").data
    found = lineside("datasets", "diff", "post-room/cases@1", "post-room/cases@2")

    assert [(row["version"], row["cases"]) for row in listed] == [(2, 3), (1, 2)]
    assert "1 added, 0 removed, 0 changed, 2 the same\n+ case-2" in found.out
    assert len(lineside("datasets", "export", "post-room/cases@1").out.splitlines()) == 2
    assert "refund number 0" in lineside("datasets", "show", "post-room/cases").out


def test_an_import_says_what_it_took_and_overwrites_nothing(lineside: Run, place: Path) -> None:
    (place / "samples.jsonl").write_text('{"input": "q", "ideal": "a", "note": "n"}\n')

    done = lineside("datasets", "import", "samples.jsonl", "cases.jsonl")
    again = lineside("datasets", "import", "samples.jsonl", "cases.jsonl")

    assert "openai: 1 read, 1 kept in `cases.jsonl`" in done.out
    assert "`note` of 1 was not taken" in done.out
    assert again.code != 0


def test_a_split_is_held_out_until_it_is_unlocked_with_a_reason(
    lineside: Run, write_folder: Callable[..., str]
) -> None:
    folder = write_folder(right=30)
    lineside("test", folder)
    name = "post-room/cases"
    divided = lineside("datasets", "split", name, "--share", "train=60", "--share", "exam=40")
    held = lineside("datasets", "hold-out", name, "exam")
    rest = lineside("datasets", "export", name)
    refused = lineside("test", folder)
    unlocked = lineside("datasets", "unlock", name, "exam", "--reason", "Exam of v1")

    assert "post-room/cases@2: 30 cases" in divided.out
    assert "of `exam` are held out in post-room/cases" in held.out
    assert 0 < len(rest.out.splitlines()) < 30
    assert "held-out cases are not shown" in rest.err
    assert refused.code == 1
    assert "of 30 cases are held out: split `exam` of `post-room/cases`" in refused.err
    assert "is open until" in unlocked.out
    assert "Exam of v1" in lineside("ledger", "ls", "--json").out
    assert lineside("test", folder).code != 1


def test_leaks_between_splits_end_with_an_exit_code(
    lineside: Run, place: Path, write_folder: Callable[..., str]
) -> None:
    lineside("test", write_folder(right=1))
    table = "input.message,split\nWhere is it?,train\nwhere is it?,test\n"
    (place / "seen.csv").write_text(table)
    kept = lineside("datasets", "keep", "seen.csv", "post-room/seen")
    found = lineside("datasets", "duplicates", "post-room/seen")

    assert "post-room/seen@1: 2 cases" in kept.out
    assert "2 cases, 100 % alike, leaks: test, train" in found.out
    assert found.code == 1
    assert lineside("datasets", "keep", "seen.csv", "post-ro/seen").code == 2
