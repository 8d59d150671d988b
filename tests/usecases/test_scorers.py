from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.usecases import ScorerDeclaration, check_folder, read_folder

Make = Callable[..., Path]
DATASET = "dataset: datasets/golden.jsonl\n"


def _with(make: Make, *scorers: str, gate: str = "cost_usd <= 1") -> Path:
    lines = "".join(f"    - {scorer}\n" for scorer in scorers)
    folder = make((DATASET, f"{DATASET}  scorers:\n{lines}"), ("accuracy >= 0.85", gate))
    (folder / "scorers").mkdir(exist_ok=True)
    (folder / "scorers" / "polite.py").write_text("def score(context):\n    return 1.0\n")
    return folder


def test_without_scorers_accuracy_latency_and_cost_are_measured(make: Make) -> None:
    scorers = read_folder(make()).manifest.scorers

    assert [(s.name, s.kind, dict(s.arguments)) for s in scorers] == [
        ("accuracy", "exact", {}),
        ("latency_ms", "latency_ms", {}),
        ("cost_usd", "cost_usd", {}),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "arguments"),
    [
        ("right: {exact: topic}", "exact", {"fields": ["topic"]}),
        ("right: exact", "exact", {}),
        (
            'ref: {regex: {field: topic, pattern: "^l"}}',
            "regex",
            {"field": "topic", "pattern": "^l"},
        ),
        ("near: {numeric: {field: confidence, tolerance: 0.01}}", "numeric",
         {"field": "confidence", "absolute": 0.01}),
        ("near: {numeric: {field: confidence, tolerance: 1%}}", "numeric",
         {"field": "confidence", "relative": 0.01}),
        ("f1: {set_f1: topic}", "set_f1", {"field": "topic"}),
        ("says: {contains: {field: topic, text: loan}}", "contains",
         {"field": "topic", "text": "loan"}),
        ("fast: latency_ms", "latency_ms", {}),
        ("polite: {python: scorers/polite.py:score}", "python",
         {"function": "scorers/polite.py:score"}),
    ],
)  # fmt: skip
def test_a_scorer_reads_in_its_short_form(
    make: Make, text: str, kind: str, arguments: dict[str, object]
) -> None:
    [scorer] = read_folder(_with(make, text)).manifest.tests.scorers

    assert (scorer.kind, dict(scorer.arguments)) == (kind, arguments)
    assert ScorerDeclaration.read(scorer.declared()) == scorer


def test_json_schema_checks_the_output_that_the_app_declares(make: Make) -> None:
    folder = read_folder(_with(make, "valid: json_schema"))

    assert folder.scorers[0].arguments == {"schema": folder.output_schema}


def test_json_schema_takes_a_schema_of_its_own(make: Make) -> None:
    own = "valid: {json_schema: {schema: {required: [topic]}}}"
    folder = read_folder(_with(make, own))

    assert folder.scorers[0].arguments == {"schema": {"required": ["topic"]}}


def test_a_python_scorer_is_part_of_the_release(make: Make) -> None:
    folder = read_folder(_with(make, "polite: {python: scorers/polite.py:score}"))

    assert b"def score" in folder.files["scorers/polite.py"]


@pytest.mark.parametrize(
    ("text", "read", "hint"),
    [
        ("right: {exat: topic}", "`exat`", "Did you mean `exact`?"),
        ("right: {exact: topci}", "`topci`", "Did you mean `topic`?"),
        ("right", "`right`", "A scorer looks like"),
        ("ref: {regex: topic}", "`regex` without `pattern`", "pattern:"),
        ("ref: {regex: {field: topic, patern: x}}", "`patern`", "Did you mean `pattern`?"),
        ("near: {numeric: {field: confidence, tolerance: -1}}", "`-1` for `absolute`", "A scorer"),
        ("polite: {python: scorers/polite.py:scor}", "`scor`", "Did you mean `score`?"),
        ("polite: {python: scorers/polit.py:score}", "`scorers/polit.py`, which is", "polite.py"),
        ("polite: {python: scorers/polite.py}", "`scorers/polite.py`", "polite.py:score"),
        ("polite: {python: ../polite.py:score}", "`../polite.py`", "Copy the file into"),
    ],
)
def test_a_bad_scorer_names_its_line_and_what_to_write(
    make: Make, text: str, read: str, hint: str
) -> None:
    [problem] = check_folder(_with(make, text))

    assert problem.line == 17
    assert problem.read.startswith(read)
    assert hint in str(problem.hint)


def test_a_python_scorer_that_does_not_parse_names_its_line_and_is_never_run(
    make: Make, tmp_path: Path
) -> None:
    folder = _with(make, "polite: {python: scorers/polite.py:score}")
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w')\ndef score(context:\n"
    (folder / "scorers" / "polite.py").write_text(code)

    [problem] = check_folder(folder)

    assert problem.line == 17
    assert "Line 2" in str(problem.hint)
    assert not ran.exists()
