"""Whether an object fits the app's input or output schema, and which word was probably meant."""

from collections.abc import Mapping
from typing import Any

import orjson

from lineside.core import did_you_mean
from lineside.gateway.output import shorten

_KNOWN_MAX = 10_000
_SHOWN_CHARACTERS = 80


class Form:
    """Says what in a JSON object does not fit a schema, in sentences a person can act on.

    Args:
        schema: JSON Schema of an object, draft 2020-12; references to other documents are not
            followed.
        is_partial: Fields may be missing, as in an expectation that names only some of them.
    """

    def __init__(self, schema: Mapping[str, Any], *, is_partial: bool = False) -> None:
        from jsonschema import Draft202012Validator
        from referencing.jsonschema import EMPTY_REGISTRY

        known = dict(schema)
        if is_partial:
            known = {key: value for key, value in known.items() if key != "required"}
        self._fields = list(known.get("properties", {}))
        self._properties: Mapping[str, Any] = known.get("properties", {})
        # Fields that the schema does not name are mistakes here even where it would let them pass.
        if self._properties and "additionalProperties" not in known:
            known["additionalProperties"] = False
        self._validator = Draft202012Validator(known, registry=EMPTY_REGISTRY)
        self._fit: set[bytes] = set()

    def problems(self, value: Mapping[str, Any]) -> list[str]:
        """Sentences that begin with the field; empty when the object fits."""
        key = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        # Thousands of cases share a few dozen expectations; each is checked once.
        if key in self._fit:
            return []
        found = [
            text for error in self._validator.iter_errors(value) for text in self._sentences(error)
        ]
        if not found and len(self._fit) < _KNOWN_MAX and len(key) < 500:
            self._fit.add(key)
        return found

    def read_cell(self, name: str, text: str) -> Any:
        """Read a table cell as the type that the schema gives the field; text stays text."""
        schema = self._properties.get(name)
        if not isinstance(schema, Mapping) or _takes_text(schema):
            return text
        plain = text.strip()
        try:
            return orjson.loads(plain.lower() if _is_type(schema, "boolean") else plain)
        except orjson.JSONDecodeError:
            return text

    def _sentences(self, error: Any) -> list[str]:
        place = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            extra = [name for name in error.instance if name not in error.schema["properties"]]
            return [self._unknown(".".join(filter(None, (place, name)))) for name in extra]
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return [f"`{'.'.join(filter(None, (place, name)))}` is missing" for name in missing]
        read = f"`{place}` is {show(error.instance)}"
        if error.validator == "enum":
            return [f"{read}, expected {_choices(error.instance, error.validator_value)}"]
        if error.validator == "type":
            kinds = error.validator_value
            return [f"{read}, expected {kinds if isinstance(kinds, str) else ' or '.join(kinds)}"]
        return [f"{read}: {shorten(error.message, 200)}"]

    def _unknown(self, name: str) -> str:
        near = did_you_mean(name, self._fields)
        guess = f"did you mean `{near}`?" if near else f"known: {_listed(self._fields)}"
        return f"`{name}` is not a field of the schema, {guess}"


def show(value: Any) -> str:
    """A value as it was read, short and in backticks."""
    return f"`{shorten(orjson.dumps(value, default=str).decode(), _SHOWN_CHARACTERS)}`"


def _choices(read: Any, choices: list[Any]) -> str:
    near = did_you_mean(str(read), [str(choice) for choice in choices])
    if near:
        return f"one of {len(choices)} words, did you mean `{near}`?"
    return f"one of {_listed([str(choice) for choice in choices])}"


def _listed(words: list[str]) -> str:
    shown = ", ".join(f"`{shorten(word, 40)}`" for word in words[:8])
    return shown + (f" and {len(words) - 8} more" if len(words) > 8 else "")


def _takes_text(schema: Mapping[str, Any]) -> bool:
    if "type" in schema:
        return _is_type(schema, "string")
    if "enum" in schema:
        return any(isinstance(choice, str) for choice in schema["enum"])
    return True


def _is_type(schema: Mapping[str, Any], name: str) -> bool:
    kinds = schema.get("type", [])
    return name == kinds or (isinstance(kinds, list) and name in kinds)
