"""Reviews of the small app, and people who rate to the end."""

from collections.abc import Callable
from typing import Any

from lineside.evals import Run, reviews
from lineside.trust import Scope

RIGHT = {"name": "right", "ask": "Is the topic right?", "kind": "choice", "options": ["yes", "no"]}
BETTER = {"name": "better", "ask": "Which answer is better?", "kind": "pairwise"}


def case_rows(count: int, *, wrong: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"c{n}",
            "input": {"message": f"m{n}"},
            "expected": {"topic": "lost_card" if n <= wrong else "refund"},
        }
        for n in range(1, count + 1)
    ]


def open_review(scope: Scope, run: Run, **more: Any) -> reviews.Review:
    fields: dict[str, Any] = {"name": "topics", "questions": [RIGHT], "seed": 5}
    fields["source"] = {"run": run.id}
    return reviews.open_review(scope, reviews.ReviewWish.model_validate(fields | more))


def rate_all(
    rater: Scope, review: reviews.Review, say: Callable[[reviews.rating.ReviewTask], Any]
) -> list[reviews.rating.ReviewTask]:
    """Answer until nothing is left."""
    seen = []
    for _ in range(100):
        turn = reviews.rating.next_turn(rater, review.id)
        if turn.task is None:
            return seen
        seen.append(turn.task)
        reviews.rating.give_answer(rater, review.id, turn.task.item, say(turn.task))
    raise AssertionError("there was no end of items")


def honest(task: reviews.rating.ReviewTask) -> dict[str, Any]:
    """What is right of the eight answers: those to `m1` to `m3` are wrong."""
    return {"right": "no" if task.input["message"] in ("m1", "m2", "m3") else "yes"}


def always(said: dict[str, Any]) -> Callable[[reviews.rating.ReviewTask], dict[str, Any]]:
    return lambda _task: said
