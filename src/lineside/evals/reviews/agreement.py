"""How far raters agree beyond chance on one question, while they are still at it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from lineside.core import Invalid, Record
from lineside.evals.reviews.questions import ReviewQuestion
from lineside.evals.reviews.said import ItemSaid
from lineside.stats import agreement

RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's marks for alpha: reliable from 0.8, tentative conclusions from 0.667."""

_PAIRS_MAX = 45
_WORDS_MAX = 100_000
_NO_MARK = ""

AgreementDecision = Literal["agree", "differ", "unknown"]


class PairAgreement(Record):
    """How far two raters agree beyond chance, by Cohen's kappa."""

    first: str
    second: str
    kappa: agreement.RaterAgreement


class QuestionAgreement(Record):
    """How far raters agree on one question.

    Attributes:
        decision: `agree` when the whole interval of alpha lies above 0.667, `differ` when it lies
            below, else `unknown`.
        alpha: Krippendorff's; nothing where it cannot be measured, and `sentence` says why.
    """

    question: ReviewQuestion
    decision: AgreementDecision
    sentence: str
    alpha: agreement.RaterAgreement | None = None
    pairs: tuple[PairAgreement, ...] = ()


def agreement_on(
    question: ReviewQuestion,
    items: Sequence[ItemSaid],
    names: Mapping[str, str],
    texts: Mapping[int, str],
) -> QuestionAgreement:
    """Measure it over what was said so far.

    Passages are compared word by word, clustered by item: which words were marked, and as what.

    Args:
        names: Rater to name.
        texts: Text of each item, where passages are marked in it.
    """
    clusters = None
    if question.kind == "text":
        return _unmeasured(question, "Words of one's own are not compared")
    if question.kind == "spans":
        rows, clusters = _words(question, items, list(names), texts)
    else:
        rows = {rater: [_label(question, one, rater) for one in items] for rater in names}
    try:
        alpha = _alpha(question, list(rows.values()), clusters)
    except Invalid as error:
        return _unmeasured(question, _why_not(error))
    decision: AgreementDecision = "unknown"
    if alpha.low >= TENTATIVE:
        decision = "agree"
    elif alpha.high < TENTATIVE:
        decision = "differ"
    return QuestionAgreement(
        question=question,
        decision=decision,
        sentence=_sentence(alpha, decision),
        alpha=alpha,
        pairs=tuple(_pairs(question, rows, names, clusters)),
    )


def _label(question: ReviewQuestion, one: ItemSaid, rater: str) -> Any:
    said = one.by_rater.get(rater)
    return None if said is None or said.said is None else said.said.get(question.name)


def _words(
    question: ReviewQuestion,
    items: Sequence[ItemSaid],
    raters: Sequence[str],
    texts: Mapping[int, str],
) -> tuple[dict[str, list[str | None]], list[int]]:
    """How each rater marked each word, and the item that each word is of."""
    rows: dict[str, list[str | None]] = {rater: [] for rater in raters}
    clusters: list[int] = []
    for one in items:
        if len(one.answered) < 2 or len(clusters) > _WORDS_MAX:
            continue
        words = [found.span() for found in re.finditer(r"\S+", texts.get(one.item, ""))]
        clusters += [one.item] * len(words)
        for rater in raters:
            spans = _label(question, one, rater)
            rows[rater] += [_mark(spans, *word) for word in words]
    return rows, clusters


def _mark(spans: Sequence[Mapping[str, Any]] | None, start: int, end: int) -> str | None:
    if spans is None:
        return None
    for span in spans:
        if span["start"] < end and start < span["end"]:
            return span["label"] or "marked"
    return _NO_MARK


def _alpha(
    question: ReviewQuestion, rows: Sequence[Sequence[Any]], clusters: Sequence[int] | None
) -> agreement.RaterAgreement:
    if question.kind == "scale":
        return agreement.krippendorff_alpha(rows, level="ordinal", order=question.labels)
    if question.is_ordered:
        return agreement.krippendorff_alpha(rows, level="ordinal", order=question.options)
    return agreement.krippendorff_alpha(rows, clusters=clusters)


def _pairs(
    question: ReviewQuestion,
    rows: Mapping[str, Sequence[Any]],
    names: Mapping[str, str],
    clusters: Sequence[int] | None,
) -> Iterator[PairAgreement]:
    is_ordered = question.kind == "scale" or question.is_ordered
    for first, second in list(combinations(rows, 2))[:_PAIRS_MAX]:
        try:
            kappa = agreement.cohen_kappa(
                rows[first],
                rows[second],
                weights="quadratic" if is_ordered else "none",
                order=question.labels if is_ordered else None,
                clusters=clusters,
            )
        except Invalid:
            continue  # two who share no item, or never used two labels, say nothing of each other
        yield PairAgreement(first=names[first], second=names[second], kappa=kappa)


def _sentence(alpha: agreement.RaterAgreement, decision: AgreementDecision) -> str:
    found = (
        f"alpha is {alpha.value:.2f} ({alpha.confidence * 100:g} % interval "
        f"{alpha.low:.2f} to {alpha.high:.2f}) over {alpha.items} "
        f"{'item' if alpha.items == 1 else 'items'}"
    )
    if decision == "agree":
        word = "Raters agree well" if alpha.low >= RELIABLE else "Raters agree"
        return f"{word}: {found}"
    if decision == "differ":
        return f"Raters do not agree: {found}"
    return f"Too little is known of how far raters agree: {found}"


def _unmeasured(question: ReviewQuestion, sentence: str) -> QuestionAgreement:
    return QuestionAgreement(question=question, decision="unknown", sentence=sentence)


def _why_not(error: Invalid) -> str:
    """What keeps agreement from being measured, for people who only want to know what to do."""
    return {
        "one_rater": "Agreement needs a second rater",
        "no_overlap": "No item was judged by two raters so far",
        "one_class": "All said the same so far, so that agreement beyond chance cannot be told",
        "no_values": "Nothing was judged so far",
    }.get(error.code, error.message)
