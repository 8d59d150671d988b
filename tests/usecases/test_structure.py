from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.usecases import check_folder

Make = Callable[..., Path]


def test_an_unknown_name_gets_its_line_and_the_nearest_valid_word(make: Make) -> None:
    problems = check_folder(make(("owner: desk-team", "onwer: desk-team")))

    assert [(p.line, p.code) for p in problems] == [(1, "missing_key"), (7, "unknown_key")]
    assert problems[1].text.startswith("usecase.yaml:7: read `onwer`, expected one of `name`,")
    assert problems[1].hint == "Did you mean `owner`?"


def test_an_unknown_name_inside_names_what_may_stand_there(make: Make) -> None:
    [problem] = check_folder(make(("  who: 6 people", "  who: 6 people\n  evidense: [a]")))

    assert (problem.line, problem.column) == (5, 3)
    assert problem.text == (
        "usecase.yaml:5: read `evidense`, "
        "expected one of `statement`, `who`, `today`, `evidence` under `problem`"
    )
    assert problem.hint == "Did you mean `evidence`?"


def test_a_missing_name_says_where_to_add_it(make: Make) -> None:
    [problem] = check_folder(make(("  who: 6 people\n", "")))

    assert problem.text == (
        "usecase.yaml:2: read `problem` without `who`, "
        "expected `who` (Who has it, and how many they are.)"
    )
    assert problem.hint == "Add the line `  who: …` under `problem`, line 2."


@pytest.mark.parametrize(
    ("old", "new", "line", "text", "hint"),
    [
        ("who: 6 people", "who: 6", 4, "read `6`, expected a text", '`"6"`'),
        ("who: 6 people", "who: [a]", 4, "read a list, expected a text", "Who has it"),
        ("who: 6 people", "who:", 4, "read nothing, expected a text", "Who has it"),
        ("who: 6 people", "who: 6\n  evidence: x", 5, "read `x`, expected a list", "`[x]`"),
        ("risk: limited", "risk: limitd", 6, "read `limitd`, expected one of", "`limited`"),
        ("inline", "Chat", 8, "read `Chat`, expected one of `inline`", "`chat`"),
        ("name: desk", "name: My Desk", 1, "read `My Desk`, expected lower-case", "support-triage"),
        ("owner: desk-team", "owner: ''", 7, "expected a text", "answers for it"),
        ("direction: down", "direction: donw", 5, "read `donw`, expected one of", "`down`"),
    ],
)
def test_a_wrong_value_names_line_read_expected_and_hint(
    make: Make, old: str, new: str, line: int, text: str, hint: str
) -> None:
    problems = [p for p in check_folder(make((old, new))) if p.line == line]

    assert [text in p.text for p in problems] == [True]
    assert hint in str(problems[0].hint)


def test_a_section_of_the_wrong_form_says_what_belongs_in_it(make: Make) -> None:
    folder = make(("value: {measure: minutes, direction: down}", "value: minutes"))

    [problem] = check_folder(folder)

    assert problem.text == (
        "usecase.yaml:5: read `minutes`, expected names with values on the lines below: "
        "`measure`, `direction`, `smallest_effect_that_matters`, `must_not_hurt`"
    )


def test_all_problems_show_at_once_in_the_order_of_the_file(make: Make) -> None:
    folder = make(
        ("risk: limited", "risk: some"),
        ("message: string", "message: strng"),
        ("topics.txt", "topcs.txt"),
        ("accuracy >= 0.85", "acuracy >= 0.85"),
        ("owner: desk-team", "owner: 7"),
    )

    problems = check_folder(folder)

    assert [problem.line for problem in problems] == [6, 7, 11, 12, 17]
    assert [str(problem.hint).split("?")[0] for problem in problems[2:]] == [
        "Did you mean `string`",
        "Did you mean `topics.txt`",
        "Did you mean `accuracy`",
    ]
