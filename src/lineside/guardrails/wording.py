"""What a text is about, how long it is, in which language, and words it may not hold."""

import re
from collections.abc import Callable, Iterable, Sequence

from lineside.core import Invalid, did_you_mean
from lineside.guardrails.guard import Caught, Passage
from lineside.traces import privacy

_COMMON_WORDS = {
    "de": "der die das und ist nicht ich sie mit für auf ein eine den von zu wir es auch wie aber",
    "en": "the and is to of in that it for you with are this not on have was my what how your from",
    "es": "el la los las que de en y es un una por con no para como su más pero está mi qué del",
    "fr": "le la les et est des une dans que pour pas vous je ce qui sur avec mon nous du au mais",
    "it": "il che di non è per una sono con mi come ma del della questo gli più anche ho le nel si",
    "nl": "de het een en van is dat niet ik je met voor op zijn te aan wat hoe mijn ook maar er",
    "pl": "nie się że jest na do to jak w z i co mi o ale czy za dla od po był moje",
    "pt": "o que de não uma um para com os as é do da em por mais como mas meu está você se na",
    "sv": "och att det är en som på för inte jag med har den till av om ett men vi hur kan",
}
_SCRIPTS = {
    "ar": "\u0600-\u06ff",
    "el": "\u0370-\u03ff",
    "he": "\u0590-\u05ff",
    "hi": "\u0900-\u097f",
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af",
    "ru": "\u0400-\u04ff",
    "th": "\u0e00-\u0e7f",
    "zh": "\u4e00-\u9fff",
}
LANGUAGES = tuple(sorted({*_COMMON_WORDS, *_SCRIPTS}))
_COMMON = {language: frozenset(words.split()) for language, words in _COMMON_WORDS.items()}
_SCRIPT = {language: re.compile(f"[{signs}]") for language, signs in _SCRIPTS.items()}
_WORD = re.compile(r"[^\W\d_]+")
_WORDS_MIN = 4
_LOOKED_AT_CHARACTERS = 1_500
_PHRASES_CHARACTERS_MAX = 100_000


def length(
    *, characters_min: float = 0, characters_max: float = float("inf")
) -> Callable[[Passage], Caught | None]:
    """Catches texts that are too short or too long, in characters."""

    def check(passage: Passage) -> Caught | None:
        size = len(passage.text)
        if characters_min <= size <= characters_max:
            return None
        limit = characters_min if size < characters_min else characters_max
        side = "at least" if size < characters_min else "at most"
        return Caught(f"it has {size:,} characters, {side} {limit:,.0f} are allowed")

    return check


def language_of(text: str) -> tuple[str, float] | None:
    """The likeliest language of a text with its share of signs or words; nothing if unclear."""
    seen = text[:_LOOKED_AT_CHARACTERS]
    if not seen.isascii() and (script := _script_of(seen)) is not None:
        return script
    words = [word.lower() for word in _WORD.findall(seen)]
    if len(words) < _WORDS_MIN:
        return None
    counts = {name: sum(word in known for word in words) for name, known in _COMMON.items()}
    best, second = sorted(counts, key=lambda name: -counts[name])[:2]
    if counts[best] < 2 or counts[best] == counts[second]:
        return None
    return best, counts[best] / len(words)


def _script_of(text: str) -> tuple[str, float] | None:
    letters = sum(map(str.isalpha, text)) or 1
    shares = {name: len(signs.findall(text)) / letters for name, signs in _SCRIPT.items()}
    if shares["ja"] > 0.05:  # Japanese writes with Chinese signs too
        return "ja", shares["ja"] + shares["zh"]
    script = max(shares, key=lambda name: shares[name])
    return (script, shares[script]) if shares[script] > 0.4 else None


def language(*, of: Sequence[str]) -> Callable[[Passage], Caught | None]:
    """Catches texts that are clearly in another language; short ones are never clear."""
    for word in of:
        if word not in LANGUAGES:
            near = did_you_mean(word, LANGUAGES)
            raise Invalid(
                "bad_guard",
                f"`language` does not know `{word[:40]}`",
                hint=f"Did you mean `{near}`?" if near else f"It knows {', '.join(LANGUAGES)}.",
            )

    def check(passage: Passage) -> Caught | None:
        found = language_of(passage.text)
        if found is None or found[0] in of:
            return None
        reason = f"it is in `{found[0]}`, allowed: {', '.join(of)}"
        return Caught(reason, kinds={found[0]: 1})

    return check


def banned_phrases(*, phrases: Sequence[str]) -> Callable[[Passage], Caught | None]:
    """Catches phrases in any case of letters, with any blanks between their words."""
    find = _any_of(phrases)

    def check(passage: Passage) -> Caught | None:
        text, pieces, end = passage.text, [], 0
        found = [one for one in find(text) if _stands_alone(text, *one)]
        if not found:
            return None
        for start, stop in found:
            pieces += [text[end:start], "[removed]"]
            end = stop
        text = "".join([*pieces, text[end:]])
        reason = f"it holds {len(found)} banned phrase{'s' if len(found) > 1 else ''}"
        return Caught(reason, float(len(found)), {"phrase": len(found)}, text, tuple(found))

    return check


def longest(phrases: Sequence[str]) -> int:
    """Characters that the longest of some phrases may take in a text."""
    return max(map(len, phrases), default=0) + 16


def on_topic(
    *, about: Sequence[str] = (), never: Sequence[str] = ()
) -> Callable[[Passage], Caught | None]:
    """A fence of words: catches a forbidden one, and a text without any of those it must be about.

    Words count in all their forms that begin the same; a short text of under four words, such as
    "thank you", is on every topic.
    """
    if not about and not never:
        raise Invalid("bad_guard", "`on_topic` names no words", hint="Give `about` or `never`.")
    inside, outside = _beginnings(about), _beginnings(never)

    def check(passage: Passage) -> Caught | None:
        hits = [match.span() for match in outside.finditer(passage.text)] if never else []
        if hits:
            return Caught("it is on a topic that is fenced off", kinds={"never": len(hits)})
        words = len(_WORD.findall(passage.text))
        if about and words >= _WORDS_MIN and inside.search(passage.text) is None:
            return Caught("it is about none of the topics of this app", kinds={"about": 1})
        return None

    return check


def _any_of(phrases: Sequence[str]) -> Callable[[str], Iterable[tuple[int, int]]]:
    spaced = [r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases]
    # The longest first: one phrase may begin another.
    listed = "|".join(sorted(spaced, key=len, reverse=True))
    return privacy.finder_of(f"(?i)(?:{listed})", length_max=_PHRASES_CHARACTERS_MAX)


def _stands_alone(text: str, start: int, stop: int) -> bool:
    """Whether what was found is no part of longer words."""
    before, after = text[start - 1 : start], text[stop : stop + 1]
    return not (before.isalnum() and text[start].isalnum()) and not (
        after.isalnum() and text[stop - 1].isalnum()
    )


def _beginnings(words: Sequence[str]) -> re.Pattern[str]:
    # "refunds" and "refunded" are on the topic "refund"; what is shorter must be meant exactly.
    starts = [re.escape(word) + (r"\w*" if len(word) > 3 else r"\b") for word in words]
    return re.compile(rf"(?i)\b(?:{'|'.join(starts) or '(?!)'})")
