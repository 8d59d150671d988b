"""Overlap with reference texts as machine translation and summaries are measured."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from lineside.core import Unavailable
from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import (
    f1,
    nothing_expected,
    text_of,
    wanted_texts,
)

ROUGE_WORDS_MAX = 5_000


def bleu(*, name: str, field: str) -> Scorer:
    """BLEU of the answer against the expected texts, divided by 100: 1 is the same words.

    Of one sentence at a time, with effective order and exponential smoothing, by the package
    `sacrebleu` (extra `text`). Single answers vary widely; read the mean.
    """
    return _by_sacrebleu(name, field, "BLEU")


def chrf(*, name: str, field: str) -> Scorer:
    """chrF of the answer against the expected texts, divided by 100: 1 is the same letters.

    It counts pieces of words of up to 6 letters, so it suits languages with many endings; by the
    package `sacrebleu` (extra `text`).
    """
    return _by_sacrebleu(name, field, "CHRF")


def rouge(*, name: str, field: str, variant: str = "rougeL") -> Scorer:
    """ROUGE F1 of the answer against the expected text: 1 is the same words.

    `rouge1` counts words, `rouge2` pairs of neighbours, `rougeL` the longest common row of words.
    Case and punctuation do not count, words are not stemmed; of several expected texts the nearest
    counts.
    """

    def score(context: ScorerContext) -> Score:
        wanted = wanted_texts(context, field)
        if not wanted:
            return nothing_expected(name, field)
        read = _words(text_of(context, field))
        return Score(name, max(_rouge(read, _words(text), variant) for text in wanted))

    return score


def _by_sacrebleu(name: str, field: str, metric: str) -> Scorer:
    made = _metric(metric)

    def score(context: ScorerContext) -> Score:
        wanted = wanted_texts(context, field)
        if not wanted:
            return nothing_expected(name, field)
        return Score(name, made.sentence_score(text_of(context, field), wanted).score / 100)

    return score


@cache
def _metric(metric: str) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise Unavailable(
            "package_missing",
            "The scorers `bleu` and `chrf` need the package `sacrebleu`",
            hint="Install it with `pip install 'lineside[text]'`.",
        ) from error
    return BLEU(effective_order=True) if metric == "BLEU" else CHRF()


def _words(text: str) -> list[str]:
    # Letters of any script are words here; the original knows only those of English.
    return re.findall(r"[^\W_]+", text.casefold())


def _rouge(read: list[str], wanted: list[str], variant: str) -> float:
    if variant == "rougeL":
        return f1(_common_row(read, wanted), given=len(read), wanted=len(wanted))
    given: Counter[Any] = Counter(read if variant == "rouge1" else pairwise(read))
    right: Counter[Any] = Counter(wanted if variant == "rouge1" else pairwise(wanted))
    return f1((given & right).total(), given=given.total(), wanted=right.total())


def _common_row(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest row of words that both have in this order, gaps allowed."""
    if max(len(first), len(second)) > ROUGE_WORDS_MAX:
        raise ValueError(f"a text has more than {ROUGE_WORDS_MAX:,} words")
    places: dict[str, int] = {}
    for at, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << at
    every = (1 << len(first)) - 1
    row = every  # Hyyrö 2004: a zero bit is a word of the longest row
    for word in second:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & every
    return len(first) - row.bit_count()
