"""Whether the right documents were found, and whether what is cited stands in them.

Documents are ids, or objects with an `id`; those that the case expects may carry a `grade`, 1 or
more, for how relevant they are (1 without). An id found twice counts where it stands first.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log2
from typing import Any

from lineside.core import Invalid
from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import as_text, normalised, nothing_expected, objects_in

Measure = Callable[[Sequence[str], Mapping[str, float], int], float]
K = 10
DOCUMENTS = "documents"


def precision_at_k(*, name: str, field: str = DOCUMENTS, k: int = K) -> Scorer:
    """Share of the first `k` places that hold an expected document; an empty place holds none."""
    return _ranked(name, field, k, lambda found, grades, k: _hits(found[:k], grades) / k)


def recall_at_k(*, name: str, field: str = DOCUMENTS, k: int = K) -> Scorer:
    """Share of the expected documents that are among the first `k` found."""
    return _ranked(name, field, k, lambda found, grades, k: _hits(found[:k], grades) / len(grades))


def reciprocal_rank(*, name: str, field: str = DOCUMENTS, k: int = K) -> Scorer:
    """1 divided by the place of the first expected document, 0 where none is among `k`.

    Its mean over the cases is the MRR.
    """

    def measure(found: Sequence[str], grades: Mapping[str, float], k: int) -> float:
        ranks = [rank for rank, document in enumerate(found[:k], start=1) if document in grades]
        return 1 / ranks[0] if ranks else 0.0

    return _ranked(name, field, k, measure)


def ndcg_at_k(*, name: str, field: str = DOCUMENTS, k: int = K) -> Scorer:
    """nDCG: how well the first `k` are ordered by grade, 1 is the best order there is.

    The gain of a document is its grade, discounted by the logarithm of its place.
    """

    def measure(found: Sequence[str], grades: Mapping[str, float], k: int) -> float:
        best = sorted(grades.values(), reverse=True)[:k]
        return _discounted([grades.get(document, 0.0) for document in found[:k]]) / _discounted(
            best
        )

    return _ranked(name, field, k, measure)


def citation_support(
    *, name: str, citations: str = "citations", documents: str = DOCUMENTS, at_least: float = 1.0
) -> Scorer:
    """Share of the citations whose quote stands in the document they name. By words alone.

    A citation is an object with `document` (an id) and `quote`; a document has `id` and `text`.
    The quote must stand there word for word, case, blanks and punctuation aside; with `at_least`
    below 1 it is enough that this share of its words does. Whether the document says what the
    answer makes of it, no count of words can tell: ask a judge. Without citations there is no
    score.
    """

    def score(context: ScorerContext) -> Score:
        cited = objects_in(context.output.get(citations) or [], what=f"`{citations}`")
        if not cited:
            return Score(name, None, explanation=f"`{citations}` holds no citation")
        texts = _texts(context, documents)
        lacks = [
            why
            for item in cited
            if (why := _unsupported(item, texts, at_least=at_least)) is not None
        ]
        value = 1 - len(lacks) / len(cited)
        return Score(name, value, explanation="; ".join(lacks[:3]) or None)

    return score


def _ranked(name: str, field: str, k: int, measure: Measure) -> Scorer:
    if k < 1:
        raise Invalid(
            "bad_scorer",
            f"Scorer `{name}` looks at the first {k} documents, expected 1 or more",
            hint="Write `k: 5`, or leave it out for 10.",
        )

    def score(context: ScorerContext) -> Score:
        if field not in context.expected:
            return nothing_expected(name, field)
        grades = {_id(item): _grade(item) for item in context.expected[field] or []}
        grades = {document: grade for document, grade in grades.items() if grade > 0}
        if not grades:
            return Score(name, None, explanation="the case expects no document")
        found = list(dict.fromkeys(_id(item) for item in context.output.get(field) or []))
        return Score(name, measure(found, grades, k))

    return score


def _id(item: Any) -> str:
    if isinstance(item, Mapping):
        if "id" not in item:
            raise ValueError(f"a document has no `id`: `{as_text(item)[:80]}`")
        item = item["id"]
    return str(item)


def _grade(item: Any) -> float:
    return float(item.get("grade", 1)) if isinstance(item, Mapping) else 1.0


def _hits(found: Sequence[str], grades: Mapping[str, float]) -> int:
    return sum(document in grades for document in found)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _texts(context: ScorerContext, documents: str) -> dict[str, str]:
    given = context.output.get(documents) or context.input.get(documents) or []
    return {
        _id(item): as_text(item.get("text")) for item in objects_in(given, what=f"`{documents}`")
    }


def _unsupported(
    citation: Mapping[str, Any], texts: Mapping[str, str], *, at_least: float
) -> str | None:
    document, quote = str(citation.get("document", "")), as_text(citation.get("quote"))
    if document not in texts:
        return f"there is no document `{document[:60]}`"
    words = normalised(quote, articles=True).split()
    if not words:
        return f"the citation of `{document[:60]}` quotes nothing"
    text = f" {normalised(texts[document], articles=True)} "
    if f" {' '.join(words)} " in text:
        return None
    held = set(text.split())
    share = sum(word in held for word in words) / len(words)
    if at_least < 1 and share >= at_least:
        return None
    return f"`{document[:60]}` does not say `{quote[:80]}`"
