"""What `lineside test` writes for CI servers and for people who were not there."""

import json
from pathlib import Path

import pytest

from evals.junit_shape import read_junit


def test_each_rule_is_a_test_of_the_junit_report(lineside, good: str, place: Path) -> None:
    tested = lineside("test", good, "--junit", "ci/junit.xml")

    [suite] = read_junit((place / "ci" / "junit.xml").read_text())
    assert tested.code == 0
    assert suite.attrib["name"] == "post-room"
    assert [test.attrib["name"] for test in suite.iter("testcase")] == ["accuracy >= 0.80"]
    assert "wrong: case-60" in (suite.findtext("system-out") or "")


@pytest.mark.parametrize(
    ("cases", "kind", "type_"),
    [
        ({"right": 10, "wrong": 60}, "failure", "hold"),
        ({"right": 6}, "error", "not_enough_data"),
        ({"failed": 30}, "error", "not_enough_data"),
    ],
)
def test_a_missed_rule_is_a_failure_and_an_open_one_an_error(
    lineside, write_folder, place: Path, cases: dict[str, int], kind: str, type_: str
) -> None:
    lineside("test", write_folder(**cases), "--junit", "junit.xml")

    root = read_junit((place / "junit.xml").read_text())
    [told] = root.iter(kind)
    assert told.attrib["type"] == type_
    assert "accuracy" in told.attrib["message"] or "answer" in told.attrib["message"]


def test_the_comment_has_the_sentence_a_table_and_a_plot(
    lineside, write_folder, place: Path
) -> None:
    tested = lineside("test", write_folder(right=10, wrong=60), "--markdown", "verdict.md")

    lines = (place / "verdict.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")]
    plot = lines[lines.index("```text") + 1]
    assert lines[0] == "### 🔴 Hold: post-room"
    assert lines[2].casefold() in tested.out.casefold()
    assert table[2].startswith("| `accuracy >= 0.80` | 14.3 % |")
    assert {line.count(" | ") for line in table[:3]} == {3}
    assert plot.startswith("accuracy  ")
    assert plot.index("●") < plot.index("┆")
    assert plot.endswith("✗ hold")


def test_reports_stand_beside_the_data_and_change_nothing_of_it(
    lineside, good: str, place: Path
) -> None:
    files = {"--junit": "j.xml", "--html": "v.html", "--markdown": "v.md"}
    tested = lineside("test", good, "--json", *(word for pair in files.items() for word in pair))

    assert json.loads(tested.out)["gate"]["verdict"]["decision"] == "ship"
    assert all((place / name).stat().st_size > 400 for name in files.values())


def test_a_report_that_cannot_be_written_is_said(lineside, good: str, place: Path) -> None:
    (place / "taken").write_text("")
    tested = lineside("test", good, "--html", "taken/verdict.html")

    assert tested.code == 2
    assert "`taken/verdict.html` cannot be written" in tested.err
