import json
from pathlib import Path


def write_labels(path: Path, *, misses: int) -> Path:
    """60 answers of which 40 are labelled; of the 20 that people say yes to, some are missed."""
    rows = ["id,said,ann"]
    for n in range(60):
        truth = "good" if n % 2 else "poor"
        said = "poor" if n % 2 and n < 2 * misses else truth
        rows.append(f"a{n},{said},{truth if n < 40 else ''}")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def test_a_recorded_judge_is_held_against_people_and_licensed(lineside, place: Path) -> None:
    labels = write_labels(place / "letters.csv", misses=0)
    asked = ("--case", "id", "--people", "ann", "--verdict", "said", "--yes", "good")

    none = lineside("judges", "ls")
    given = lineside("judges", "licence", "tone", "--labels", str(labels), "--model", "m-1", *asked)
    listed = lineside("judges", "ls")
    shown = lineside("judges", "show", "tone", "--json").data

    assert "lineside judges sample NAME" in none.err
    assert given.code == 0
    assert "✓ granted: `tone` for letters, until 20" in given.out
    assert "true pass rate 50 %" in given.out
    assert "judge: yes 20 0 judge: no 0 20" in " ".join(given.out.split())
    assert "✓ granted" in listed.out
    assert (shown["standing"], shown["licence"]["models"]) == ("granted", ["m-1"])
    assert "judge.licensed" in lineside("ledger", "ls").out


def test_a_judge_that_misses_is_refused_with_what_it_missed(lineside, place: Path) -> None:
    labels = write_labels(place / "letters.csv", misses=8)
    asked = ("--case", "id", "--people", "ann", "--verdict", "said", "--yes", "good")
    command = ("judges", "licence", "tone", "--labels", str(labels), "--model", "m-1", *asked)

    given = lineside(*command)
    lower = lineside(*command, "--bar", "kappa=0.1", "--bar", "sensitivity=0.3")
    wrong = lineside(*command, "--bar", "kapa=0.1")

    assert given.code == 1
    assert "✗ refused: `tone`" in given.out
    assert lower.code == 0
    assert wrong.code == 2
    assert "hint: Did you mean `kappa`?" in wrong.err
    assert json.loads(lineside(*command, "--json").out)["licence"]["shortfalls"]


def test_a_judge_without_a_run_says_what_to_do(lineside, place: Path) -> None:
    labels = write_labels(place / "letters.csv", misses=0)
    given = lineside("judges", "licence", "tone", "--labels", str(labels))
    assert given.code == 2
    assert "None of the newest 200 runs has a score `tone`" in given.err
    assert "run `lineside test`" in given.err
