"""Letting raters in: a personal link for each, and their leaving for good."""

from lineside.core import Conflict, Record
from lineside.evals.reviews.review import Review, load_review
from lineside.trust import Scope, create_key, keys


class Invitation(Record):
    """What one rater is given, shown once.

    Attributes:
        path: Of the page where they begin, with their key in it: whoever has it rates as them.
    """

    review: str
    rater: str
    path: str


def invite(scope: Scope, name_or_id: str, rater: str) -> Invitation:
    """Make a personal link for a rater, whose browser then opens nothing but reviews.

    Raises:
        NotFound: There is no such review.
        Denied: The right `test` or `keys` is missing.
        Conflict: The review was closed.
        Invalid: That is no name.
    """
    review = load_review(scope, name_or_id)
    scope.require("test", review.use_case)
    if review.closed_at is not None:
        raise Conflict(
            "review_closed",
            f"Review `{review.name}` is closed, so that nobody can be let in",
            hint="Open another one.",
        )
    name = " ".join(rater.split())
    _, secret = create_key(scope, name, rights=["review"], use_cases=[review.use_case])
    return Invitation(review=review.id, rater=name, path=f"/reviews/{review.id}/begin?key={secret}")


def let_in(scope: Scope, name_or_id: str) -> Review:
    """The review that a rater begins.

    Raises:
        NotFound: There is no such review.
        Denied: They may not rate it.
    """
    review = load_review(scope, name_or_id)
    scope.require("review", review.use_case)
    return review


def leave(scope: Scope) -> None:
    """Let a rater go for good: their key opens nothing any more, and the ledger says that.

    Whoever may look at everything is no longer blind, so there is no way back in with that key.

    Raises:
        Denied: It is no rater with a key.
        Conflict: They have left before, or the key was revoked.
    """
    keys.give_up_key(scope, why="left the review")
