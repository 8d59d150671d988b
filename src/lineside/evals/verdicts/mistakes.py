"""What was answered instead of what was asked for, where the same happened more than once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from lineside.evals.result import Result

MISTAKES_MAX = 8
_TIMES_MIN = 2
_CHARACTERS_MAX = 60


class Mistake(NamedTuple):
    """One field that was answered by one wrong value again and again.

    Attributes:
        name: Such as `delivery_late instead of delivery_change`.
        asked: How many results ask for the same value, right ones too.
    """

    name: str
    results: list[Result]
    asked: int


def repeated_mistakes(wrong: Sequence[Result], results: Sequence[Result]) -> list[Mistake]:
    """The most frequent mistakes; a result counts to the first field in which it differs."""
    found: dict[tuple[str, str, str], list[Result]] = {}
    for result in wrong:
        if key := next(_differing(result), None):
            found.setdefault(key, []).append(result)
    asked = Counter(
        (field, _text(value)) for result in results for field, value in result.expected.items()
    )
    often = sorted(found.items(), key=lambda one: -len(one[1]))[:MISTAKES_MAX]
    return [
        Mistake(_name(field, wanted, got, of=alike[0]), alike, asked[field, wanted])
        for (field, wanted, got), alike in often
        if len(alike) >= _TIMES_MIN
    ]


def _differing(result: Result) -> Iterator[tuple[str, str, str]]:
    for field, value in result.expected.items():
        wanted, got = _text(value), _text((result.output or {}).get(field))
        if wanted != got:
            yield field, wanted, got


def _name(field: str, wanted: str, got: str, *, of: Result) -> str:
    told = f"{_short(got)} instead of {_short(wanted)}"
    return f"{field}: {told}" if len(of.expected) > 1 else told


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS_MAX else f"{text[: _CHARACTERS_MAX - 1]}…"
