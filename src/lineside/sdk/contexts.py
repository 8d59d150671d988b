"""Who and what the steps in a block belong to.

Kept in a context variable of our own and never in OpenTelemetry's baggage: baggage travels with
every outgoing request, and a user's id is nobody else's business.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any

from lineside.sdk.payloads import attribute_of

NAMES = {
    "user": "lineside.user",
    "session": "lineside.session",
    "use_case": "lineside.usecase",
    "release": "lineside.release",
    "arm": "lineside.arm",
    "run": "lineside.run",
    "case": "lineside.case",
}
"""Attribute that each of the words stands in on a span."""

_VALUE_CHARACTERS_MAX = 1_000
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_current: ContextVar[Mapping[str, Any]] = ContextVar("lineside_context", default=_NOTHING)


class _Context:
    """A block whose spans carry what it names."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self._attributes = attributes
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> None:
        self._tokens.append(_current.set({**_current.get(), **self._attributes}))

    def __exit__(self, *_: object) -> None:
        try:
            _current.reset(self._tokens.pop())
        except ValueError:
            return  # left in another task than entered: that one's context ends with it


def context(
    *,
    user: str | None = None,
    session: str | None = None,
    use_case: str | None = None,
    release: str | None = None,
    arm: str | None = None,
    run: str | None = None,
    case: str | None = None,
    **attributes: Any,
) -> _Context:
    """Let every span that begins inside carry these, those of other instrumentations too.

    `with lineside.context(user="u1", session="s1"): …`. An inner block adds to the outer one and
    wins where both name the same; nothing given means that the outer one stays. It follows asyncio
    tasks, and threads that run in a copy of the context. It never leaves the process but on spans.

    Args:
        attributes: Anything else, put on the spans under its own name.
    """
    words = {
        "user": user,
        "session": session,
        "use_case": use_case,
        "release": release,
        "arm": arm,
        "run": run,
        "case": case,
    }
    stamps = {NAMES[word]: str(value) for word, value in words.items() if value is not None}
    others = {
        name: attribute_of(value, characters_max=_VALUE_CHARACTERS_MAX)
        for name, value in attributes.items()
        if value is not None
    }
    return _Context(others | {name: text[:_VALUE_CHARACTERS_MAX] for name, text in stamps.items()})


def current() -> Mapping[str, Any]:
    """Attributes that a span beginning now is to carry."""
    return _current.get()
