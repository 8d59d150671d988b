"""Sections cut into passages: short enough to quote and to find, long enough to mean something."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lineside.apps.answers.sections import Section

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+(?=[^\sa-z])")


class SourcePassage(NamedTuple):
    """A piece of one source that an answer can rest on.

    Attributes:
        source: Relative path of the file.
        number: Counted from 1 in its source.
    """

    source: str
    number: int
    heading: str
    page: int | None
    text: str

    @property
    def id(self) -> str:
        """Names the passage within one index, such as `sources/policy.pdf#3`."""
        return f"{self.source}#{self.number}"


def cut_passages(
    source: str, sections: Iterable[Section], *, words_max: int
) -> list[SourcePassage]:
    """Pack paragraphs into passages of at most so many words; none crosses a heading or a page.

    A paragraph that is longer is parted between sentences; one sentence that is longer, by words.
    """
    pieces = (
        (section, piece)
        for section in sections
        for piece in _packed(_parts(section.text, words_max), words_max)
    )
    return [
        SourcePassage(source, number, section.heading, section.page, piece)
        for number, (section, piece) in enumerate(pieces, start=1)
    ]


def _parts(text: str, words_max: int) -> Iterator[str]:
    for line in text.split("\n"):
        if len(line.split()) <= words_max:
            yield line
            continue
        for sentence in _packed(_SENTENCE_END.split(line), words_max, joint=" "):
            words = sentence.split()
            for at in range(0, len(words), words_max):
                yield " ".join(words[at : at + words_max])


def _packed(parts: Iterable[str], words_max: int, *, joint: str = "\n") -> Iterator[str]:
    held: list[str] = []
    count = 0
    for part in parts:
        size = len(part.split())
        if held and count + size > words_max:
            yield joint.join(held)
            held, count = [], 0
        if size:
            held.append(part)
            count += size
    if held:
        yield joint.join(held)
