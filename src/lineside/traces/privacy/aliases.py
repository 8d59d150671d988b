"""Ids of users and sessions that say who somebody is, kept as aliases that tell nobody.

A mark such as `[masked:email]` makes one of all people. An alias is another one for each of them
and the same each time, within a workspace; it is made with a secret of the installation, so that
nobody who has a list of mail addresses finds out whose it is.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock
from typing import Literal
from weakref import WeakKeyDictionary, ref

from lineside.store import Store
from lineside.traces.conventions import people
from lineside.trust import keyed_digests

Kind = Literal["user", "session"]

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("user_id", *people.USERS), "user"),
    **dict.fromkeys(("session_id", *people.SESSIONS), "session"),
}
"""Whose id stands under a name of an attribute, or of our own fields."""

_DIGITS = 16
_KNOWN_MAX = 10_000
_ALIAS = re.compile(rf"\[masked:[a-z0-9][a-z0-9_-]{{0,39}}:[0-9a-f]{{{_DIGITS}}}\]")
_RULE = re.compile(r"\[masked:([a-z0-9][a-z0-9_-]{0,39})\]")

_known: "WeakKeyDictionary[Store, dict[str, Aliases]]" = WeakKeyDictionary()
_lock = Lock()


class Aliases:
    """Makes the aliases of one workspace; safe to share between threads."""

    def __init__(self, open_keyed: Callable[[], keyed_digests.KeyedDigests]) -> None:
        # Most workspaces never need one, and some of those have no key at hand.
        self._open = lru_cache(1)(open_keyed)
        self._code = lru_cache(_KNOWN_MAX)(self._made)

    def alias(self, kind: Kind, value: str, rule: str) -> str:
        """What is kept of an id: `[masked:RULE:…]`.

        Raises:
            Conflict: The key of the installation is missing.
        """
        return f"[masked:{rule}:{self._code(kind, value)}]"

    def under(self, kind: Kind, value: str, rule: str) -> str:
        """The same, where the value may be an alias already: then the one of whose it is."""
        if is_alias(value):
            return f"[masked:{rule}:{value[-_DIGITS - 1 :]}"
        return self.alias(kind, value, rule)

    def ending(self, kind: Kind, value: str) -> str:
        """How every alias of an id ends, whichever rule it was made for."""
        return f":{self._code(kind, value)}]"

    def _made(self, kind: Kind, value: str) -> str:
        return self._open().of("alias", kind, value)[:_DIGITS]


def aliases_of(store: Store, workspace: str) -> Aliases:
    """The aliases of a workspace, alike on every machine of the installation."""
    with _lock:
        known = _known.setdefault(store, {})
        if workspace not in known:
            known[workspace] = Aliases(_opening(store, workspace))
        return known[workspace]


def _opening(store: Store, workspace: str) -> Callable[[], keyed_digests.KeyedDigests]:
    held = ref(store)  # what is known of a store goes with it

    def opened() -> keyed_digests.KeyedDigests:
        there = held()
        assert there is not None  # noqa: S101 # who asks has it
        return keyed_digests.open_digests(there, workspace)

    return opened


def is_alias(text: str) -> bool:
    """Whether an id was replaced already."""
    return _ALIAS.fullmatch(text) is not None


def alias_names(kind: Kind, value: str, aliases: Aliases, rules: Iterable[str]) -> list[str]:
    """The names that an id may be kept under: itself, and its alias for each of these rules."""
    if is_alias(value):
        return [value]
    return [value, *(aliases.alias(kind, value, rule) for rule in dict.fromkeys(rules))]


def rule_in(masked: str) -> str | None:
    """The first rule of which a mark stands in a text."""
    found = _RULE.search(masked)
    return found and found[1]
