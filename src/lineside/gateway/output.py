"""What a model may answer: the app's output schema, compiled once."""

from collections.abc import Mapping
from typing import Any

import orjson

from lineside.core import Invalid

_KNOWN_MAX = 10_000
_KNOWN_CHARACTERS_MAX = 500


def shorten(text: str, length_max: int = 300) -> str:
    """Cut a long text and say how much is missing, so that an error stays readable."""
    if len(text) <= length_max:
        return text
    return f"{text[:length_max]}… ({len(text) - length_max} more characters)"


class OutputForm:
    """Tells answers that fit an output schema from those that do not; safe to share between calls.

    Args:
        schema: JSON Schema, draft 2020-12. References to other documents are never fetched.
        confidence_limits: Also ask that a top-level `confidence` lies between 0 and 1.
    """

    def __init__(self, schema: Mapping[str, Any], *, confidence_limits: bool = False) -> None:
        from jsonschema import Draft202012Validator, SchemaError
        from referencing.jsonschema import EMPTY_REGISTRY

        try:
            Draft202012Validator.check_schema(dict(schema))
        except SchemaError as error:
            raise Invalid(
                "bad_output_schema",
                f"The output schema is no JSON Schema: {shorten(error.message)}",
                hint="Correct `app.output`; the schema follows JSON Schema draft 2020-12.",
            ) from error
        # A registry of our own, since the default one would fetch remote references.
        self._validator = Draft202012Validator(dict(schema), registry=EMPTY_REGISTRY)
        self._confidence_limits = confidence_limits
        self._fit: set[str] = set()

    def misfit(self, output: object) -> str | None:
        """Say in one sentence what is wrong with an answer, or nothing when it fits."""
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        if not isinstance(output, dict):
            return f"The answer is {_kind(output)}, expected a JSON object"
        try:
            error = best_match(self._validator.iter_errors(output))
        except Unresolvable as unresolvable:
            raise Invalid(
                "bad_output_schema",
                f"The output schema refers to something that is not in it: {unresolvable}",
                hint="Write the definition into the schema itself, under `$defs`.",
            ) from None
        if error is not None:
            return f"At `{error.json_path}`: {error.message}"
        reported = output.get("confidence")
        if self._confidence_limits and not _is_probability(reported):
            return f"At `$.confidence`: {reported!r} is not a number from 0 to 1"
        return None

    def read(self, text: str) -> tuple[dict[str, Any] | None, str]:
        """Read an answer written by a model: the output that fits, or nothing and what is wrong.

        A Markdown fence around the JSON is taken off; small models like to write one.
        """
        body = text.strip()
        if body.startswith("```") and body.endswith("```"):
            body = body.removeprefix("```json").strip("`").strip()
        try:
            output = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return None, f"The answer is not JSON: {error}"
        if body in self._fit:  # short answers come again and again
            return output, ""
        wrong = self.misfit(output)
        if wrong:
            return None, wrong
        if len(body) < _KNOWN_CHARACTERS_MAX and len(self._fit) < _KNOWN_MAX:
            self._fit.add(body)
        return output, ""


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
