"""Reading a wire's objects field by field, so that what nobody read is left over and kept."""

from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from lineside.core import Invalid
from lineside.gateway.output import shorten

Kind = TypeVar("Kind")


class Fields:
    """An object of a wire; what is taken out of it is gone, and the rest goes into extras."""

    def __init__(self, raw: object, *, place: str) -> None:
        if not isinstance(raw, Mapping):
            raise Invalid(
                "wire_misfit",
                f"`{place}` is {kind_of(raw)}, expected an object",
                hint="Compare it with the documentation of the wire you speak.",
            )
        self.rest: dict[str, Any] = dict(raw)
        self._place = place

    def take(self, name: str, kind: type[Kind]) -> Kind | None:
        """The field if it is of that kind; one that is null stays in the rest as null.

        Raises:
            Invalid: It is of another kind; names the place and what was read.
        """
        value = self.rest.get(name)
        if value is None:
            return None
        # A whole number is a good fraction; true and false are no numbers.
        is_fit = isinstance(value, (int, float) if kind is float else kind)
        if not is_fit or (isinstance(value, bool) and kind is not bool):
            raise Invalid(
                "wire_misfit",
                f"`{self._place}.{name}` is {kind_of(value)}, expected {_NAMES[kind]}",
                hint="Compare it with the documentation of the wire you speak.",
            )
        del self.rest[name]
        return value  # type: ignore[no-any-return]

    def take_list(self, name: str) -> list[Any]:
        """The items of a list; an empty one stays in the rest, since to some it is not the same."""
        return (self.take(name, list) or []) if self.rest.get(name) != [] else []

    def need(self, name: str, kind: type[Kind]) -> Kind:
        """The same for a field that must be there."""
        value = self.take(name, kind)
        if value is None:
            raise Invalid(
                "wire_misfit",
                f"`{self._place}.{name}` is missing",
                hint="Compare it with the documentation of the wire you speak.",
            )
        return value


_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def kind_of(value: object) -> str:
    """What was read, in words."""
    return "null" if value is None else _NAMES.get(type(value), type(value).__name__)


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def sent(extras: Mapping[str, Any], *, is_own: bool) -> dict[str, Any]:
    """What of the extras goes onto the wire: nothing of another wire's, and no mark."""
    if not is_own or not extras:
        return {}
    return {name: value for name, value in extras.items() if name[0:1] != "~"}


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Invalid: The body is none.
    """
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        start = shorten(" ".join(body[:400].decode(errors="replace").split()), 80)
        raise Invalid(
            "not_json", f"The body is not JSON: {error}; it begins `{start}`", hint="Send JSON."
        ) from None
    if not isinstance(raw, dict):
        raise Invalid("not_json", f"The body is {kind_of(raw)}, expected an object")
    return raw


def arguments_object(arguments: str, *, tool: str) -> dict[str, Any]:
    """Arguments of a tool call as an object, for wires that have them so.

    Raises:
        Invalid: They are no JSON object.
    """
    try:
        value = orjson.loads(arguments) if arguments.strip() else {}
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Invalid(
            "arguments_not_json",
            f"The arguments of a call of `{tool}` are no JSON object: `{shorten(arguments, 80)}`",
            hint="The model that is to answer takes only whole arguments in its history.",
        )
    return value
