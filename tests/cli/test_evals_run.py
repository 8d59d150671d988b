"""`lineside evals run`: scorers from a file, a run to compare with, reports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evals.junit_shape import read_junit

OWN = """
def short(context):
    return len(context.output["reply"]) < 9
"""
SCORERS = """
- polite: {regex: {field: reply, pattern: "(?i)please|thank"}}
- short: {python: "own.py:short"}
"""


@pytest.fixture
def outputs(place: Path) -> list[str]:
    """The arguments that judge recorded answers; the last one is impolite."""
    cases = [{"id": f"c{n}", "input": {"n": n}, "expected": {"reply": "x"}} for n in range(40)]
    answers = [{"id": f"c{n}", "output": {"reply": f"Thank you, {n}"}} for n in range(39)]
    answers.append({"id": "c39", "output": {"reply": "No."}})
    for name, rows in (("golden.jsonl", cases), ("answers.jsonl", answers)):
        (place / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "scorers.yaml").write_text(SCORERS)
    (place / "own.py").write_text(OWN)
    return ["evals", "run", "--target", "answers.jsonl", "--dataset", "golden.jsonl"]


def test_scorers_come_from_a_file_as_in_a_manifest(lineside, outputs: list[str]) -> None:
    ran = lineside(*outputs, "--scorers", "scorers.yaml", "--json")

    scores = ran.data["summary"]["scores"]
    assert ran.code == 0
    assert scores["polite"]["interval"]["value"] == 39 / 40
    assert scores["short"]["interval"]["value"] == 1 / 40


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("polite: yes", "holds dict, expected a list"),
        ("- polite: {regx: reply}", "Did you mean `regex`?"),
        ("- short: {python: 'gone.py:short'}", "gone.py"),
    ],
)
def test_a_file_of_scorers_that_cannot_be_used_is_told(
    lineside, outputs: list[str], place: Path, written: str, said: str
) -> None:
    (place / "scorers.yaml").write_text(written)

    ran = lineside(*outputs, "--scorers", "scorers.yaml")

    assert ran.code == 2
    assert said in ran.err


def test_rules_compare_with_a_run_that_is_named(lineside, outputs: list[str], place: Path) -> None:
    wanted = [*outputs, "--scorers", "scorers.yaml"]
    rules = ["--rule", "polite >= 0.5", "--rule", "not worse than live by 0.02 on polite"]
    alone = lineside(*wanted, *rules)
    assert (alone.code, "needs a run to compare with" in alone.err) == (2, True)
    assert "--baseline latest" in alone.err.replace("\n", " ")

    before = lineside(*wanted, "--json").data["run"]["id"]
    worse = (place / "answers.jsonl").read_text().replace("Thank you", "Whatever")
    (place / "answers.jsonl").write_text(worse)
    ran = lineside(*wanted, *rules, "--baseline", before, "--junit", "j.xml")

    assert ran.code == 1
    assert ran.out.startswith("Hold: ")
    [suite] = read_junit((place / "j.xml").read_text())
    assert len(list(suite.iter("failure"))) == 2


def test_looks_on_the_way_compare_with_the_run_that_is_named(
    lineside, outputs: list[str], place: Path
) -> None:
    wanted = [*outputs, "--scorers", "scorers.yaml"]
    before = lineside(*wanted, "--json").data["run"]["id"]
    worse = (place / "answers.jsonl").read_text().replace("Thank you", "Whatever")
    (place / "answers.jsonl").write_text(worse)

    rule = ("--rule", "not worse than live by 0.02 on polite")
    ran = lineside(*wanted, *rule, "--baseline", before, "--early-stop", "--json")

    assert ran.code == 1
    assert ran.data["run"]["plan"]["baseline_run_id"] == before
    assert [look["decision"] for look in ran.data["run"]["looks"]] == ["hold"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("accurcy >= 0.5", "Did you mean `accuracy`?"),
        ("accuracy >= 85", "expected a number from 0 to 1, since `accuracy` is a share"),
        ("not worse than live by 2", "Did you mean `2%`?"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_rule_that_cannot_be_judged_is_told_before_anything_is_asked(
    lineside, outputs: list[str], rule: str, said: str, more: tuple[str, ...]
) -> None:
    baseline = ("--baseline", "latest") if rule.startswith("not") else ()
    if baseline:
        lineside(*outputs)
    before = len(lineside("evals", "ls", "--json").data)

    ran = lineside(*outputs, "--rule", rule, *baseline, *more)

    assert (ran.code, said in ran.err) == (2, True), ran.err
    assert len(lineside("evals", "ls", "--json").data) == before


def test_what_decides_needs_a_rule(lineside, outputs: list[str]) -> None:
    ran = lineside(*outputs, "--baseline", "latest")

    assert ran.code == 2
    assert "--baseline needs at least one --rule" in ran.err


def test_a_release_is_judged_over_other_cases_by_its_own_scorers(
    lineside, good: str, place: Path
) -> None:
    lineside("release", good)
    cases = [
        {"input": {"message": f"parcel {n}"}, "expected": {"topic": "refund"}} for n in range(9)
    ]
    (place / "hard.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))

    ran = lineside("evals", "run", "--target", "post-room@v1", "--dataset", "hard.jsonl", "--json")
    gone = lineside("evals", "run", "--target", "post-room@v9", "--dataset", "hard.jsonl")
    nothing = lineside("evals", "run", "--target", "post-room@live", "--dataset", "hard.jsonl")

    assert ran.code == 0
    assert ran.data["run"]["use_case"] == "post-room"
    assert ran.data["summary"]["scores"]["accuracy"]["interval"]["value"] == 0
    assert "There is no release `v9`" in gone.err or "v1" in gone.err
    assert "Nothing of `post-room` is live" in nothing.err


def test_a_scorer_that_fails_says_why_wherever_its_score_is_missing(
    lineside, outputs: list[str], place: Path
) -> None:
    (place / "own.py").write_text("def right(context):\n    return context.output['nix']\n")
    (place / "scorers.yaml").write_text("- right: {python: 'own.py:right'}\n")
    why = "the scorer failed on 40 answers: KeyError: 'nix'"

    ran = lineside(
        *outputs, "--scorers", "scorers.yaml", "--rule", "right >= 0.5", "--markdown", "said.md"
    )
    shown = lineside("evals", "show", "latest")

    assert ran.code == 3
    assert why in ran.out.splitlines()[0]
    assert f"right: {why}" in shown.out.splitlines()
    assert "KeyError" in (place / "said.md").read_text()


def test_an_answer_without_any_expected_field_is_shown_as_it_is(
    lineside, outputs: list[str], place: Path
) -> None:
    answers = (place / "answers.jsonl").read_text().replace('"reply"', '"text"')
    (place / "answers.jsonl").write_text(answers)

    ran = lineside(*outputs, "--rule", "accuracy >= 0.5", "--html", "said.html")

    assert "no reply, but text: Thank you, 0" in ran.out
    assert "no reply, but text: Thank you, 0" in (place / "said.html").read_text()


def test_why_cases_failed_is_said_once(lineside, outputs: list[str], place: Path) -> None:
    (place / "unlucky.py").write_text("def ask(given):\n    raise ValueError('no luck')\n")
    arguments = [part if part != "answers.jsonl" else "python:unlucky:ask" for part in outputs]

    ran = lineside(*arguments, "--rule", "accuracy >= 0.5")

    assert "no luck" in ran.out
    assert "no luck" not in ran.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rule", "slice gap(channel) <= 0.05"], "no case of `golden` has a slice `channel`"),
        (["--scorer", "exact:replly"], "expect nothing this score can be held against"),
        (["--target", "python:asking_bot:asked"], "it has: ask hint: Did you mean `ask`?"),
        (["--target", "python:asking_bott:ask"], "looks for `asking_bott.py` in this folder"),
    ],
)
def test_what_was_meant_is_told_before_anything_is_asked(
    lineside, outputs: list[str], place: Path, more: list[str], said: str
) -> None:
    (place / "asking_bot.py").write_text("def ask(given):\n    open('asked', 'w')\n    return {}\n")
    arguments = [part if part != "answers.jsonl" else "python:asking_bot:ask" for part in outputs]
    if "--scorer" in more:
        arguments = outputs

    ran = lineside(*arguments, *more)

    assert said in " ".join((ran.out + ran.err).split())
    assert not (place / "asked").exists()


def test_columns_that_a_table_does_not_have_are_told(lineside, place: Path) -> None:
    (place / "faq.csv").write_text("question,answer\nOpen?,yes\n")
    (place / "plain.csv").write_text("input,expected\nOpen?,yes\n")
    known = ["datasets", "import", "faq.csv", "cases.jsonl", "--input"]

    other = lineside(*known, "question", "--expected", "antwer")
    typo = lineside(*known, "questions")
    first = lineside(*known, "question", "--expected", "answer")
    again = lineside(*known, "question", "--expected", "answer")
    plain = lineside("evals", "run", "--target", "faq.csv", "--dataset", "plain.csv")

    assert (other.code, typo.code, first.code, again.code) == (2, 2, 0, 1)
    assert "`faq.csv` has no column `antwer`; it has: `question`, `answer`" in other.err
    assert "Did you mean `question`?" in typo.err
    assert "`cases.jsonl` is there already, and nothing was written" in again.err
    assert "expected the name of a field behind it, as `input.message`" in plain.err


def test_a_use_case_that_nobody_judged_is_no_empty_list(lineside, outputs: list[str]) -> None:
    ran = lineside(*outputs, "--use-case", "letters")
    wanted = (
        ["verdicts", "board", "leters"],
        ["verdicts", "history", "leters"],
        ["evals", "ls", "--use-case", "leters"],
    )

    told = [lineside(*arguments) for arguments in wanted]

    assert ran.code == 0
    assert {one.code for one in told} == {2}
    assert all("Did you mean `letters`?" in one.err for one in told)


def test_a_run_is_not_compared_with_itself(lineside, outputs: list[str]) -> None:
    run = lineside(*outputs, "--json").data["run"]["id"]

    ran = lineside("verdicts", "compare", run, run)

    assert ran.code == 2
    assert "named as baseline and as candidate" in ran.err


def test_a_run_is_shown_with_what_its_rules_said(lineside, outputs: list[str]) -> None:
    ran = lineside(*outputs, "--rule", "accuracy >= 0.5")
    shown, data = lineside("evals", "show", "latest"), lineside("evals", "show", "latest", "--json")

    assert ran.out.splitlines()[0] in shown.out.splitlines()
    assert data.data["gate"]["verdict"]["decision"] == "hold"


def test_a_judge_without_its_key_stops_the_run_before_all_is_asked(
    lineside, outputs: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (place / "keyless.py").write_text(
        "def ask(given):\n    open('asked', 'a').write('x')\n    return {'reply': 'x'}\n"
    )
    (place / "scorers.yaml").write_text(
        "- manner: {judge: {model: 'openai:gpt-9', field: reply, rubric: 'Is it kind', "
        "levels: {rude: It blames., kind: It thanks.}}}\n"
    )
    arguments = [part if part != "answers.jsonl" else "python:keyless:ask" for part in outputs]

    ran = lineside(*arguments, "--scorers", "scorers.yaml", "--concurrency", "2")
    told = " ".join(ran.err.split())

    assert ran.code == 1
    assert "The judge `manner` cannot be asked: The environment variable `OPENAI_API_KEY`" in told
    assert "Traceback" not in told
    assert len((place / "asked").read_text()) <= 4


def test_a_run_whose_process_was_killed_says_how_it_goes_on(
    lineside, outputs: list[str], place: Path
) -> None:
    before = lineside(*outputs, "--json").data["run"]["id"]
    (place / "dies.py").write_text("import os\n\n\ndef ask(given):\n    os._exit(9)\n")
    arguments = [part if part != "answers.jsonl" else "python:dies:ask" for part in outputs]
    command = [sys.executable, "-m", "lineside", *arguments]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 9

    killed = lineside("evals", "ls", "--json").data[0]["id"]
    told = [lineside("evals", "show", killed), lineside("verdicts", "compare", before, killed)]

    for one in told:
        assert "the command that started it goes on from there" in " ".join(one.err.split())
