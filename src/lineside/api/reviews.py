"""`/api/reviews`: what people are asked, what they say, and how far they agree."""

from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.evals import reviews

router = APIRouter(tags=["reviews"])


class SaidWish(Record):
    """What a rater says of an item: a label by question; nothing passes on it."""

    said: dict[str, Any] | None


class RaterWish(Record):
    """Who is to rate, as people know them."""

    rater: str


class SettledWish(Record):
    """The last word on an item, and why."""

    said: dict[str, Any]
    why: str = ""


@router.get("/reviews")
def review_list(
    scope: Caller, use_case: str | None = None, is_open: bool | None = None
) -> list[reviews.Review]:
    """Reviews, newest first, at most 500."""
    return reviews.list_reviews(scope, use_case=use_case, is_open=is_open)


@router.post("/reviews", status_code=201)
def open_review(scope: Caller, wish: reviews.ReviewWish) -> reviews.Review:
    """Draw answers of a run, two runs or traces, and let raters begin."""
    return reviews.open_review(scope, wish)


@router.get("/reviews/{review}")
def state(scope: Caller, review: str) -> reviews.ReviewState:
    """How a review stands: agreement, raters, minutes, and what is left."""
    return reviews.review_state(scope, review)


@router.post("/reviews/{review}/close")
def close(scope: Caller, review: str) -> reviews.Review:
    """Let nobody answer any more."""
    return reviews.close_review(scope, review)


@router.post("/reviews/{review}/invitations", status_code=201)
def invite(scope: Caller, review: str, wish: RaterWish) -> reviews.inviting.Invitation:
    """Make a personal link for a rater, whose browser then opens nothing but reviews."""
    return reviews.inviting.invite(scope, review, wish.rater)


@router.post("/reviews/{review}/turn")
def turn(scope: Caller, review: str, item: int | None = None) -> reviews.rating.RaterTurn:
    """The next item for the caller as a rater; with `item`, one that they were shown before."""
    return reviews.rating.next_turn(scope, review, item=item)


@router.put("/reviews/{review}/items/{item}/answer")
def answer(scope: Caller, review: str, item: int, wish: SaidWish) -> reviews.rating.RaterTurn:
    """Keep what the caller says of an item, and give the next one."""
    reviews.rating.give_answer(scope, review, item, wish.said)
    return reviews.rating.next_turn(scope, review)


@router.get("/reviews/{review}/disagreements")
def differing(scope: Caller, review: str, limit: int = 100) -> list[reviews.settling.Disagreement]:
    """Items on which raters, or raters and the judge, differ; at most 1,000."""
    return reviews.settling.disagreements(scope, review, limit=limit)


@router.put("/reviews/{review}/items/{item}/settled")
def settle(scope: Caller, review: str, item: int, wish: SettledWish) -> dict[str, Any]:
    """Say the last word on an item."""
    return reviews.settling.settle(scope, review, item, wish.said, why=wish.why)


@router.get("/reviews/{review}/history")
def history(scope: Caller, review: str) -> list[reviews.settling.AnswerChange]:
    """Everything that was said, changed answers too, in the order it was said."""
    return reviews.settling.answer_history(scope, review)


@router.get("/reviews/{review}/labels", response_class=PlainTextResponse)
def labels(
    scope: Caller,
    review: str,
    question: str | None = None,
    form: Literal["labels", "by-rater", "cases"] = "labels",
) -> PlainTextResponse:
    """The labels as CSV, or cases as JSONL."""
    if form == "cases":
        return PlainTextResponse(
            reviews.labels.cases_file(scope, review), media_type="application/jsonl"
        )
    files = {"labels": reviews.labels.labels_file, "by-rater": reviews.labels.labels_by_rater_file}
    text = files[form](scope, review, question=question)
    return PlainTextResponse(text, media_type="text/csv")
