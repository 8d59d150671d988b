"""The texts of a JSON value, and the value with others in their place."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from lineside.core import Denied

NESTING_MAX = 64
_NUMBER_MIN = 10**6
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def texts_of(value: Any) -> list[str]:
    """Every text of a value, in order; long numbers and unusual names are texts too.

    Raises:
        Denied: It nests too deeply to be looked through.
    """
    found: list[str] = []
    _gather(value, found, 0)
    return found


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each of its texts changed; itself where none of them is."""
    before = texts_of(value)
    after = [change(text) for text in before]
    return value if after == before else put_back(value, after)


def put_back(value: Any, texts: list[str]) -> Any:
    """The value with these in the place of its texts; what did not change keeps its type."""
    remaining = iter(texts)
    return _put(value, remaining)


def _gather(value: Any, found: list[str], depth: int) -> None:
    if depth > NESTING_MAX:
        raise Denied(
            "guard_denied",
            f"The message nests deeper than {NESTING_MAX}, the guards cannot look through it",
            hint="Send it flatter.",
        )
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not _WORD.fullmatch(name):
                found.append(name)
            if item is not None:
                _gather(item, found, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _gather(item, found, depth + 1)
    elif _is_long(value):
        found.append(str(value))


def _put(value: Any, texts: Iterator[str]) -> Any:
    if isinstance(value, str):
        return next(texts)
    if _is_long(value):
        text = next(texts)
        return value if text == str(value) else text
    if isinstance(value, dict):
        return {
            (name if _WORD.fullmatch(name) else next(texts)): _put(item, texts)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_put(item, texts) for item in value]
    return value


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _NUMBER_MIN
