"""Values of OTLP in JSON, read leniently: senders differ in them more than the protocol."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

import orjson

from lineside.core import Invalid
from lineside.traces.otlp import ATTRIBUTE_DEPTH_MAX, NotASpan, finite, id_of_bytes, named

_NS_MAX = 2**64 - 1
_KEYS_SHOWN_MAX = 5
_FORGIVEN = (b"NaN", b"Infinity", b"\\ud", b"\\uD")
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def parsed_json(body: bytes) -> Any:
    """What a body holds.

    Raises:
        Invalid: It is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        said = str(error)
    # Python and JavaScript write NaN where JSON has no word for it, and JavaScript cuts texts in
    # the middle of a sign; nothing else is forgiven.
    if any(mark in body for mark in _FORGIVEN):
        try:
            whole = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
            value = json.loads(whole)
            orjson.dumps(value)
            return value
        except (ValueError, TypeError, RecursionError) as error:
            said = str(error)
    raise Invalid(
        "not_json",
        f"The body is not JSON: {said}",
        hint="Nothing was kept. Send JSON in UTF-8, or protobuf as `application/x-protobuf`.",
    )


def attributes_in(holder: dict[str, Any]) -> dict[str, Any]:
    """A list of keys and values as plain Python."""
    return _json_pairs(objects_in(holder, "attributes", "attributes"), 0)


def _json_pairs(pairs: list[dict[str, Any]], depth: int) -> dict[str, Any]:
    return {text_in(pair, "key"): value_in(pair.get("value"), depth) for pair in pairs}


def value_in(value: Any, depth: int) -> Any:
    if depth > ATTRIBUTE_DEPTH_MAX:
        raise NotASpan(f"an attribute nests deeper than {ATTRIBUTE_DEPTH_MAX}")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise NotASpan(f"an attribute value is {type(value).__name__}, expected an object")
    for key, read in _JSON_VALUES.items():
        # Some write down every member that a value could have, with nothing in all but one.
        if value.get(key) is not None:
            return read(value[key], depth)
    return None


def _json_list(value: Any, depth: int) -> Any:
    items = list_in(as_object(value), "values", "values")
    return [value_in(item, depth + 1) for item in items]


def _json_map(value: Any, depth: int) -> Any:
    return _json_pairs(objects_in(as_object(value), "values", "values"), depth + 1)


def _json_double(value: Any, _depth: int) -> Any:
    try:
        return finite(float(value))
    except (TypeError, ValueError, OverflowError):
        raise NotASpan("an attribute's doubleValue is not a number") from None


def _json_plain(value: Any, _depth: int) -> Any:
    if isinstance(value, dict | list):
        raise NotASpan(f"a plain attribute value is {type(value).__name__}")
    return finite(value) if isinstance(value, float) else value


_Reader = Callable[[Any, int], Any]
_JSON_NAMES: dict[str, _Reader] = {
    "stringValue": _json_plain,
    "intValue": lambda value, _depth: int_in(value, "an attribute's intValue", _INT_MIN, _INT_MAX),
    "doubleValue": _json_double,
    "boolValue": _json_plain,
    "arrayValue": _json_list,
    "kvlistValue": _json_map,
    "bytesValue": _json_plain,
}
_JSON_VALUES = _JSON_NAMES | {
    name.replace("Value", "_value"): read for name, read in _JSON_NAMES.items()
}


def id_in(value: Any, size: int, field: str) -> str:
    """Hexadecimal as OTLP says, or base64 as generic protobuf libraries write it."""
    if not isinstance(value, str):
        raise NotASpan(f"{field} is missing" if value is None else f"{field} is not a text")
    try:
        if len(value) == 2 * size:
            return id_of_bytes(bytes.fromhex(value), size, field)
        padded = value + "=" * (-len(value) % 4)
        return id_of_bytes(base64.b64decode(padded, altchars=None, validate=True), size, field)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, NotASpan):
            raise
        raise NotASpan(f"{field} is neither hexadecimal nor base64") from None


def enum_in(value: Any, names: tuple[str, ...], prefix: str, field: str) -> str:
    if isinstance(value, str) and not value.isdecimal():
        found = value.upper().removeprefix(prefix).lower()
        return found if found in names else names[0]
    return named(int_in(value or 0, field, _INT_MIN, _INT_MAX), names)


def moment_in(value: Any, field: str) -> int:
    return int_in(0 if value is None else value, field, 0, _NS_MAX)


def int_in(value: Any, field: str, least: int, most: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise NotASpan(f"{field} is not a whole number") from None
    if not least <= number <= most:
        raise NotASpan(f"{field} does not fit 64 bits")
    return number


def get(holder: dict[str, Any], *names: str) -> Any:
    """What stands under the first of these names that has anything."""
    return next((holder[name] for name in names if holder.get(name) is not None), None)


def text_in(holder: dict[str, Any], *names: str) -> str:
    value = get(holder, *names)
    return value if isinstance(value, str) else "" if value is None else str(value)


def object_in(holder: dict[str, Any], name: str) -> dict[str, Any]:
    return as_object(holder.get(name) or {}, name)


def as_object(value: Any, name: str = "a value") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotASpan(f"{name} is {type(value).__name__}, expected an object")
    return value


def list_in(holder: Any, *names: str) -> list[Any]:
    value = get(as_object(holder, "the message"), *names)
    if not isinstance(value, list | None):
        raise NotASpan(f"{names[0]} is {type(value).__name__}, expected a list")
    return value or []


def groups_in(document: Any, *names: str) -> list[dict[str, Any]]:
    """The groups at the top of a message; one that holds only something else is no such message.

    An empty one is: it says that there is nothing to send.
    """
    if isinstance(document, dict) and document and not document.keys() & set(names):
        others = ", ".join(f"`{str(key)[:40]}`" for key in list(document)[:_KEYS_SHOWN_MAX])
        raise NotASpan(f"it has {others}, expected `{names[0]}`")
    return objects_in(document, *names)


def objects_in(holder: Any, *names: str) -> list[dict[str, Any]]:
    items = list_in(holder, *names)
    return [as_object(item, f"an item of {names[0]}") for item in items]
