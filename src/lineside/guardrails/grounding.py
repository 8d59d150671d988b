"""Whether an answer rests on its sources, and whether it copies them."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from lineside.guardrails.guard import Caught, Passage

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d[\d.,]*\d|\d")
_FUNCTION_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "and",
        "or",
        "of",
        "to",
        "in",
        "on",
        "at",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "for",
        "with",
        "as",
        "by",
        "from",
        "you",
        "your",
        "we",
        "our",
        "they",
        "their",
        "i",
        "my",
        "can",
        "will",
        "would",
        "should",
        "may",
        "not",
        "no",
        "if",
        "when",
        "then",
        "have",
        "has",
        "had",
        "do",
        "does",
        "did",
        "but",
        "so",
        "than",
        "which",
        "who",
        "what",
        "how",
        "there",
        "here",
        "all",
        "any",
    ]
)
_WORDS_MIN = 3


def grounded(*, sources: Sequence[str] = ()) -> Callable[[Passage], Caught | None]:
    """Scores how much of an answer its sources do not support: 0 is all, 1 is nothing.

    A sentence counts as supported where most of its telling words stand together in one source and
    each of its numbers does. That finds what was made up; it does not find a wrong "not".

    Args:
        sources: Texts, besides those the call brings along.
    """
    own = tuple(sources)

    def check(passage: Passage) -> Caught | None:
        given = (*own, *passage.sources)
        if not given:
            return Caught("there are no sources to rest on")
        known = [_known(source) for source in given]
        sentences = [one for one in _SENTENCE.findall(passage.text) if _telling(one)]
        loose = [one for one in sentences if not any(_rests(one, *source) for source in known)]
        if not loose:
            return None
        reason = f"{len(loose)} of {len(sentences)} sentences rest on none of the sources"
        return Caught(reason, len(loose) / len(sentences), {"sentence": len(loose)})

    return check


GROUNDED_LIMIT = 0.34
"""An answer of three sentences may hold none that is loose, one of more may hold a few."""


def no_long_quotes(
    *, words_max: float = 40, sources: Sequence[str] = ()
) -> Callable[[Passage], Caught | None]:
    """Catches a run of words that stands in a source just so, when it is longer than allowed."""
    size = int(words_max) + 1
    own = tuple(sources)

    def check(passage: Passage) -> Caught | None:
        said = list(_WORD.finditer(passage.text))
        words = tuple(match.group().casefold() for match in said)
        for source in (*own, *passage.sources):
            runs = _runs(source, size)
            for start in range(len(words) - size + 1):
                if words[start : start + size] in runs:
                    where = said[start].start(), said[start + size - 1].end()
                    reason = f"it quotes more than {size - 1} words of a source in one piece"
                    return Caught(reason, kinds={"quote": 1}, stretches=(where,))
        return None

    return check


@lru_cache(maxsize=64)
def _runs(source: str, size: int) -> frozenset[tuple[str, ...]]:
    words = [word.casefold() for word in _WORD.findall(source)]
    return frozenset(tuple(words[at : at + size]) for at in range(len(words) - size + 1))


@lru_cache(maxsize=256)
def _known(source: str) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(_telling(source)), frozenset(_NUMBER.findall(source))


def _telling(text: str) -> list[str]:
    words = [word.casefold() for word in _WORD.findall(text)]
    telling = [_stem(word) for word in words if word not in _FUNCTION_WORDS]
    return telling if len(telling) >= _WORDS_MIN else []


def _stem(word: str) -> str:
    return word[:6] if len(word) > 6 else word.removesuffix("s")


def _rests(sentence: str, words: frozenset[str], numbers: frozenset[str]) -> bool:
    telling = _telling(sentence)
    share = sum(word in words for word in telling) / len(telling)
    return share >= 0.6 and all(number in numbers for number in _NUMBER.findall(sentence))
