"""What was said of each item: the newest answer of each rater, and what they add up to."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from lineside.evals.reviews import queries
from lineside.evals.reviews.questions import ReviewQuestion
from lineside.store import Store

JUDGE_YES = 0.5
"""From which score on a judge says yes."""


@dataclass(frozen=True)
class SaidByRater:
    """The newest answer of one rater to one item.

    Attributes:
        said: Label by question; nothing where the rater passed on the item.
        seconds: Of all the times that they looked at it.
        revision: How often it was answered.
    """

    rater: str
    said: Mapping[str, Any] | None
    seconds: float
    answered_at: datetime
    revision: int


@dataclass(frozen=True)
class ItemSaid:
    """An item without what it shows, and what each rater said of it."""

    item: int
    case_id: str
    judge: Mapping[str, Any] | None
    known: Mapping[str, Any] | None
    chance: float | None
    settled: Mapping[str, Any] | None
    by_rater: dict[str, SaidByRater] = field(default_factory=dict)

    @property
    def answered(self) -> list[SaidByRater]:
        """Without those who passed."""
        return [one for one in self.by_rater.values() if one.said is not None]

    def labels(self, question: ReviewQuestion) -> list[Any]:
        """What raters said, those left out who did not."""
        said = [(one.said or {}).get(question.name) for one in self.answered]
        return [label for label in said if label is not None]

    def is_split(self, questions: Iterable[ReviewQuestion]) -> bool:
        """Whether raters said things that cannot both be right."""
        return any(_is_split(question, self.labels(question)) for question in questions)

    def is_disputed(self, questions: Sequence[ReviewQuestion]) -> bool:
        """Whether raters differ from each other or, on the first question, from the judge."""
        if self.known is not None:
            return False
        return self.is_split(questions) or self.differs_from_judge(questions[0]) is True

    def differs_from_judge(self, question: ReviewQuestion) -> bool | None:
        """Whether people say other than the judge; nothing where one of the two is not known."""
        label = label_of(question, self.labels(question))
        if label is None or self.judge is None:
            return None
        if self.judge["label"] in question.labels:
            return bool(self.judge["label"] != label)
        is_yes, value = question.is_yes(label), self.judge["value"]
        return None if is_yes is None or value is None else is_yes != (value >= JUDGE_YES)

    def final(self, question: ReviewQuestion) -> Any:
        """What was settled, else what most say; nothing where they tie."""
        if self.settled is not None and question.name in self.settled:
            return self.settled[question.name]
        return label_of(question, self.labels(question))


def label_of(question: ReviewQuestion, labels: Sequence[Any]) -> Any:
    """What most raters say, of a scale the middle; nothing where they tie or no label is shared."""
    if not labels:
        return None
    if question.kind == "scale":
        return median(labels)
    if question.kind in ("text", "spans"):
        return labels[0] if all(label == labels[0] for label in labels) else None
    counts = Counter(labels).most_common(2)
    return None if len(counts) == 2 and counts[0][1] == counts[1][1] else counts[0][0]


def items_said(store: Store, review_id: str) -> list[ItemSaid]:
    """Every item in order, with the newest answer of each rater."""
    with store.records.read() as connection:
        rows = queries.item_rows(connection, review_id)
        answers = queries.answer_rows(connection, review_id)
    return said_from(rows, answers)


def said_from(rows: Iterable[queries.Row], answers: Iterable[queries.Row]) -> list[ItemSaid]:
    """Put answers to their items; of a changed one the newest counts, with the time of all."""
    found: dict[int, dict[str, SaidByRater]] = defaultdict(dict)
    for row in answers:
        before = found[row["item"]].get(row["rater"])
        found[row["item"]][row["rater"]] = SaidByRater(
            rater=row["rater"],
            said=row["said"],
            seconds=row["seconds"] + (before.seconds if before else 0),
            answered_at=row["answered_at"],
            revision=row["revision"],
        )
    kept = ("item", "case_id", "judge", "known", "chance", "settled")
    return [
        ItemSaid(**{name: row[name] for name in kept}, by_rater=found.get(row["item"], {}))
        for row in rows
    ]


def _is_split(question: ReviewQuestion, labels: Sequence[Any]) -> bool:
    if question.kind == "scale":
        # Neighbours on a scale are a matter of taste; the middle of them is taken.
        return len(labels) > 1 and max(labels) - min(labels) > 1
    if question.kind in ("text", "spans"):
        return False
    return len(set(labels)) > 1
