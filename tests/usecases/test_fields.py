from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from lineside.usecases import check_folder, read_folder

Make = Callable[..., Path]


def _input_schema(make: Make, fields: str) -> dict[str, object]:
    return dict(read_folder(make(("{message: string}", fields))).input_schema)


def test_the_short_form_becomes_a_closed_json_schema(make: Make) -> None:
    schema = _input_schema(
        make,
        "{message: text, order: integer?, tags: {list: string}, "
        "customer: {object: {name: string, since: date?}}}",
    )

    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    right = {"message": "a", "tags": ["x"], "customer": {"name": "b", "since": "2026-01-31"}}
    assert check.is_valid(right)
    assert check.is_valid({**right, "order": 5})
    assert not check.is_valid({**right, "order": "5"})
    assert not check.is_valid({**right, "oder": 5})
    assert not check.is_valid({"message": "a", "tags": ["x"]})
    assert not check.is_valid({**right, "customer": {"name": "b", "since": "31.1.2026"}})


def test_the_long_form_keeps_limits_and_description(make: Make) -> None:
    schema = _input_schema(
        make, "{message: {type: string, max: 5, description: What they wrote, optional: true}}"
    )

    assert schema["properties"] == {
        "message": {"type": "string", "description": "What they wrote", "maxLength": 5}
    }
    assert schema["required"] == []


def test_a_predicted_confidence_lies_between_0_and_1(make: Make) -> None:
    confidence = read_folder(make()).output_schema["properties"]["confidence"]

    assert (confidence["minimum"], confidence["maximum"]) == (0, 1)


def test_a_value_file_ignores_blank_lines_and_comments(make: Make) -> None:
    folder = make()
    (folder / "topics.txt").write_text("# topics\n\n  loan \n\ncard\n")

    assert read_folder(folder).output_schema["properties"]["topic"]["enum"] == ["loan", "card"]


def test_a_value_that_stands_twice_in_its_file_shows_both_lines(make: Make) -> None:
    folder = make()
    (folder / "topics.txt").write_text("loan\n# more\ncard\nloan\n")

    [problem] = check_folder(folder)

    assert problem.text == (
        "topics.txt:4: read `loan` a second time (first on line 1), expected each value once"
    )


@pytest.mark.parametrize(
    ("fields", "read", "hint"),
    [
        ("{message: sting}", "`sting`", "Did you mean `string`?"),
        ("{message: int}", "`int`", "Did you mean `integer`?"),
        ("{message: 5}", "`5`", "A field is one of"),
        ("{message: [a]}", "a list", "A field is one of"),
        ("{message: {lst: string}}", "`lst`", "Did you mean `list`?"),
        ("{message: {enum: [a, a]}}", "`a` a second time", "Remove"),
        ("{message: {enum: [1, 2]}}", "`1`", 'quotes around it: `"1"`'),
        ("{message: {enum: []}}", "an empty list", "{enum: [a, b]}"),
        ("{message: {enum: topisc.txt}}", "`topisc.txt`, which is not in the", "`topics.txt`"),
        ("{message: {max: 5}}", "no type", "A field is one of"),
        ("{message: {type: string, enum: [a]}}", "`type` and `enum`", "A field is one of"),
        ("{message: {type: string, min: 5, max: 2}}", "`min` 5 above `max` 2", "A field"),
        ("{message: {type: date, max: 5}}", "`max`", "A field is one of"),
        ("{message: {list: {object: {a: strin}}}}", "`strin`", "Did you mean `string`?"),
        ("{my message: string}", "`my message`", "order_id"),
    ],
)
def test_a_bad_field_names_its_line_and_what_to_write(
    make: Make, fields: str, read: str, hint: str
) -> None:
    problem = check_folder(make(("{message: string}", fields)))[0]

    assert problem.line == 11
    assert problem.read.startswith(read)
    assert hint in str(problem.hint)
