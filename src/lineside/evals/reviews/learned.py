"""Where a judge was wrong before: what earlier reviews say of it."""

from lineside.evals.reviews import queries
from lineside.evals.reviews.picking import BINS, bin_of
from lineside.evals.reviews.questions import read_questions
from lineside.evals.reviews.said import items_said
from lineside.trust import Scope

_REVIEWS_READ = 20
_LABELS_MIN = 10


def differing_shares(scope: Scope, use_case: str, judge: str) -> list[float] | None:
    """How often people differed from a judge, by quarters of its score from 0 to 1.

    Each share begins at a half and moves with what was seen, so that a quarter nobody looked at is
    worth looking at. Nothing where fewer than ten answers were labelled beside that judge.
    """
    with scope.store.records.read() as connection:
        rows = queries.review_rows(connection, scope.workspace, use_case, _REVIEWS_READ)
    differing, seen = [1.0] * BINS, [2.0] * BINS
    for row in rows:
        if row["source"].get("judge") != judge:
            continue
        question = read_questions(row["questions"])[0]
        for item in items_said(scope.store, row["id"]):
            differs = item.differs_from_judge(question)
            if differs is not None and item.judge and item.judge["value"] is not None:
                place = bin_of(item.judge["value"])
                seen[place] += 1
                differing[place] += differs
    if sum(seen) - 2 * BINS < _LABELS_MIN:
        return None
    return [wrong / all_of for wrong, all_of in zip(differing, seen, strict=True)]
