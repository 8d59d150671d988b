"""Reading one value of an attribute, whatever a sender has put there."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

JSON_CHARACTERS_MAX = 8_000_000
_NESTING_MAX = 60
_INTEGER_MAX = 2**63
_PATH_STEPS_MAX = 12


def first(attributes: Mapping[str, Any], *names: str) -> Any:
    """The first of these that says anything."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def text(value: Any) -> str | None:
    """A name or id: text that is not empty, or a number written out."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def first_text(attributes: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        if name in attributes and (found := text(attributes[name])) is not None:
            return found
    return None


def number(value: Any) -> float | None:
    """A finite number that is not negative, also where it was sent as text."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def first_number(attributes: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        if name in attributes and (found := number(attributes[name])) is not None:
            return found
    return None


def count(value: Any) -> int | None:
    """A whole number that is not negative, also where it was sent as text."""
    if type(value) is int:  # not a bool, which is none
        return value if 0 <= value < _INTEGER_MAX else None
    found = number(value)
    if found is not None and found.is_integer() and found < _INTEGER_MAX:
        return int(found)
    return None


def first_count(attributes: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if name in attributes and (found := count(attributes[name])) is not None:
            return found
    return None


def parsed(value: Any) -> Any:
    """What a text holds where it is JSON of an object or list; else the value itself."""
    if not isinstance(value, str) or not 2 <= len(value) <= JSON_CHARACTERS_MAX:
        return value
    begin = value.lstrip()[:1] if value[0].isspace() else value[0]
    if begin not in ("{", "["):
        return value
    try:
        found = orjson.loads(value)
    except ValueError:
        return value
    if value.count("[") + value.count("{") > _NESTING_MAX and _is_too_deep(found):
        return value
    return found


def whole_json(value: Any) -> Any:
    """What was written as JSON, plain texts too."""
    if isinstance(value, str) and value.startswith('"'):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return parsed(value)


def called_with(value: Any) -> Any:
    """What a decorated function was called with: its only argument, or all by their names."""
    whole = parsed(value)
    if not isinstance(whole, dict) or whole.keys() != {"args", "kwargs"}:
        return whole
    args, kwargs = whole["args"], whole["kwargs"]
    if not args:
        return kwargs or None
    return args[0] if isinstance(args, list) and len(args) == 1 and not kwargs else whole


def whole_or_flat(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Members that were sent as one attribute, or as one for each of them."""
    below = f"{name}."
    flat = {key[len(below) :]: value for key, value in attributes.items() if key.startswith(below)}
    return as_dict(attributes.get(name)) | flat


def _is_too_deep(value: Any) -> bool:
    """Whether it could not be written as JSON again once it stands inside a span."""
    level = [value]
    for _ in range(_NESTING_MAX):
        level = [
            below
            for branch in level
            for below in (branch.values() if isinstance(branch, dict) else branch)
            if isinstance(below, dict | list)
        ]
        if not level:
            return False
    return True


def as_dict(value: Any) -> dict[str, Any]:
    """The object a value is or spells; an empty one otherwise."""
    value = parsed(value)
    return value if isinstance(value, dict) else {}


def nested(items: Iterable[tuple[str, Any]]) -> Any:
    """Attributes flattened into `messages.0.role` names, as the tree they came from.

    Numbers are kept in their order and gaps closed; a name that is both a value and a branch
    keeps the branch.
    """
    root: dict[str, Any] = {}
    for path, value in items:
        branch = root
        steps = path.split(".", _PATH_STEPS_MAX)
        for step in steps[:-1]:
            below = branch.get(step)
            if not isinstance(below, dict):
                below = branch[step] = {}
            branch = below
        if not isinstance(branch.get(steps[-1]), dict):
            branch[steps[-1]] = value if not isinstance(value, dict) else dict(value)
    return _listed(root)


def _listed(branch: Any) -> Any:
    if not isinstance(branch, dict):
        return branch
    if branch and next(iter(branch)).isdigit() and all(map(_is_index, branch)):
        return [_listed(branch[key]) for key in sorted(branch, key=int)]
    return {key: _listed(value) for key, value in branch.items()}


def _is_index(key: str) -> bool:
    return key.isdigit() and key.isascii() and len(key) < 10


def said(reading: dict[str, Any]) -> dict[str, Any]:
    """A reading without what it leaves open."""
    return {key: value for key, value in reading.items() if value is not None}
