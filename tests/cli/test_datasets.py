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
