"""What other tools mean by what they write: any of several answers, files and variables."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evals.scoring import judged
from lineside.evals import datasets
from lineside.evals.datasets.importing import ImportedCases

SUITE = """
prompts: [ask]
tests:
  - {vars: {q: file://questions/x.txt}, assert: [{type: equals, value: "{{q}} ok"}]}
  - vars: {q: Where, place: "in {{town}}", town: Ulm}
    assert: [{type: equals, value: "{{ place }}!"}]
  - {vars: {q: Why}, assert: [{type: equals, value: "{{q | upper}}"}]}
  - {vars: {q: file://../secret.txt}}
  - {vars: {q: file://make.py}}
  - {vars: {q: "{{env.HOME}}"}}
  - {vars: {q: How}, assert: [{type: equals, value: file://questions/x.txt}]}
"""


def bring(file: Path, content: Any) -> ImportedCases:
    file.write_bytes(content.encode() if isinstance(content, str) else orjson.dumps(content))
    return datasets.importing.import_cases(file)


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ({"input": "2 + 2?", "target": ["4", "four"]}, "target"),
        ({"input": "2 + 2?", "ideal": ["4", "four"]}, "ideal"),
        ({"input": "2 + 2?", "target": ["4"]}, "target"),
    ],
)
@pytest.mark.parametrize("kind", ["exact", "field_match"])
def test_any_of_several_targets_is_right(
    tmp_path: Path, sample: dict[str, Any], name: str, kind: str
) -> None:
    (case,) = bring(tmp_path / "samples.json", [sample]).dataset

    assert judged(kind, case.expected, {name: "4"}).value == 1.0
    assert judged(kind, case.expected, {name: "5"}).value == 0.0


def test_a_list_answer_must_still_be_the_very_list() -> None:
    expected = {"tags": ["new", "paid"]}
    assert judged("exact", expected, {"tags": ["new"]}).value == 0.0
    assert judged("exact", expected, {"tags": ["new", "paid"]}).value == 1.0
    assert judged("exact", {"tags": ["new"]}, {"tags": "new"}).value == 0.0


def test_several_choices_of_a_sample_are_told_as_not_taken(tmp_path: Path) -> None:
    sample = {"input": "Which?", "choices": ["a", "b", "c"], "target": ["A", "C"]}
    found = bring(tmp_path / "samples.json", [sample])
    (case,) = found.dataset
    assert (case.expected, found.unread) == ({}, {"target of several choices": 1})


def test_promptfoo_files_and_variables_are_put_in_or_told(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    (suite / "questions").mkdir(parents=True)
    (suite / "questions" / "x.txt").write_text("Who is it?\n")
    (suite / "make.py").write_text("print(1)")
    (tmp_path / "secret.txt").write_text("not for the suite")

    found = bring(suite / "promptfooconfig.yaml", SUITE)

    assert [(case.input, case.expected) for case in found.dataset] == [
        ({"q": "Who is it?"}, {"output": "Who is it? ok"}),
        ({"q": "Where", "place": "in Ulm", "town": "Ulm"}, {"output": "in Ulm!"}),
        ({"q": "Why"}, {}),
        ({"q": "How"}, {"output": "Who is it?"}),
    ]
    assert found.left_out == {
        "a variable is a file that is not in the folder of the suite": 1,
        "a variable is a file that is no text of at most 1 MiB": 1,
        "a template that only promptfoo can fill in": 1,
    }
    assert found.unread == {"prompts": 1, "assert equals with a file or template": 1}


def test_a_line_of_promptfoos_csv_is_filled_in_too(tmp_path: Path) -> None:
    rows = 'q,__expected\nWhere,equals: {{q}} ok\nWhy,"{{q | upper}}"\nfile://gone.txt,x\n'
    found = bring(tmp_path / "tests.csv", rows)
    assert [(case.input, case.expected) for case in found.dataset] == [
        ({"q": "Where"}, {"output": "Where ok"}),
        ({"q": "Why"}, {}),
    ]
    assert found.left_out == {"a variable is a file that is not in the folder of the suite": 1}
    assert found.unread == {"__expected with a file or template": 1}
