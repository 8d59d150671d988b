"""Input and output fields, from the short form of the manifest to JSON Schema.

message: string                      also text, number, integer, boolean, date
order: string?                       may be absent
topic: {enum: topics.txt}            a file with one value a line, or a list: {enum: [a, b]}
labels: {list: string}
customer: {object: {name: string, since: date?}}
note: {type: string, max: 2000, description: What the customer wrote}
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from lineside.core import LinesideError, did_you_mean
from lineside.usecases.document import ManifestProblem, Mark, Misread, Node, quoted

TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "text": {"type": "string", "contentMediaType": "text/plain"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
}
_SHAPES = ("enum", "list", "object", "type")
_EXTRAS = ("description", "optional", "min", "max")
_LIMITS = {
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
}
FIELDS_SCHEMA: dict[str, Any] = {
    "Field": {
        "anyOf": [
            {"enum": [*TYPES, *(f"{kind}?" for kind in TYPES)]},
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": [*TYPES, *(f"{kind}?" for kind in TYPES)]},
                    "enum": {
                        "anyOf": [
                            {"type": "string", "description": "File with one value a line."},
                            {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        ]
                    },
                    "list": {"$ref": "#/$defs/Field"},
                    "object": {"$ref": "#/$defs/Fields"},
                    "description": {"type": "string"},
                    "optional": {"type": "boolean"},
                    "min": {"type": "number"},
                    "max": {"type": "number"},
                },
                "oneOf": [{"required": [shape]} for shape in _SHAPES],
            },
        ]
    },
    "Fields": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/Field"},
    },
}
"""The same grammar for editors, as definitions of a JSON Schema."""

FIELDS_MAX = 200
CHOICES_MAX = 5_000
_HINT = (
    "A field is one of `string`, `text`, `number`, `integer`, `boolean`, `date` (with `?` when it "
    "may be absent), `{enum: topics.txt}`, `{list: string}` or `{object: {…}}`."
)

ReadFile = Callable[[str], bytes]


class FieldReader:
    """Turns the fields of one manifest into JSON Schema and collects what is wrong with them.

    Attributes:
        files: The value files that fields named, with their bytes.
    """

    def __init__(self, file: str, read_file: ReadFile) -> None:
        self.file = file
        self.files: dict[str, bytes] = {}
        self.problems: list[ManifestProblem] = []
        self._read_file = read_file

    def object_schema(self, node: Node) -> dict[str, Any]:
        """JSON Schema of an object with the fields of a mapping; closed, as a typo is no field."""
        properties: dict[str, Any] = {}
        required = []
        declared = node.value if isinstance(node.value, dict) else {}
        if not declared:
            self._note(node.mark, node.shown(), "fields, such as `message: string`")
        if len(declared) > FIELDS_MAX:
            self._note(node.mark, f"{len(declared)} fields", f"at most {FIELDS_MAX}")
            declared = {}
        for name, field in declared.items():
            mark = (node.keys or {})[name]
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
                self._note(
                    mark,
                    quoted(name),
                    "a field name of letters, digits and underscores, at most 64",
                    hint="Field names look like `order_id`.",
                )
                continue
            schema, is_optional = self._field(field)
            properties[name] = schema
            if not is_optional:
                required.append(name)
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _field(self, node: Node) -> tuple[dict[str, Any], bool]:
        """JSON Schema of one field, and whether it may be absent."""
        if isinstance(node.value, str):
            return self._simple(node)
        if isinstance(node.value, dict) and node.value:
            return self._long(node)
        self._note(node.mark, node.shown(), "the type of a field", hint=_HINT)
        return {}, False

    def _simple(self, node: Node) -> tuple[dict[str, Any], bool]:
        word = node.value.strip()
        is_optional = word.endswith("?")
        kind = word.removesuffix("?")
        if kind not in TYPES:
            near = did_you_mean(kind.casefold(), [*TYPES, *_ALIASES])
            near = _ALIASES.get(near or "", near)
            hint = f"Did you mean `{near}`? {_HINT}" if near else _HINT
            self._note(node.mark, node.shown(), f"a type ({', '.join(TYPES)})", hint=hint)
            return {}, is_optional
        return dict(TYPES[kind]), is_optional

    def _long(self, node: Node) -> tuple[dict[str, Any], bool]:
        keys = node.keys or {}
        shapes = [word for word in node.value if word in _SHAPES]
        for word in node.value:
            if word not in (*_SHAPES, *_EXTRAS):
                near = did_you_mean(word, (*_SHAPES, *_EXTRAS))
                hint = f"Did you mean `{near}`? {_HINT}" if near else _HINT
                known = ", ".join(f"`{known}`" for known in (*_SHAPES, *_EXTRAS))
                self._note(
                    keys[word], quoted(word), f"one of {known}", hint=hint, code="unknown_key"
                )
        if len(shapes) != 1:
            if len(shapes) > 1 or set(node.value) <= set(_EXTRAS):
                read = " and ".join(quoted(word) for word in shapes) or "no type"
                self._note(node.mark, read, "one of `type`, `enum`, `list`, `object`", hint=_HINT)
            return {}, False
        inner = node.value[shapes[0]]
        is_optional = False
        schema: dict[str, Any] = {}
        if shapes[0] == "enum":
            schema = self._enum(inner)
        elif shapes[0] == "list":
            items, _ = self._field(inner)
            schema = {"type": "array", "items": items}
        elif shapes[0] == "object":
            if isinstance(inner.value, dict):
                schema = self.object_schema(inner)
            else:
                self._note(inner.mark, inner.shown(), "fields, such as `{name: string}`")
        elif isinstance(inner.value, str):
            schema, is_optional = self._simple(inner)
        else:
            self._note(inner.mark, inner.shown(), f"a type ({', '.join(TYPES)})", hint=_HINT)
        return self._extras(node, schema, is_optional=is_optional)

    def _extras(
        self, node: Node, schema: dict[str, Any], *, is_optional: bool
    ) -> tuple[dict[str, Any], bool]:
        description = node.get("description")
        if description is not None and isinstance(description.value, str):
            schema["description"] = description.value.strip()
        elif description is not None:
            self._note(description.mark, description.shown(), "a sentence as `description`")
        optional = node.get("optional")
        if optional is not None and isinstance(optional.value, bool):
            is_optional = is_optional or optional.value
        elif optional is not None:
            self._note(optional.mark, optional.shown(), "`true` or `false` as `optional`")
        limits = {}
        for at, word in enumerate(("min", "max")):
            limit = node.get(word)
            if limit is None or not schema:
                continue
            names = _LIMITS.get(schema.get("type", "")) if "format" not in schema else None
            counts = names is not None and names[0] != "minimum"
            is_number = isinstance(limit.value, int | float) and not isinstance(limit.value, bool)
            if names is None:
                mark = (node.keys or {})[word]
                self._note(mark, f"`{word}`", "it with a text, a number or a list only")
            elif not is_number or (
                counts and (not isinstance(limit.value, int) or limit.value < 0)
            ):
                expected = "a whole number" if counts else "a number"
                self._note(limit.mark, limit.shown(), f"{expected} as `{word}`")
            else:
                limits[word] = limit.value
                schema[names[at]] = limit.value
        if "min" in limits and "max" in limits and limits["min"] > limits["max"]:
            self._note(
                node.value["min"].mark,
                f"`min` {limits['min']} above `max` {limits['max']}",
                "`min` at most as large as `max`",
            )
        return schema, is_optional

    def _enum(self, node: Node) -> dict[str, Any]:
        if isinstance(node.value, str):
            choices = self._choices_from_file(node)
        elif isinstance(node.value, list) and node.value:
            choices = self._choices_from_list(node)
        else:
            self._note(
                node.mark,
                node.shown(),
                "the name of a file, or a list of values",
                hint="Write `{enum: topics.txt}` or `{enum: [a, b]}`.",
            )
            return {}
        return {"type": "string", "enum": choices} if choices else {}

    def _choices_from_list(self, node: Node) -> list[str]:
        choices: dict[str, int] = {}
        for item in node.value:
            if isinstance(item.value, dict | list) or not item.source.strip():
                self._note(item.mark, item.shown(), "a word as value of the `enum`")
            elif not isinstance(item.value, str):
                self._note(
                    item.mark,
                    item.shown(),
                    "a text as value of the `enum`",
                    hint=f'Put quotes around it: `"{item.source}"`.',
                )
            elif item.value in choices:
                self._note(
                    item.mark,
                    f"{item.shown()} a second time",
                    "each value once",
                    hint="Remove one of them.",
                    code="duplicate_value",
                )
            else:
                choices[item.value] = item.mark.line
        return list(choices)

    def _choices_from_file(self, node: Node) -> list[str]:
        path = node.value
        try:
            data = self.files[path] if path in self.files else self._read_file(path)
        except Misread as wrong:
            self._note(node.mark, wrong.read, wrong.expected, hint=wrong.hint, code=wrong.code)
            return []
        except LinesideError as error:
            self._note(node.mark, quoted(path), "a file that can be read", hint=error.message)
            return []
        self.files[path] = data
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._note(
                Mark(line, 1),
                f"a byte 0x{data[error.start]:02x} that is not UTF-8",
                "text in UTF-8",
                hint="Save the file again with the encoding UTF-8.",
                file=path,
                code="not_utf8",
            )
            return []
        return self._choices(_lines(text), node, path)

    def _choices(self, lines: Iterable[tuple[int, str]], node: Node, path: str) -> list[str]:
        first_line: dict[str, int] = {}
        for number, value in lines:
            if value in first_line:
                self._note(
                    Mark(number, 1),
                    f"{quoted(value)} a second time (first on line {first_line[value]})",
                    "each value once",
                    hint="Remove one of the two lines.",
                    file=path,
                    code="duplicate_value",
                )
            else:
                first_line[value] = number
        if not first_line or len(first_line) > CHOICES_MAX:
            read = f"{quoted(path)} with {len(first_line) or 'no'} values"
            self._note(
                node.mark,
                read,
                f"1 to {CHOICES_MAX} values",
                hint="Write one value a line; empty lines and # comments do not count.",
            )
        return list(first_line)

    def _note(
        self,
        mark: Mark,
        read: str,
        expected: str,
        *,
        hint: str = _HINT,
        file: str | None = None,
        code: str = "bad_field",
    ) -> None:
        self.problems.append(
            ManifestProblem(file or self.file, mark.line, mark.column, read, expected, hint, code)
        )


_ALIASES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "bool": "boolean",
    "datetime": "date",
}


def _lines(text: str) -> list[tuple[int, str]]:
    numbered = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def with_probability(schema: dict[str, Any]) -> dict[str, Any]:
    """Bound the `confidence` of a predicted output to 0 and 1, where the manifest has one."""
    confidence = schema["properties"].get("confidence")
    if confidence is not None and confidence.get("type") == "number":
        bounded = {"minimum": 0, "maximum": 1, **confidence}
        return {**schema, "properties": {**schema["properties"], "confidence": bounded}}
    return schema
