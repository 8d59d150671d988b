"""Items on which raters differ, and the last word on them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lineside.core import NotFound, Record, now
from lineside.evals.reviews import queries
from lineside.evals.reviews.progress import names_of
from lineside.evals.reviews.questions import check_said
from lineside.evals.reviews.review import load_review
from lineside.evals.reviews.said import ItemSaid, said_from
from lineside.evals.reviews.sources import JudgeScore
from lineside.evals.reviews.texts import text_of
from lineside.trust import Scope, record

WHY_CHARACTERS_MAX = 1_000


class Disagreement(Record):
    """An item with what each side said, for the one who settles it.

    Attributes:
        shown: `input`, `output`, and where there are two runs `other`, which is `second`.
        said: Rater to label by question; nothing where they passed.
        is_split: Whether raters differ from each other; else it is the judge that differs.
    """

    item: int
    case_id: str
    shown: dict[str, Any]
    judge: JudgeScore | None
    said: dict[str, dict[str, Any] | None]
    is_split: bool
    settled: dict[str, Any] | None
    settled_by: str | None
    settled_at: datetime | None


class AnswerChange(Record):
    """One answer as it was given; the newest of a rater is the one that counts."""

    item: int
    case_id: str
    rater: str
    revision: int
    said: dict[str, Any] | None
    answered_at: datetime


def disagreements(
    scope: Scope, name_or_id: str, *, settled_too: bool = False, limit: int = 100
) -> list[Disagreement]:
    """Items on which raters, or raters and the judge, differ; those split among raters first.

    Raises:
        NotFound: There is no such review.
        Denied: The right `test` is missing: whoever only rates must not see what others say.
    """
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    with scope.store.records.read() as connection:
        rows = queries.item_rows(connection, review.id, with_shown=True)
        answers = queries.answer_rows(connection, review.id)
        names = names_of(queries.turn_rows(connection, review.id))
    found = []
    for row, one in zip(rows, said_from(rows, answers), strict=True):
        if one.is_disputed(review.questions) and (settled_too or one.settled is None):
            found.append(_disagreement(row, one, names, one.is_split(review.questions)))
    found.sort(key=lambda one: not one.is_split)
    return found[: max(1, min(limit, 1_000))]


def settle(
    scope: Scope, name_or_id: str, item: int, said: Mapping[str, Any], *, why: str = ""
) -> dict[str, Any]:
    """Say the last word on an item; it counts instead of what raters said, which stays.

    Args:
        said: Label by question; sides are `first` and `second`.

    Raises:
        Denied: The right `test` is missing.
        NotFound: There is no such review or item.
        Invalid: An answer does not fit its question.
    """
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    with scope.store.records.write() as connection:
        row = queries.item_row(connection, review.id, item)
        if row is None:
            raise NotFound("no_item", f"Review `{review.name}` has no item {item}")
        kept = check_said(review.questions, said, text=text_of(row["shown"]["output"]))
        values = {"settled": kept, "settled_by": scope.actor.name, "settled_at": now()}
        queries.settle_item(connection, review.id, item, **values)
        details = {
            "name": review.name,
            "use_case": review.use_case,
            "case": row["case_id"],
            "before": row["settled"],
            "said": kept,
            "why": why.strip()[:WHY_CHARACTERS_MAX],
        }
        record(connection, scope, "review.settled", review.id, details)
    return kept


def answer_history(scope: Scope, name_or_id: str) -> list[AnswerChange]:
    """Everything that was said, changed answers too, in the order it was said.

    Raises:
        Denied: The right `test` is missing.
    """
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    with scope.store.records.read() as connection:
        cases = {row["item"]: row["case_id"] for row in queries.item_rows(connection, review.id)}
        rows = queries.answer_rows(connection, review.id)
        names = names_of(queries.turn_rows(connection, review.id))
    rows.sort(key=lambda row: row["answered_at"])
    return [
        AnswerChange(
            item=row["item"],
            case_id=cases[row["item"]],
            rater=names[row["rater"]],
            revision=row["revision"],
            said=row["said"],
            answered_at=row["answered_at"],
        )
        for row in rows
    ]


def _disagreement(
    row: queries.Row, one: ItemSaid, names: Mapping[str, str], is_split: bool
) -> Disagreement:
    return Disagreement(
        item=one.item,
        case_id=one.case_id,
        shown=row["shown"],
        judge=JudgeScore.model_validate(row["judge"]) if row["judge"] else None,
        said={
            names[rater]: None if said.said is None else dict(said.said)
            for rater, said in sorted(one.by_rater.items(), key=lambda pair: names[pair[0]])
        },
        is_split=is_split,
        settled=row["settled"],
        settled_by=row["settled_by"],
        settled_at=row["settled_at"],
    )
