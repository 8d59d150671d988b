"""Takes out of a value what the rules say; pure, and the same for every door.

What cannot be looked through raises `NotMasked`, never passes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import orjson

from lineside.core import Record
from lineside.traces.privacy.aliases import KINDS, Aliases, Kind, is_alias, rule_in
from lineside.traces.privacy.patterns import BUILT_IN, Finder, compiled, finder_of, glob_of

NESTING_MAX = 64
_KNOWN_NAMES_MAX = 4_096
_NUMBER_MIN = 10**6
_KEY = compiled(r"\\*[\"']([^\"'\\]{1,200})\\*[\"']\s*[:=]\s*")
_OPENER = compiled(r"\\*[\"']")
_BARE = compiled(r"[^\s,;}\])]+")

RuleKind = Literal["built_in", "pattern", "field"]


class NotMasked(ValueError):
    """Says in its text why a value could not be looked through."""


class Masked(Record):
    """One thing that is masked.

    Attributes:
        name: What stands in its place: `[masked:NAME]`.
        kind: A pattern that comes with lineside, one of your own, or the name of a field.
        pattern: A built-in pattern's name, a regular expression, or a glob.
    """

    name: str
    kind: RuleKind
    pattern: str

    @property
    def mark(self) -> str:
        return f"[masked:{self.name}]"


class Masker:
    """The rules of one workspace, ready for use; safe to share between threads."""

    def __init__(self, rules: Sequence[Masked], aliases: Aliases) -> None:
        self._aliases = aliases
        self._of_fields = [one.name for one in rules if one.kind == "field"]
        self._fields = [(glob_of(one.pattern), one.mark) for one in rules if one.kind == "field"]
        # What is surest of itself comes first, lest a weaker one takes a part of it and leaves the
        # rest in clear.
        own = [(finder_of(one.pattern), one.mark) for one in rules if one.kind == "pattern"]
        marks = {one.pattern: one.mark for one in rules if one.kind == "built_in"}
        named = [(find, marks[name]) for name, (_, find) in BUILT_IN.items() if name in marks]
        self._finders: list[tuple[Finder, str]] = own + named
        self.field = lru_cache(_KNOWN_NAMES_MAX)(self._field)
        self.name = lru_cache(_KNOWN_NAMES_MAX)(self._found)

    def text(self, text: str, depth: int = 0) -> str:
        """A text without what the rules name; one that is JSON is looked through as such."""
        if text.lstrip()[:1] in ("{", "[", '"'):
            try:
                value = orjson.loads(text)
            except orjson.JSONDecodeError:
                return self._plain(text)
            masked = self.value(value, depth + 1)
            # What a parser drops, such as a key that is there twice, is still in the text.
            if masked == value and self._plain(text) == text:
                return text
            return orjson.dumps(masked).decode()
        return self._plain(text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """The same of a JSON value: texts at any depth, fields by their names, long numbers.

        Raises:
            NotMasked: It nests too deeply.
        """
        if depth > NESTING_MAX:
            raise NotMasked(f"it could not be masked: it nests deeper than {NESTING_MAX}")
        if isinstance(value, str):
            return self.text(value, depth)
        if isinstance(value, dict):
            return {
                self.name(name): self.field_value(name, item, depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self.number(value)
        return value

    def field_value(self, name: str, value: Any, depth: int = 0) -> Any:
        """A value with a name: as a whole where the name says so, else what is in it."""
        if name in KINDS and isinstance(value, str | int) and not isinstance(value, bool):
            return self.person(KINDS[name], value, name)
        mark = self.field(name)
        if mark is not None and value is not None:
            return mark
        return self.value(value, depth)

    def rules_on(self, text: str) -> list[str]:
        """Names of the rules that may find something in an id, whichever field it stands in."""
        found = [rule_in(mark) for find, mark in self._finders if any(True for _ in find(text))]
        return [*(name for name in found if name), *self._of_fields]

    def person(self, kind: Kind, value: str | int, *names: str) -> str | int:
        """The id of a user or session: an alias where a rule finds something in it.

        The whole id goes, and the alias depends on nothing but the id: so that who asks for the id
        finds what was kept under any rule.

        Args:
            names: Of the fields it stands in, which a rule may name.
        """
        said = str(value)
        bare = said[1:-1] if len(said) > 2 and said[0] == said[-1] == '"' else said
        if not bare or is_alias(bare):
            return value
        mark = next((one for name in names if (one := self.field(name))), None)
        masked = mark or (self.text(bare) if isinstance(value, str) else str(self.number(value)))
        rule = rule_in(masked) if masked != bare else None
        if rule is None:
            return masked if masked != bare else value
        alias = self._aliases.alias(kind, bare, rule)
        # Quotes are the sender's own, and whoever reads the id takes them off.
        return alias if bare == said else f'"{alias}"'

    def number(self, value: int) -> int | str:
        """A whole number, or the mark where its digits are what a rule looks for."""
        if -_NUMBER_MIN < value < _NUMBER_MIN:
            return value
        digits = str(value)
        for find, mark in self._finders:
            if (0, len(digits)) in find(digits):
                return mark
        return value

    def _field(self, name: str) -> str | None:
        return next((mark for glob, mark in self._fields if glob.search(name)), None)

    def _plain(self, text: str) -> str:
        return self._found(self._named(text) if self._fields else text)

    def _found(self, text: str) -> str:
        for find, mark in self._finders:
            pieces, end = [], 0
            for start, stop in find(text):
                pieces += [text[end:start], mark]
                end = stop
            if pieces:
                text = "".join([*pieces, text[end:]])
        return text

    def _named(self, text: str) -> str:
        """A text with JSON in it, or cut off before its end: the named fields that can be made out.

        Where such a field begins a list or object, all that follows goes with it.
        """
        pieces, end = [], 0
        for match in _KEY.finditer(text):
            mark = self.field(match.group(1))
            if match.start() < end or mark is None:
                continue
            start = match.end()
            stop = _value_end(text, start)
            if stop > start:
                pieces += [text[end:start], _quoted(text, start, mark)]
                end = stop
        return "".join([*pieces, text[end:]])


def _value_end(text: str, start: int) -> int:
    """Where the value ends that begins here."""
    opener = _OPENER.match(text, start)
    if opener is None:
        if text[start : start + 1] in ("{", "[", "("):
            return len(text)
        bare = _BARE.match(text, start)
        return len(text) if bare is None else bare.end()
    quote = opener.group()
    place = text.find(quote, opener.end())
    while place != -1:
        # A quote with more backslashes before it belongs to the text inside.
        if text[place - 1] != "\\":
            return place + len(quote)
        place = text.find(quote, place + len(quote))
    return len(text)


def _quoted(text: str, start: int, mark: str) -> str:
    opener = _OPENER.match(text, start)
    quote = '"' if opener is None else opener.group()
    return f"{quote}{mark}{quote}"
