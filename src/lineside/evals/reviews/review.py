"""A review: answers that people are to judge, what is asked, and how much of their time it gets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

from lineside.core import Conflict, Invalid, NotFound, Record, did_you_mean, new_id, now
from lineside.evals.reviews import queries
from lineside.evals.reviews.questions import ReviewQuestion, check_said, read_questions
from lineside.evals.reviews.sources import PickedBy, ReviewCandidate, Source, candidates_of, drawn
from lineside.evals.reviews.texts import text_of
from lineside.trust import Scope, record

ITEMS_MAX = 5_000
RATERS_MAX = 20
NAME_CHARACTERS_MAX = 60
_LISTED_MAX = 500


class KnownAnswer(Record):
    """An item whose right answer is known; raters cannot tell it from the others."""

    case_id: str
    input: Any = None
    output: Any = None
    other: Any = None
    said: dict[str, Any]


class ReviewWish(Record):
    """What a review is to be.

    Attributes:
        items: How many answers are drawn; known ones come on top.
        picked_by: `random`; `judge`, more of those where the judge may be wrong; or `verdict`, more
            of those where two runs differ.
        judge: Name of the score that a judge gave in the run.
        raters_per_item: How many people judge each answer.
        minutes_max: Minutes of all raters together after which nobody is asked any more.
        shows_expected: Whether raters see what was expected of the answer.
        seed: Makes the same draw and the same orders again; nothing takes a new one.
    """

    name: str
    questions: tuple[ReviewQuestion, ...]
    source: Source
    items: int = 50
    picked_by: PickedBy = "random"
    judge: str | None = None
    raters_per_item: int = 2
    minutes_max: float | None = None
    known: tuple[KnownAnswer, ...] = ()
    shows_expected: bool = False
    seed: int | None = None


class Review(Record):
    """A review as it is kept.

    Attributes:
        items: Known ones among them.
        source: Where the answers come from; raters are not told.
        closed_at: From when nobody may answer any more.
    """

    id: str
    use_case: str
    name: str
    questions: tuple[ReviewQuestion, ...]
    raters_per_item: int
    minutes_max: float | None
    seed: int
    source: dict[str, Any]
    items: int
    created_at: datetime
    created_by: str
    closed_at: datetime | None

    @property
    def is_pairwise(self) -> bool:
        return any(question.kind == "pairwise" for question in self.questions)


def open_review(scope: Scope, wish: ReviewWish) -> Review:
    """Draw the answers and let raters begin.

    Raises:
        Denied: The right `test` is missing.
        NotFound: There is no such run.
        Invalid: A question, the name or a number does not do, or there is nothing to judge.
        Conflict: Another review has the name.
    """
    _check(wish)
    questions = read_questions(wish.questions)
    use_case, candidates = candidates_of(scope, wish.source, judge=wish.judge)
    scope.require("test", use_case)
    seed = int(now().timestamp() * 1_000) % 2**31 if wish.seed is None else wish.seed
    picked = drawn(
        scope,
        use_case,
        candidates,
        count=wish.items,
        by=wish.picked_by,
        judge=wish.judge,
        seed=seed,
    )
    rows = [_item(wish, candidate, chance) for candidate, chance in picked]
    rows += [_known(questions, known) for known in wish.known]
    review = Review(
        id=new_id("rev"),
        use_case=use_case,
        name=" ".join(wish.name.split()),
        questions=tuple(questions),
        raters_per_item=wish.raters_per_item,
        minutes_max=wish.minutes_max,
        seed=seed,
        source=wish.source.model_dump(exclude_none=True)
        | {"picked_by": wish.picked_by, "judge": wish.judge, "candidates": len(candidates)},
        items=len(rows),
        created_at=now(),
        created_by=scope.actor.name,
        closed_at=None,
    )
    _keep(scope, review, rows)
    return review


def get_review(scope: Scope, name_or_id: str) -> Review:
    """A review by its name or id.

    Raises:
        NotFound: There is none.
        Denied: The right `read` is missing.
    """
    review = load_review(scope, name_or_id)
    scope.require("read", review.use_case)
    return review


def load_review(scope: Scope, name_or_id: str) -> Review:
    """The same for the room's own work, which has its own right to ask for."""
    with scope.store.records.read() as connection:
        row = queries.review_row(connection, scope.workspace, name_or_id)
        if row is not None:
            return review_from(row)
        rows = queries.review_rows(connection, scope.workspace, None, _LISTED_MAX)
    near = did_you_mean(name_or_id, [other["name"] for other in rows])
    raise NotFound(
        "no_review",
        f"No review is called `{name_or_id[:NAME_CHARACTERS_MAX]}`",
        hint=f"Did you mean `{near}`?" if near else "`lineside reviews ls` lists them.",
    )


