"""Forms made from a JSON Schema, and what was typed into them read back. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from lineside.core import Invalid

FieldKind = Literal["text", "line", "choice", "number", "integer", "boolean", "lines", "json"]

_HINTS = {
    "lines": "One per line.",
    "json": "As JSON.",
}


class FormField(NamedTuple):
    """One field of a form.

    Attributes:
        name: In the schema.
        key: In the form; a prefix keeps several forms' fields apart.
        typed: What stands in it, as text.
    """

    name: str
    key: str
    label: str
    kind: FieldKind
    typed: str
    is_optional: bool
    choices: tuple[str, ...] = ()
    hint: str = ""
    min: float | None = None
    max: float | None = None
    items: str = "string"


def fields_of(
    schema: Mapping[str, Any], values: Mapping[str, Any], *, prefix: str = ""
) -> list[FormField]:
    """The fields of an object's schema, filled with values that are there already."""
    required = set(schema.get("required", ()))
    return [
        _field(name, part, values.get(name), prefix=prefix, is_optional=name not in required)
        for name, part in schema.get("properties", {}).items()
    ]


def with_typed(fields: Sequence[FormField], typed: Mapping[str, str]) -> list[FormField]:
    """The same fields holding what a person typed, right or wrong."""
    return [field._replace(typed=typed.get(field.key, "")) for field in fields]


def read_form(fields: Sequence[FormField], typed: Mapping[str, str]) -> dict[str, Any]:
    """Read what was typed, field by field; an empty field is left out.

    Whether the values fit, and whether one is missing, is for the app's own schema to say.

    Raises:
        Invalid: A number or JSON cannot be read; names the field.
    """
    values = {}
    for field in fields:
        text = typed.get(field.key, "")
        if field.kind == "boolean":
            values[field.name] = text == "true"
        elif text.strip():
            values[field.name] = _read(field, text)
    return values


def _field(
    name: str, schema: Mapping[str, Any], value: Any, *, prefix: str, is_optional: bool
) -> FormField:
    kind = _kind(schema)
    hint = " ".join(part for part in (schema.get("description"), _HINTS.get(kind)) if part)
    return FormField(
        name=name,
        key=f"{prefix}{name}",
        label=name.replace("_", " ").capitalize(),
        kind=kind,
        typed=_as_text(kind, value),
        is_optional=is_optional,
        choices=tuple(schema.get("enum", ())),
        hint=hint,
        min=schema.get("minimum"),
        max=schema.get("maximum"),
        items=str(schema.get("items", {}).get("type", "string")),
    )


def _kind(schema: Mapping[str, Any]) -> FieldKind:
    if "enum" in schema:
        return "choice"
    if schema.get("type") == "array":
        items = schema.get("items", {})
        is_simple = items.get("type") in ("string", "number", "integer")
        return "lines" if is_simple else "json"
    if schema.get("format") == "date":
        return "line"
    kinds: dict[Any, FieldKind] = {
        "string": "text",
        "number": "number",
        "integer": "integer",
        "boolean": "boolean",
    }
    return kinds.get(schema.get("type"), "json")


def _as_text(kind: FieldKind, value: Any) -> str:
    if value is None:
        return ""
    if kind == "boolean":
        return "true" if value is True else ""
    if kind == "lines" and isinstance(value, list):
        return "\n".join(str(item) for item in value)
    if kind == "json":
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return str(value)


def _read(field: FormField, text: str) -> Any:
    try:
        if field.kind in ("number", "integer"):
            return _number(field.kind, text)
        if field.kind == "lines":
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            is_text = field.items == "string"
            return lines if is_text else [_number(field.items, line) for line in lines]
        if field.kind == "json":
            return orjson.loads(text)
    except ValueError as error:
        expected = "JSON" if field.kind == "json" else "a number"
        raise Invalid(
            "form_misfit", f"`{field.name}` cannot be read as {expected}: {error}"
        ) from None
    # Browsers send line ends of their own; the model should see what a program would send.
    return text.replace("\r\n", "\n")


def _number(kind: str, text: str) -> int | float:
    number = float(text)
    return int(number) if kind == "integer" and number.is_integer() else number
