"""What went in and came out, as attributes of a span: bounded, readable, without secrets."""

import dataclasses
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any

import orjson

Value = str | bool | int | float
"""What an attribute may hold."""

HIDDEN = "(hidden)"
"""Stands where a name says that its value is a secret."""

_SECRET = re.compile(
    r"(?i)passw(or)?d|passphrase|secret|api[-_]?key|private[-_]?key|authorization|credential"
    r"|cookie|(^|[-_])token$|bearer"
)
_DEPTH_MAX = 12
_INTEGER_MAX = 2**63
_CUT = "… (cut)"


def attribute_of(value: Any, *, characters_max: int) -> Value:
    """A value as one attribute: numbers and texts as they are, anything else as JSON.

    Whatever the value is, this returns: what cannot be read is named by its type.
    """
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < _INTEGER_MAX):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    room = Room(characters_max)
    if isinstance(value, str):
        return room.text(value)
    plain = room.plain(value)
    return plain if isinstance(plain, str) else orjson.dumps(plain).decode()


class Room:
    """The characters that a payload may still take; used up, everything further is cut."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    @property
    def is_full(self) -> bool:
        return self._left <= 0

    def text(self, value: str) -> str:
        """The text, or its beginning."""
        text = value if value.isascii() else value.encode("utf-8", "replace").decode()
        if len(text) > self._left:
            text = text[: max(self._left, 0)] + _CUT
        self._left -= len(text) + 2
        return text

    def plain(self, value: Any, depth: int = 0) -> Any:
        """The same in lists, dicts, texts and numbers."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(str(value))
        if isinstance(value, int | float) and not isinstance(value, Enum):
            self._left -= 8
            is_plain = abs(value) < _INTEGER_MAX if isinstance(value, int) else True
            return value if is_plain and math.isfinite(value) else self._named(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"({len(value):,} bytes)"
        if depth >= _DEPTH_MAX:
            return "(nested too deeply)"
        try:
            return self._inside(value, depth)
        except Exception:  # noqa: BLE001 # an application's own object may do anything when looked at
            return f"({type(value).__name__})"

    def _inside(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self.plain(value.value, depth + 1)
        if isinstance(value, Mapping):
            return self._fields(value.items(), depth)
        if isinstance(value, list | tuple | AbstractSet):
            return self._items(value, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return self._fields(((name, getattr(value, name)) for name in names), depth)
        if hasattr(value, "model_dump") and not isinstance(value, type):
            return self._fields(value.model_dump().items(), depth)
        return self._named(value)

    def _fields(self, pairs: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if self.is_full:
                found["…"] = _CUT
                break
            name = self.text(str(key))
            found[name] = HIDDEN if _SECRET.search(name) else self.plain(value, depth + 1)
        return found

    def _items(self, values: Any, depth: int) -> list[Any]:
        found = []
        for value in values:
            if self.is_full:
                found.append(_CUT)
                break
            self._left -= 1
            found.append(self.plain(value, depth + 1))
        return found

    def _named(self, value: Any) -> str:
        # A date, path or decimal says itself; most other objects say at least what they are.
        return self.text(str(value))
