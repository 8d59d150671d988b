"""How an answer is written: its length, how hard it reads, in which language."""

import re
from functools import cache
from typing import Any

from lineside.core import Invalid, Unavailable
from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import WORD, as_text, text_of

LANGUAGE_LETTERS_MIN = 20

_SENTENCE_END = re.compile(r"[.!?…。！？]+(?=\s|$|[\"'”’)])")
_SPOKEN_ES = ("ces", "ses", "xes", "zes", "ges", "shes", "ches", "les")
_VOWELS = re.compile(r"[aeiouy]+")


def length(
    *,
    name: str,
    field: str,
    unit: str = "words",
    at_least: int | None = None,
    at_most: int | None = None,
) -> Scorer:
    """1 when the text has as many words (or `characters`, `sentences`) as allowed, else 0."""
    if at_least is None and at_most is None:
        raise Invalid(
            "bad_scorer",
            f"Scorer `{name}` (length) allows any length",
            hint="Give `at_least`, `at_most` or both.",
        )

    def score(context: ScorerContext) -> Score:
        text = text_of(context, field)
        count = {"words": len(_words(text)), "characters": len(text), "sentences": _sentences(text)}
        fits = (at_least or 0) <= count[unit] and (at_most is None or count[unit] <= at_most)
        limits = [f"at least {at_least}"] if at_least is not None else []
        limits += [f"at most {at_most}"] if at_most is not None else []
        said = None if fits else f"`{field}` has {count[unit]} {unit}, allowed {', '.join(limits)}"
        return Score(name, float(fits), explanation=said)

    return score


def word_count(*, name: str, field: str) -> Scorer:
    """Number of words of the text; fewer is better."""
    return lambda context: Score(name, float(len(_words(text_of(context, field)))))


def reading_ease(*, name: str, field: str) -> Scorer:
    """Flesch's reading ease of an English text: 100 is very easy, 30 hard; higher is better.

    Syllables are counted by groups of vowels, which some words defy; read the mean.
    """

    def score(context: ScorerContext) -> Score:
        words, sentences = _counted(text_of(context, field))
        if not words:
            return Score(name, None, explanation=f"`{field}` has no words")
        syllables = sum(map(_syllables, words))
        value = 206.835 - 1.015 * len(words) / sentences - 84.6 * syllables / len(words)
        return Score(name, value)

    return score


def reading_grade(*, name: str, field: str) -> Scorer:
    """School years that an English text asks for, by Flesch and Kincaid; lower is better."""

    def score(context: ScorerContext) -> Score:
        words, sentences = _counted(text_of(context, field))
        if not words:
            return Score(name, None, explanation=f"`{field}` has no words")
        syllables = sum(map(_syllables, words))
        value = 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59
        return Score(name, value)

    return score


def lix(*, name: str, field: str) -> Scorer:
    """LIX: words a sentence plus the percentage of words above 6 letters; lower is easier.

    Made for Swedish, usable in any language with an alphabet: 30 is a children's book, 60 law.
    """

    def score(context: ScorerContext) -> Score:
        words, sentences = _counted(text_of(context, field))
        if not words:
            return Score(name, None, explanation=f"`{field}` has no words")
        long = sum(len(word) > 6 for word in words)
        return Score(name, len(words) / sentences + 100 * long / len(words))

    return score


def language(*, name: str, field: str, language: str | None = None) -> Scorer:
    """1 when the text is in the language (`de`, ISO 639-1), else in that of the input; else 0.

    The package `py3langid` (extra `text`) tells 97 languages apart, in this process. A text, or an
    input, of fewer than 20 letters gives no score: it could be anything.
    """
    tell = _identifier()

    def score(context: ScorerContext) -> Score:
        text = text_of(context, field)
        asked = " ".join(_texts_in(context.input))
        if _letters(text) < LANGUAGE_LETTERS_MIN:
            return Score(name, None, explanation=f"`{field}` is too short to tell its language")
        if language is None and _letters(asked) < LANGUAGE_LETTERS_MIN:
            return Score(name, None, explanation="the input is too short to tell its language")
        read, wanted = tell(text), language or tell(asked)
        said = None if read == wanted else f"`{field}` reads as `{read}`, expected `{wanted}`"
        return Score(name, float(read == wanted), label=read, explanation=said)

    return score


@cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise Unavailable(
            "package_missing",
            "The scorer `language` needs the package `py3langid`",
            hint="Install it with `pip install 'lineside[text]'`.",
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    return lambda text: str(identifier.classify(text)[0])


def _words(text: str) -> list[str]:
    return WORD.findall(text)


def _sentences(text: str) -> int:
    pieces = _SENTENCE_END.split(text)
    return sum(bool(WORD.search(piece)) for piece in pieces)


def _counted(text: str) -> tuple[list[str], int]:
    return _words(text), max(1, _sentences(text))


def _syllables(word: str) -> int:
    """Groups of vowels, without a silent e at the end."""
    word = word.lower()
    count = len(_VOWELS.findall(word))
    is_silent = (
        (word.endswith("e") and not word.endswith(("le", "ee", "ye")))
        or (word.endswith("es") and not word.endswith(_SPOKEN_ES))
        or (word.endswith("ed") and not word.endswith(("ted", "ded", "eed")))
    )
    return max(1, count - (is_silent and count > 1))


def _letters(text: str) -> int:
    return sum(sign.isalpha() for sign in text)


def _texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, inner in value.items() if key != "role" for text in _texts_in(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts_in(inner)]
    return [as_text(value)] if isinstance(value, str) else []
