"""Reviews: what people say of answers, and how far they may be believed."""

from lineside.evals.reviews.agreement import PairAgreement, QuestionAgreement
from lineside.evals.reviews.importing import ImportedLabels, import_labels
from lineside.evals.reviews.labels import (
    ReviewLabel,
    cases_file,
    labels_by_rater_file,
    labels_file,
    review_labels,
)
from lineside.evals.reviews.progress import RaterRecord, ReviewState, review_state
from lineside.evals.reviews.questions import ReviewQuestion, read_questions
from lineside.evals.reviews.rating import RaterTurn, ReviewTask, give_answer, next_turn, seen_task
from lineside.evals.reviews.review import (
    KnownAnswer,
    Review,
    ReviewWish,
    close_review,
    get_review,
    list_reviews,
    open_review,
)
from lineside.evals.reviews.settling import (
    AnswerChange,
    Disagreement,
    answer_history,
    disagreements,
    settle,
)
from lineside.evals.reviews.sources import Source
from lineside.evals.reviews.texts import text_of

__all__ = [
    "AnswerChange",
    "Disagreement",
    "ImportedLabels",
    "KnownAnswer",
    "PairAgreement",
    "QuestionAgreement",
    "RaterRecord",
    "RaterTurn",
    "Review",
    "ReviewLabel",
    "ReviewQuestion",
    "ReviewState",
    "ReviewTask",
    "ReviewWish",
    "Source",
    "answer_history",
    "cases_file",
    "close_review",
    "disagreements",
    "get_review",
    "give_answer",
    "import_labels",
    "labels_by_rater_file",
    "labels_file",
    "list_reviews",
    "next_turn",
    "open_review",
    "read_questions",
    "review_labels",
    "review_state",
    "seen_task",
    "settle",
    "text_of",
]
