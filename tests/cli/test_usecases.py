import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lineside.cli import usecases
from lineside.cli.main import root


def test_init_writes_a_folder_that_checks_clean(lineside, place: Path) -> None:
    made = lineside("init", "my-case", "--template", "predict-classify", "--yes")

    assert made.code == 0
    assert "lineside check my-case" in made.out
    checked = lineside("check", "my-case")
    assert checked.code == 0
    assert "nothing wrong" in checked.out
    assert "Declared, not enforced yet:" in checked.out


def test_answers_become_advice_and_shape_the_file(lineside, place: Path) -> None:
    made = lineside(
        "init", "my-case", "--json", "--task", "classify", "--rule-would-do", "--no-chat",
        "--problem", "Clerks read every form", "--who", "12 clerks", "--today", "2 min each",
    )  # fmt: skip

    assert any("rule would do" in sentence for sentence in made.data["advice"])
    assert made.data["next"][0] == "lineside check my-case"
    assert "Clerks read every form" in (place / "my-case" / "usecase.yaml").read_text()


def test_init_asks_at_a_terminal_what_was_not_given(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usecases, "_is_terminal", lambda: True)
    typed = "Clerks read every form\n\n\n\n\n2\nn\ny\n\nn\nn\n"

    asked = CliRunner().invoke(
        root, ["init", "my-case", "--who", "12 clerks"], input=typed, catch_exceptions=False
    )

    text = (place / "my-case" / "usecase.yaml").read_text()
    assert "What is the problem" in asked.stderr
    assert "Who has it" not in asked.stderr
    assert "form would do" in asked.stdout
    assert "Clerks read every form" in text
    assert "12 clerks" in text


def test_init_never_overwrites(lineside, place: Path) -> None:
    lineside("init", "my-case", "--yes")
    manifest = place / "my-case" / "usecase.yaml"
    manifest.write_text("mine")

    again = lineside("init", "my-case", "--yes")

    assert again.code == 1
    assert "usecase.yaml" in again.err
    assert manifest.read_text() == "mine"


def test_check_names_every_problem_with_file_and_line(lineside, good: str) -> None:
    manifest = Path(good) / "usecase.yaml"
    text = manifest.read_text().replace("risk: minimal", "risk: smal")
    manifest.write_text(text.replace("dataset: cases.jsonl", "dataset: case.jsonl"))

    checked = lineside("check", good)

    assert checked.code == 1
    line = text.splitlines().index("risk: smal") + 1
    assert f"usecase.yaml:{line}:" in checked.out
    assert "Did you mean `cases.jsonl`?" in checked.out
    problems = lineside("check", good, "--json").data["problems"]
    assert problems[0]["line"] == line
    assert all(problem["hint"] for problem in problems)


def test_check_reads_the_test_cases_too(lineside, good: str) -> None:
    cases = Path(good) / "cases.jsonl"
    lines = cases.read_text().splitlines()
    lines[41] = lines[41][:-1]
    cases.write_text("\n".join(lines))

    checked = lineside("check", good)

    assert checked.code == 1
    assert "cases.jsonl" in checked.out
    assert "42" in checked.out


def test_check_sets_the_model_up_without_calling_it(lineside, good: str) -> None:
    (Path(good) / "answers.jsonl").write_text('{"when": {}}\n')

    checked = lineside("check", good)

    assert checked.code == 1
    assert "answers.jsonl" in checked.out


def test_check_of_a_folder_that_is_none_is_wrong_use(lineside, place: Path) -> None:
    (place / "empty").mkdir()

    assert lineside("check", "nowhere").code == 2
    empty = lineside("check", "empty")
    assert empty.code == 1
    assert "usecase.yaml" in empty.out


def test_usecases_say_what_is_live_and_what_the_gate_said(lineside, good: str) -> None:
    lineside("release", good)
    lineside("deploy", "post-room")

    listed = lineside("usecases", "ls")
    assert "v1 100 %" in listed.out
    assert "✓ ship" in listed.out
    data = json.loads(lineside("usecases", "ls", "--json").out)
    assert data[0]["use_case"]["name"] == "post-room"
    assert data[0]["rollout"]["arms"][0]["label"] == "v1"


def test_check_and_test_say_which_cases_the_model_was_taught(lineside, place: Path) -> None:
    lineside("init", "post", "--template", "predict-classify", "--yes")
    golden = (place / "post" / "datasets" / "golden.jsonl").read_text()
    assert "taught" not in lineside("check", "post").err

    train = place / "post" / "datasets" / "train.jsonl"
    train.write_text(train.read_text() + golden.replace("May I renew", "MAY I  renew"))
    checked, tested = lineside("check", "post"), lineside("test", "post")

    assert checked.code == 0
    said = f"{len(golden.splitlines())} of {len(golden.splitlines())} test cases stand in"
    assert said in checked.err
    assert said in tested.err