def list_reviews(
    scope: Scope, *, use_case: str | None = None, is_open: bool | None = None
) -> list[Review]:
    """Reviews, newest first, at most 500; whoever may only rate sees those of their use cases."""
    right = "read" if "read" in scope.rights else "review"
    if use_case is not None or scope.use_cases is None:
        scope.require(right, use_case)
    with scope.store.records.read() as connection:
        rows = queries.review_rows(connection, scope.workspace, use_case, _LISTED_MAX)
    found = [review_from(row) for row in rows]
    if scope.use_cases is not None:
        found = [review for review in found if review.use_case in scope.use_cases]
    return [review for review in found if is_open in (None, review.closed_at is None)]


def close_review(scope: Scope, name_or_id: str) -> Review:
    """Let nobody answer any more; what was said stays.

    Raises:
        Conflict: It was closed before.
    """
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    closed = review.model_copy(update={"closed_at": now()})
    with scope.store.records.write() as connection:
        if not queries.close_review(connection, review.id, closed.closed_at or now()):
            raise Conflict("review_closed", f"Review `{review.name}` was closed before")
        details = {"name": review.name, "use_case": review.use_case}
        record(connection, scope, "review.closed", review.id, details)
    return closed


def review_from(row: Mapping[str, Any]) -> Review:
    return Review.model_validate({name: row[name] for name in Review.model_fields})


def _keep(scope: Scope, review: Review, rows: Sequence[dict[str, Any]]) -> None:
    # The order in which items were found may tell which are known, or what a judge said of them.
    places = drawn_order(len(rows), review.seed)
    kept = [
        row | {"review_id": review.id, "item": at} for at, row in zip(places, rows, strict=True)
    ]
    values = review.model_dump(mode="python") | {"workspace": scope.workspace}
    with scope.store.records.write() as connection:
        if not queries.insert_review(connection, values, kept):
            raise Conflict(
                "review_exists",
                f"There is a review `{review.name}` already",
                hint="Choose another name.",
            )
        details = {
            "name": review.name,
            "use_case": review.use_case,
            "items": review.items,
            "raters_per_item": review.raters_per_item,
            "minutes_max": review.minutes_max,
            "source": review.source,
        }
        record(connection, scope, "review.opened", review.id, details)


def drawn_order(count: int, seed: int) -> list[int]:
    """Numbers from 1 in an order of their own for each seed."""
    places = list(range(1, count + 1))
    Random(seed).shuffle(places)  # noqa: S311 # an order that can be repeated, no secret
    return places


def _item(wish: ReviewWish, candidate: ReviewCandidate, chance: float) -> dict[str, Any]:
    shown = {"input": candidate.input, "output": candidate.output}
    if any(question.kind == "pairwise" for question in wish.questions):
        shown["other"] = candidate.other
    if wish.shows_expected and candidate.expected:
        shown["expected"] = candidate.expected
    judge = candidate.judge.model_dump() if candidate.judge else None
    blank = {"known": None, "settled": None, "settled_by": None, "settled_at": None}
    return {"case_id": candidate.case_id, "shown": shown, "judge": judge, "chance": chance} | blank


def _known(questions: Sequence[ReviewQuestion], known: KnownAnswer) -> dict[str, Any]:
    shown = {"input": known.input, "output": known.output}
    if known.other is not None:
        shown["other"] = known.other
    asked = [question for question in questions if question.name in known.said]
    said = check_said(asked, known.said, text=text_of(known.output))
    blank = {"judge": None, "chance": None, "settled": None, "settled_by": None, "settled_at": None}
    return {"case_id": known.case_id, "shown": shown, "known": said} | blank


def _check(wish: ReviewWish) -> None:
    name = wish.name.strip()
    if not name or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise Invalid(
            "bad_review_name",
            f"Not the name of a review: `{name[:NAME_CHARACTERS_MAX]}`",
            hint=f"Give it 1 to {NAME_CHARACTERS_MAX} characters, such as `refund-tone`.",
        )
    bounds = {
        "items": (wish.items, 1, ITEMS_MAX),
        "raters_per_item": (wish.raters_per_item, 1, RATERS_MAX),
        "known": (len(wish.known), 0, ITEMS_MAX),
    }
    for field, (value, low, high) in bounds.items():
        if not low <= value <= high:
            raise Invalid("bad_review", f"`{field}` is {value}, expected {low} to {high}")
    if wish.minutes_max is not None and not 0 < wish.minutes_max < 1_000_000:
        raise Invalid("bad_review", f"`minutes_max` is {wish.minutes_max}, expected more than 0")
    pairs = [question for question in wish.questions if question.kind == "pairwise"]
    if pairs and wish.source.against is None:
        raise Invalid(
            "no_second_run",
            "Two answers are to be compared, but one run is named",
            hint="Name the other run with `against`.",
        )
    if pairs and any(question.kind == "spans" for question in wish.questions):
        raise Invalid("bad_review", "Passages are marked in one answer, not in two side by side")
