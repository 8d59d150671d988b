"""`embedded:quotes`: answers from passages in their own words, without any language model.

It takes the sentences that say most of what the question asks for, and quotes them. What it is
asked with are the app's own input fields and `passages`, each with `id` and `text`; the app finds
those. It fills `answer` and `citations`.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from lineside.gateway.model import ModelReply, ModelSetup
from lineside.gateway.reading import Floats, clean, word_vectors

SPEC = "embedded:quotes"
QUOTES_MAX = 3
# These two were chosen on the template's development cases; no held-out case had a say.
_ALMOST_AS_GOOD = 0.75  # of the best sentence; others are not worth a reader's time
_NEAR = 0.45  # cosine of two words from which one may stand for the other
_TERMS_MAX = 40
_SENTENCES_MAX = 400

_WORD = re.compile(r"\w+(?:[.,]\d+)*")
# Words that say that something is asked, not what; English and German.
_ASKING_WORDS = """
a about all also am an and any are as at be been but by can could do does for from get give had
has have he her his how i if in into is it its me many may me might more much must my no not of on
one or our out own shall she should so take tell than that the their them then there these they
this to under until up us was we were what when where which who whom whose why will with would you
your ab als am an auch auf aus bei bin bis da darf das dass dem den der des die dies du ein eine
einem einen einer er es für hat haben ich ihr im in ist kann man mein mit muss müssen nach nicht
oder sein sich sie sind soll und uns von vor wann war warum was welche welcher welches wenn wer
wie wird wo wozu zu zum zur über
"""
_ASKING = frozenset(_ASKING_WORDS.split())


class SourceQuote(NamedTuple):
    """Words of a passage, and how well they support an answer to what was asked, 0 to 1."""

    document: str
    text: str
    support: float


def terms_of(text: str) -> list[str]:
    """The words that carry a text, each in one form: `hotels` and `hotel` are the same term."""
    words = _WORD.findall(clean(text).casefold())
    return [_stem(word) for word in words if word not in _ASKING]


def best_quotes(question: str, passages: Iterable[Mapping[str, Any]]) -> list[SourceQuote]:
    """The sentences that speak most of the question, the best first; at most `QUOTES_MAX`.

    Support is the mean of two measures, because each alone is fooled: how many of the question's
    terms the sentence speaks of, its headings counted in, and how near the two are as a whole.
    """
    said = (
        (str(passage["id"]), str(passage.get("heading") or ""), str(passage["text"]))
        for passage in passages
    )
    return list(_best_quotes(question, tuple(said)))


# An app asks how well its passages support an answer just before the model quotes them.
@lru_cache(maxsize=64)
def _best_quotes(
    question: str, passages: tuple[tuple[str, str, str], ...]
) -> tuple[SourceQuote, ...]:
    asked = list(dict.fromkeys(terms_of(question)))[:_TERMS_MAX]
    said = (
        (document, terms_of(heading), sentence)
        for document, heading, text in passages
        for sentence in sentences(text)
    )
    whole = _vector(" ".join(asked))
    quotes = []
    for document, above, text in islice(said, _SENTENCES_MAX):
        terms = terms_of(text)
        support = (_coverage(asked, [*above, *terms]) + _nearness(whole, terms)) / 2
        quotes.append(SourceQuote(document, text, support))
    quotes.sort(key=lambda quote: -quote.support)
    bar = quotes[0].support * _ALMOST_AS_GOOD if quotes else 0
    return tuple(q for q in quotes[:QUOTES_MAX] if q.support >= bar and q.support > 0)


def _nearness(whole: Floats, terms: Sequence[str]) -> float:
    return max(0.0, float(whole @ word_vectors().mean(" ".join(terms))))


def _coverage(asked: Sequence[str], terms: Sequence[str]) -> float:
    """Share of the asked terms that a text speaks of, in its terms or in near ones."""
    held = dict.fromkeys(terms)
    if not held or not asked:
        return 0.0
    near = np.stack(list(map(_vector, asked))) @ np.stack(list(map(_vector, held))).T
    best = near.max(axis=1)
    # Numbers that look alike mean different things, so only the same one counts.
    is_number = np.array([term[0].isdigit() for term in asked])
    said = np.where((best < _NEAR) | is_number, 0.0, best)
    said[[term in held for term in asked]] = 1.0
    return float(said.mean())


def sentences(text: str) -> list[str]:
    """Sentences and list items of a text, each word for word as it stands there."""
    return [
        sentence.strip()
        for line in text.split("\n")
        for sentence in SENTENCE_END.split(line)
        if sentence.strip()
    ]


SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+(?=[^\sa-z])")
"""Between two sentences of one paragraph."""


def _stem(word: str) -> str:
    if not word.endswith("s"):  # most words, and this is asked of each
        return word
    for ending in ("'s", "ies", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word.removesuffix(ending) + ("y" if ending == "ies" else "")
    return word


@lru_cache(maxsize=16_384)
def _vector(term: str) -> Floats:
    return word_vectors().mean(term)


class QuotesProvider:
    """Opens the model that quotes; it needs no server, no key and no money per call."""

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the options and the fields."""
        problems = [f"`{SPEC}` has no options, found `{name}`" for name in setup.options]
        if "passages" not in setup.input_schema.get("properties", {}):
            problems.append(f"`{SPEC}` quotes sources, so it serves apps of the kind `answer` only")
        return problems

    def files(self, setup: ModelSetup) -> list[str]:  # noqa: ARG002 # asked of every provider
        """None: the passages come with the call."""
        return []

    def fit(self, setup: ModelSetup) -> bytes | None:  # noqa: ARG002 # asked of every provider
        """Nothing: there is nothing to train."""
        return None

    def open(self, setup: ModelSetup) -> "QuotesModel":  # noqa: ARG002 # asked of every provider
        """Make the model ready; the word vectors are read with the first call."""
        return QuotesModel()


class QuotesModel:
    """An opened `embedded:quotes`."""

    async def answer(
        self,
        payload: Mapping[str, Any],
        *,
        knobs: Mapping[str, Any] | None = None,  # noqa: ARG002 # there is no prompt to place them in
    ) -> ModelReply:
        """Quote the sentences that answer best; see `Model.answer`."""
        asked = (value for name, value in payload.items() if name != "passages")
        question = "\n".join(value for value in asked if isinstance(value, str))
        # Where the app has not weighed them yet, six passages take some 15 ms, in which other
        # calls should not stand still.
        quotes = await asyncio.to_thread(best_quotes, question, payload["passages"])
        output = {
            "answer": " ".join(quote.text for quote in quotes),
            "citations": [{"document": quote.document, "quote": quote.text} for quote in quotes],
        }
        return ModelReply(output=output, model=SPEC, cost_usd=0.0)

    async def close(self) -> None:
        """Nothing to give back."""
