import pytest

from lineside.core import Invalid
from lineside.web.forms import fields_of, read_form, with_typed

SCHEMA = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": "What the customer wrote."},
        "channel": {"type": "string", "enum": ["mail", "chat"]},
        "amount": {"type": "number", "minimum": 0},
        "items": {"type": "integer"},
        "is_vip": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "order": {"type": "object", "properties": {}},
    },
    "required": ["message", "channel"],
}


def kinds() -> dict[str, str]:
    return {field.name: field.kind for field in fields_of(SCHEMA, {})}


def test_each_type_gets_the_field_a_person_expects() -> None:
    assert kinds() == {
        "message": "text",
        "channel": "choice",
        "amount": "number",
        "items": "integer",
        "is_vip": "boolean",
        "tags": "lines",
        "sizes": "lines",
        "order": "json",
    }


def test_what_was_typed_is_read_as_the_schema_means_it() -> None:
    typed = {
        "message": "two\r\nlines",
        "channel": "mail",
        "amount": "12.5",
        "items": "3",
        "is_vip": "true",
        "tags": " a \n\nb\n",
        "sizes": "1\n2",
        "order": '{"id": 7}',
    }

    assert read_form(fields_of(SCHEMA, {}), typed) == {
        "message": "two\nlines",
        "channel": "mail",
        "amount": 12.5,
        "items": 3,
        "is_vip": True,
        "tags": ["a", "b"],
        "sizes": [1, 2],
        "order": {"id": 7},
    }


def test_an_empty_field_is_left_out() -> None:
    assert read_form(fields_of(SCHEMA, {}), {"message": "hi", "amount": " "}) == {
        "message": "hi",
        "is_vip": False,
    }


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(Invalid, match="`amount` cannot be read as a number"):
        read_form(fields_of(SCHEMA, {}), {"amount": "a lot"})
    with pytest.raises(Invalid, match="`order` cannot be read as JSON"):
        read_form(fields_of(SCHEMA, {}), {"order": "{id"})


def test_values_fill_the_form_and_come_back_the_same() -> None:
    values = {"message": "hi", "channel": "chat", "tags": ["a", "b"], "order": {"id": 7}}
    fields = fields_of(SCHEMA, values, prefix="correct.")
    typed = {field.key: field.typed for field in fields}

    assert typed["correct.tags"] == "a\nb"
    assert read_form(fields, typed) == values | {"is_vip": False}


def test_what_was_typed_is_kept_right_or_wrong() -> None:
    fields = with_typed(fields_of(SCHEMA, {}), {"amount": "a lot"})

    assert {field.name: field.typed for field in fields}["amount"] == "a lot"
