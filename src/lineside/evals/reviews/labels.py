"""What a review gives: labels for a judge's licence, and cases for a dataset."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

import orjson

from lineside.core import Invalid, Record, did_you_mean
from lineside.evals.reviews import queries
from lineside.evals.reviews.progress import names_of
from lineside.evals.reviews.questions import ReviewQuestion
from lineside.evals.reviews.review import Review, load_review
from lineside.evals.reviews.said import ItemSaid, said_from
from lineside.trust import Scope

OWN_COLUMNS = ("case", "label", "verdict", "chance", "is_settled")


class ReviewLabel(Record):
    """What was said of one case under one question.

    Attributes:
        label: What was settled, else what most raters say; nothing where they tie.
        raters: Name to label, for those who judged it.
        verdict: The judge's score or word, where there is one.
        chance: With which it was drawn, from 0 to 1.
    """

    case: str
    label: Any
    raters: dict[str, Any]
    verdict: float | str | None
    chance: float | None
    is_settled: bool


def review_labels(
    scope: Scope, name_or_id: str, *, question: str | None = None
) -> list[ReviewLabel]:
    """Labels of every case that anybody judged; those of planted known items are left out.

    Args:
        question: Which one; the first by itself.

    Raises:
        Invalid: `unknown_question`, or `no_labels` where nobody answered it yet.
        Denied: The right `test` is missing.
    """
    review, names, items = _read(scope, name_or_id)
    asked = _asked(review, question)
    found = [_label(one, asked, names) for _, one in items]
    found = [label for label in found if label.raters or label.is_settled]
    if not found:
        raise Invalid(
            "no_labels",
            f"Nobody has answered `{asked.name}` in review `{review.name}` yet",
            hint="Raters begin at the page of the review.",
        )
    return found


def labels_file(scope: Scope, name_or_id: str, *, question: str | None = None) -> str:
    """The labels as CSV: `case`, `label`, a column for each rater, `verdict`, `chance`.

    `lineside judges licence` takes it as it is. `label` is what was settled, else what most say.
    """
    labels = review_labels(scope, name_or_id, question=question)
    raters = sorted({rater for label in labels for rater in label.raters})
    columns = {rater: f"{rater} (rater)" if rater in OWN_COLUMNS else rater for rater in raters}
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "label", *columns.values(), *OWN_COLUMNS[2:]])
    for label in labels:
        said = [_cell(label.raters.get(rater)) for rater in raters]
        settled = "yes" if label.is_settled else "no"
        writer.writerow(
            [
                *(label.case, _cell(label.label), *said),
                *(_cell(label.verdict), _cell(label.chance), settled),
            ]
        )
    return text.getvalue()


def labels_by_rater_file(scope: Scope, name_or_id: str, *, question: str | None = None) -> str:
    """The labels as CSV, a line for each case and rater: `case`, `rater`, `label`, `verdict`."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "rater", "label", "verdict"])
    for label in review_labels(scope, name_or_id, question=question):
        for rater, said in label.raters.items():
            writer.writerow([label.case, rater, _cell(said), _cell(label.verdict)])
    return text.getvalue()


def cases_file(scope: Scope, name_or_id: str) -> str:
    """Cases as JSONL for a dataset: each expects what people said, under the questions' names.

    A question that bears the name of an output field makes a case that expects this field; cases
    without any label are left out.

    Raises:
        Invalid: `no_labels`.
        Denied: The right `test` is missing.
    """
    review, _, items = _read(scope, name_or_id)
    lines = []
    for row, one in items:
        said = {question.name: one.final(question) for question in review.questions}
        expected = {name: label for name, label in said.items() if label is not None}
        if expected:
            case = {"id": one.case_id, "input": row["shown"]["input"], "expected": expected}
            lines.append(orjson.dumps(case | {"source": review.id}).decode())
    if not lines:
        raise Invalid("no_labels", f"No item of review `{review.name}` has a label yet")
    return "\n".join(lines) + "\n"


def _read(
    scope: Scope, name_or_id: str
) -> tuple[Review, dict[str, str], list[tuple[queries.Row, ItemSaid]]]:
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    with scope.store.records.read() as connection:
        rows = queries.item_rows(connection, review.id, with_shown=True)
        answers = queries.answer_rows(connection, review.id)
        names = names_of(queries.turn_rows(connection, review.id))
    pairs = zip(rows, said_from(rows, answers), strict=True)
    return review, names, [(row, one) for row, one in pairs if one.known is None]


def _asked(review: Review, name: str | None) -> ReviewQuestion:
    for question in review.questions:
        if name in (None, question.name):
            return question
    names = [question.name for question in review.questions]
    near = did_you_mean(name or "", names)
    raise Invalid(
        "unknown_question",
        f"Review `{review.name}` asks nothing under the name `{(name or '')[:60]}`",
        hint=f"Did you mean `{near}`?" if near else f"It asks: {', '.join(names)}.",
    )


def _label(one: ItemSaid, question: ReviewQuestion, names: dict[str, str]) -> ReviewLabel:
    said = dict(_said(one, question, names))
    verdict = None if one.judge is None else one.judge["value"]
    if verdict is None and one.judge is not None:
        verdict = one.judge["label"]
    return ReviewLabel(
        case=one.case_id,
        label=one.final(question),
        raters=said,
        verdict=verdict,
        chance=one.chance,
        is_settled=one.settled is not None,
    )


def _said(
    one: ItemSaid, question: ReviewQuestion, names: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    for said in one.answered:
        label = (said.said or {}).get(question.name)
        if label is not None:
            yield names[said.rater], label


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return orjson.dumps(value).decode() if isinstance(value, list) else str(value)
