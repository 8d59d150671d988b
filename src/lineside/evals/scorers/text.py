"""How near a text is to the expected one: words held, words shared, letters changed."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from lineside.evals.patterns import check_pattern, matcher
from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import (
    f1,
    normalised,
    nothing_expected,
    text_of,
    wanted_texts,
)
from lineside.gateway import show

EDIT_CHARACTERS_MAX = 100_000


def normalised_match(*, name: str, field: str, articles: bool = False) -> Scorer:
    """1 when the text is one of the expected ones but for case, blanks and punctuation, else 0.

    The words a, an and the do not count either, as in SQuAD, unless `articles` is set.
    """

    def score(context: ScorerContext) -> Score:
        wanted = wanted_texts(context, field)
        if not wanted:
            return nothing_expected(name, field)
        read = normalised(text_of(context, field), articles=articles)
        if read in {normalised(text, articles=articles) for text in wanted}:
            return Score(name, 1.0)
        return Score(name, 0.0, explanation=f"`{field}` is {show(read)}, expected {show(wanted)}")

    return score


def contains(
    *,
    name: str,
    field: str,
    text: str | None = None,
    texts: Sequence[str] | None = None,
    needs: str = "all",
    ignore_case: bool = True,
) -> Scorer:
    """1 when the field holds the text, or the text that the case expects of the field; else 0.

    Of several texts it needs `all`, or `any` of them.
    """
    fixed = [*([text] if text is not None else []), *(texts or ())]

    def score(context: ScorerContext) -> Score:
        parts = fixed or wanted_texts(context, field)
        if not parts:
            return nothing_expected(name, field)
        whole = text_of(context, field)
        folded = whole.casefold() if ignore_case else whole
        missing = [p for p in parts if (p.casefold() if ignore_case else p) not in folded]
        enough = not missing if needs == "all" else len(missing) < len(parts)
        said = None if enough else f"`{field}` does not hold {', '.join(map(show, missing))}"
        return Score(name, float(enough), explanation=said)

    return score


def regex(
    *, name: str, field: str, pattern: str, ignore_case: bool = False, must_match: bool = True
) -> Scorer:
    """1 when the pattern is found in the field (or, with `must_match: false`, is not); else 0."""
    check_pattern(pattern, name=name)
    flags = int(re.IGNORECASE) if ignore_case else 0

    def score(context: ScorerContext) -> Score:
        found = matcher.search(pattern, text_of(context, field), flags=flags)
        if (found is not None) == must_match:
            return Score(name, 1.0)
        read = "the pattern was not found" if found is None else f"found {show(found)}"
        return Score(name, 0.0, explanation=f"`{field}`: {read}")

    return score


def token_f1(*, name: str, field: str) -> Scorer:
    """How many words the text shares with the expected one: 1 is all, 0 is none.

    The harmonic mean of precision and recall over words, repeats counted, both texts normalised as
    in SQuAD; of several expected texts the nearest counts.
    """
    return _nearest(name, field, _shared_words)


def edit_similarity(*, name: str, field: str, ignore_case: bool = False) -> Scorer:
    """1 less the share of letters that must change to get the expected text: 1 is equal.

    The Levenshtein distance divided by the length of the longer text; of several expected texts
    the nearest counts.
    """

    def near(read: str, wanted: str) -> float:
        if ignore_case:
            read, wanted = read.casefold(), wanted.casefold()
        longest = max(len(read), len(wanted))
        return 1 - edit_distance(read, wanted) / longest if longest else 1.0

    return _nearest(name, field, near)


def edit_distance(first: str, second: str) -> int:
    """Letters to insert, remove or replace to turn one text into the other.

    A whole column of the usual table is kept as the bits of two numbers (Hyyrö 2003), which makes
    two pages of text a matter of milliseconds.
    """
    if max(len(first), len(second)) > EDIT_CHARACTERS_MAX:
        raise ValueError(f"a text has more than {EDIT_CHARACTERS_MAX:,} characters")
    if not first:
        return len(second)
    places: dict[str, int] = {}
    for at, sign in enumerate(first):
        places[sign] = places.get(sign, 0) | 1 << at
    every, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rises, falls, distance = every, 0, len(first)
    for sign in second:
        here = places.get(sign, 0)
        level = (((here & rises) + rises) ^ rises) | here | falls
        up, down = falls | (every & ~(level | rises)), level & rises
        distance += bool(up & last) - bool(down & last)
        up, down = (up << 1) | 1, down << 1
        rises, falls = every & (down | ~(level | up)), every & up & level
    return distance


def _nearest(name: str, field: str, near: Callable[[str, str], float]) -> Scorer:
    def score(context: ScorerContext) -> Score:
        wanted = wanted_texts(context, field)
        if not wanted:
            return nothing_expected(name, field)
        read = text_of(context, field)
        return Score(name, max(near(read, text) for text in wanted))

    return score


def _shared_words(read: str, wanted: str) -> float:
    given, right = normalised(read).split(), normalised(wanted).split()
    matched = sum((Counter(given) & Counter(right)).values())
    return f1(matched, given=len(given), wanted=len(right))
