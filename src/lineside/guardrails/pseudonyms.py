"""Marks that stand for what a person said, so that a model works without it, and back again."""

import re
from collections.abc import Callable, Iterable

_MARK = re.compile(r"\[[A-Z][A-Z_]{1,30}_[0-9]{1,6}\]")
_BEGINNING = re.compile(r"\[[A-Z0-9_]{0,38}$")


class Pseudonyms:
    """The marks of one call: the same value always has the same mark, another one never.

    Lives as long as the call and is kept nowhere, so that nobody can turn marks back later.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._texts: Callable[[], Iterable[str]] = tuple
        self._written: frozenset[str] | None = None

    def avoid(self, texts: Callable[[], Iterable[str]]) -> None:
        """Give no mark that stands somewhere in these: in an earlier call it stood for another.

        Args:
            texts: All that is asked, looked through once the first mark is wanted.
        """
        self._texts = texts

    def mark(self, kind: str, value: str, *, text: str) -> str:
        """The mark that stands for a value, such as `[EMAIL_1]`.

        Args:
            text: What the value stands in; a mark that somebody wrote there himself is not used.
        """
        known = self._marks.get((kind, value))
        if known is not None:
            return known
        if self._written is None:
            found = (_MARK.findall(one) for one in self._texts() if "[" in one)
            self._written = frozenset(mark for marks in found for mark in marks)
        number = 1 + sum(one == kind for one, _ in self._marks)
        while (
            (mark := f"[{kind.upper()}_{number}]") in self._values
            or mark in text
            or mark in self._written
        ):
            number += 1
        self._marks[kind, value] = mark
        self._values[mark] = value
        return mark

    def __bool__(self) -> bool:
        return bool(self._values)

    def conceal(self, text: str) -> str:
        """The text with marks again in the place of what they stand for, as it may be kept."""
        for value in sorted(self._values.values(), key=len, reverse=True):
            if value in text:
                mark = next(mark for mark, one in self._values.items() if one == value)
                text = text.replace(value, mark)
        return text

    def reveal(self, text: str) -> str:
        """The text with what the marks stand for; marks that nobody gave stay."""
        if not self._values or "[" not in text:
            return text
        return _MARK.sub(lambda match: self._values.get(match.group(), match.group()), text)


class Revealing:
    """Turns marks back in a stream, also those that are split over pieces."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown by now; at most the beginning of one mark is held."""
        text = self._held + piece
        begun = _BEGINNING.search(text) if self._pseudonyms else None
        self._held = "" if begun is None else begun.group()
        shown = text if begun is None else text[: begun.start()]
        return self._pseudonyms.reveal(shown)

    def finish(self) -> str:
        """What was still held."""
        held, self._held = self._held, ""
        return held
