"""Labels that people gave elsewhere, brought into a review."""

from collections.abc import Mapping, Sequence
from typing import Any

from lineside.core import Conflict, Invalid, Record, now
from lineside.evals.dataset import unknown_cases
from lineside.evals.reviews import queries
from lineside.evals.reviews.questions import check_said
from lineside.evals.reviews.review import Review, load_review
from lineside.evals.reviews.texts import text_of
from lineside.trust import Scope, record

LABELS_MAX = 100_000
_COLUMNS = ("case", "rater", "label")


class ImportedLabels(Record):
    """What came of an import.

    Attributes:
        labels: Labels that are new; one that was there already is counted in `known`.
    """

    labels: int
    known: int
    raters: tuple[str, ...]


def import_labels(
    scope: Scope,
    name_or_id: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    question: str | None = None,
) -> ImportedLabels:
    """Take labels that people gave elsewhere: all of them, or none when one does not fit.

    They count as answers of raters of their own, who took no time. A label that differs from what
    was imported before takes its place; the first stays in the history.

    Args:
        rows: Each with `case`, `rater` and `label`.
        question: Which one they answer; the first by itself.

    Raises:
        Denied: The right `test` is missing.
        Invalid: `unknown_cases` names cases that the review does not have; `no_column`,
            `bad_answer` and `unknown_question` say what does not fit.
        Conflict: The review was closed.
    """
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    _check(rows)
    with scope.store.records.write() as connection:
        held = queries.review_row(connection, scope.workspace, review.id, for_change=True)
        if held is None or held["closed_at"] is not None:
            raise Conflict("review_closed", f"Review `{review.name}` is closed")
        items = queries.item_rows(connection, review.id, with_shown=True)
        by_case = {row["case_id"]: row for row in items if row["known"] is None}
        _refuse_unknown(review, rows, by_case)
        newest = {
            (row["item"], row["rater"]): row for row in queries.answer_rows(connection, review.id)
        }
        name = question or review.questions[0].name
        new = 0
        for row in rows:
            new += _import_one(connection, review, row, by_case[str(row["case"])], name, newest)
        raters = tuple(sorted({str(row["rater"]) for row in rows}))
        details = {"name": review.name, "labels": new, "raters": list(raters)[:100]}
        record(connection, scope, "review.labels_imported", review.id, details)
    return ImportedLabels(labels=new, known=len(rows) - new, raters=raters)


def _import_one(
    connection: Any,
    review: Review,
    row: Mapping[str, Any],
    item: queries.Row,
    name: str,
    newest: dict[tuple[int, str], queries.Row],
) -> bool:
    """Keep one label; false where it was there."""
    rater, moment = f"imported:{row['rater']}", now()
    before = newest.get((item["item"], rater))
    said = {name: row["label"]} if before is None else (before["said"] or {}) | {name: row["label"]}
    asked = [question for question in review.questions if question.name in said]
    kept = check_said(asked, said, text=text_of(item["shown"]["output"]))
    if before is not None and before["said"] == kept:
        return False
    key = {"review_id": review.id, "item": item["item"], "rater": rater}
    if before is None:
        turn = {"rater_name": str(row["rater"]), "opened_at": moment}
        queries.open_turn(connection, key | turn)
    revision = 1 if before is None else before["revision"] + 1
    answer = key | {"revision": revision, "said": kept, "seconds": 0.0, "answered_at": moment}
    queries.insert_answer(connection, answer)
    newest[item["item"], rater] = answer
    return True


def _check(rows: Sequence[Mapping[str, Any]]) -> None:
    if not 0 < len(rows) <= LABELS_MAX:
        raise Invalid("no_labels", f"There are {len(rows):,} labels, expected 1 to {LABELS_MAX:,}")
    for line, row in enumerate(rows, start=1):
        for column in _COLUMNS:
            if not str(row.get(column) or "").strip():
                raise Invalid(
                    "no_column",
                    f"Label {line} has no `{column}`",
                    hint="Each line says `case`, `rater` and `label`.",
                )


def _refuse_unknown(
    review: Review, rows: Sequence[Mapping[str, Any]], by_case: Mapping[str, Any]
) -> None:
    named = (str(row["case"]) for row in rows)
    unknown = list(dict.fromkeys(case for case in named if case not in by_case))
    if not unknown:
        return
    raise unknown_cases(
        unknown,
        labelled=len(rows),
        place=f"review `{review.name}`",
        hint="Take them out, or open a review over the run that has these cases.",
    )
