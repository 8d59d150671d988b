"""Reviews: what people say of answers, and how far they may be believed.

Each step of a review has a front door of its own: letting raters in (`inviting`), giving answers
(`rating`), answers that differ and the last word on them (`settling`), what came of it as files
(`labels`), and labels that people gave elsewhere (`importing`).
"""

from lineside.evals.reviews import importing as importing
from lineside.evals.reviews import inviting as inviting
from lineside.evals.reviews import labels as labels
from lineside.evals.reviews import rating as rating
from lineside.evals.reviews import settling as settling
from lineside.evals.reviews.progress import ReviewState, review_state
from lineside.evals.reviews.questions import ReviewQuestion, read_questions
from lineside.evals.reviews.review import (
    KnownAnswer,
    Review,
    ReviewWish,
    close_review,
    get_review,
    list_reviews,
    open_review,
)
from lineside.evals.reviews.sources import Source
from lineside.evals.reviews.texts import text_of

__all__ = [
    "KnownAnswer",
    "Review",
    "ReviewQuestion",
    "ReviewState",
    "ReviewWish",
    "Source",
    "close_review",
    "get_review",
    "list_reviews",
    "open_review",
    "read_questions",
    "review_state",
    "text_of",
]
