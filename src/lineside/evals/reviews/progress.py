"""How a review stands: how far raters agree, what it took, and what is left."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from lineside.core import Record, clock, now
from lineside.evals.reviews import queries
from lineside.evals.reviews.agreement import QuestionAgreement, agreement_on
from lineside.evals.reviews.review import Review, get_review
from lineside.evals.reviews.said import ItemSaid, SaidByRater, said_from
from lineside.evals.reviews.texts import text_of
from lineside.stats import wilson
from lineside.trust import Scope, keys

KNOWN_MIN = 0.8
"""A rater whose share of right known answers surely lies below it is named in a warning."""

IDLE_AFTER = timedelta(hours=24)
_SECONDS_GUESSED = 30.0


class RaterRecord(Record):
    """What one rater did.

    Attributes:
        passed: Items they passed on.
        seconds_median: What an answer took; nothing before the first.
        known_right: Answers to known items that were right, out of `known`; `known_low` and
            `known_high` are the 95 % interval of the share.
        is_idle: Whether they have begun, did not answer for a day, and could.
        left_at: When they left for good or their key was revoked; they may see everything since.
    """

    name: str
    answered: int
    passed: int
    changed: int
    minutes: float
    seconds_median: float | None
    known: int
    known_right: int
    known_low: float | None
    known_high: float | None
    last_at: datetime | None
    is_idle: bool
    left_at: datetime | None = None

    @property
    def time(self) -> str:
        """What their answers took, in words."""
        return _spelled(self.minutes)


class ReviewState(Record):
    """How a review stands.

    Attributes:
        items_done: Items that as many raters judged as are asked for; known ones are not counted
            here and in `items`.
        answers_left: Judgements that are still wanted.
        minutes_left: What they will take, by what answers took so far.
        disputed: Items on which raters, or raters and the judge, differ and nobody settled.
        sentence: Whether the labels may be used, and what is left to do.
    """

    review: Review
    sentence: str
    items: int
    items_done: int
    answers: int
    answers_left: int
    minutes_spent: float
    minutes_left: float
    disputed: int
    settled: int
    questions: tuple[QuestionAgreement, ...]
    raters: tuple[RaterRecord, ...]
    warnings: tuple[str, ...]

    @property
    def time_spent(self) -> str:
        """The minutes that answers took, in words."""
        return _spelled(self.minutes_spent)

    @property
    def time_left(self) -> str:
        """The minutes that are still wanted, in words."""
        return _spelled(self.minutes_left)


class _Rater(NamedTuple):
    name: str
    opened_at: datetime
    answers: list[tuple[ItemSaid, SaidByRater]]
    left_at: datetime | None


def review_state(scope: Scope, name_or_id: str) -> ReviewState:
    """How a review stands now.

    Raises:
        NotFound: There is no such review.
        Denied: The right `read` is missing.
    """
    review = get_review(scope, name_or_id)
    with scope.store.records.read() as connection:
        # Only passages are compared word by word.
        has_spans = any(question.kind == "spans" for question in review.questions)
        rows = queries.item_rows(connection, review.id, with_shown=has_spans)
        answers = queries.answer_rows(connection, review.id)
        turns = queries.turn_rows(connection, review.id)
    texts = {row["item"]: text_of(row["shown"]["output"]) for row in rows} if has_spans else {}
    every = said_from(rows, answers)
    asked = [one for one in every if one.known is None]
    raters = _raters(scope, every, turns)
    left = sum(_left(review, one) for one in asked)
    seconds = [said.seconds for rater in raters.values() for _, said in rater.answers]
    disputed = [one for one in asked if one.settled is None and one.is_disputed(review.questions)]
    names = {rater: record.name for rater, record in raters.items()}
    values: dict[str, Any] = {
        "review": review,
        "items": len(asked),
        "items_done": sum(_left(review, one) == 0 for one in asked),
        "answers": sum(len(one.answered) for one in asked),
        "answers_left": left,
        "minutes_spent": sum(seconds) / 60,
        "minutes_left": left * (median(seconds) if seconds else _SECONDS_GUESSED) / 60,
        "disputed": len(disputed),
        "settled": sum(one.settled is not None for one in asked),
        "questions": tuple(
            agreement_on(question, asked, names, texts) for question in review.questions
        ),
        "raters": tuple(_record(review, rater, left > 0) for rater in raters.values()),
    }
    values["warnings"] = tuple(_warnings(review, values))
    return ReviewState(sentence=_sentence(values, is_open=review.closed_at is None), **values)


def names_of(turns: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Rater to the name people know them by; two of one name are told apart by their ids."""
    names = {turn["rater"]: turn["rater_name"] for turn in turns}
    shared = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {
        rater: f"{name} ({rater.rpartition(':')[2]})" if name in shared else name
        for rater, name in sorted(names.items(), key=lambda pair: (pair[1], pair[0]))
    }


def _raters(
    scope: Scope, every: Sequence[ItemSaid], turns: Sequence[queries.Row]
) -> dict[str, _Rater]:
    opened: dict[str, datetime] = {}
    for turn in turns:
        opened[turn["rater"]] = max(turn["opened_at"], opened.get(turn["rater"], turn["opened_at"]))
    revoked = keys.when_revoked(scope, (rater.removeprefix("key:") for rater in opened))
    return {
        rater: _Rater(
            name,
            opened[rater],
            [(one, one.by_rater[rater]) for one in every if rater in one.by_rater],
            revoked.get(rater.removeprefix("key:")),
        )
        for rater, name in names_of(turns).items()
    }


def _left(review: Review, one: ItemSaid) -> int:
    if one.settled is not None:
        return 0
    wanted = review.raters_per_item + one.is_disputed(review.questions)
    return max(0, wanted - len(one.answered))


def _record(review: Review, rater: _Rater, is_work_left: bool) -> RaterRecord:
    answered = [(one, said) for one, said in rater.answers if said.said is not None]
    tried = [
        said.said.get(name) == label
        for one, said in answered
        if one.known is not None and said.said is not None
        for name, label in one.known.items()
    ]
    right = wilson(sum(tried), len(tried)) if tried else None
    last = max((said.answered_at for _, said in rater.answers), default=None)
    is_late = now() - (last or rater.opened_at) > IDLE_AFTER
    seconds = [said.seconds for _, said in rater.answers]
    return RaterRecord(
        name=rater.name,
        answered=len(answered),
        passed=len(rater.answers) - len(answered),
        changed=sum(said.revision - 1 for _, said in rater.answers),
        minutes=sum(seconds) / 60,
        seconds_median=median(seconds) if seconds else None,
        known=len(tried),
        known_right=sum(tried),
        known_low=right.low if right else None,
        known_high=right.high if right else None,
        last_at=last,
        is_idle=is_late and is_work_left and not (review.closed_at or rater.left_at),
        left_at=rater.left_at,
    )


def _warnings(review: Review, values: Mapping[str, Any]) -> Iterator[str]:
    raters: Sequence[RaterRecord] = values["raters"]
    idle = [rater.name for rater in raters if rater.is_idle]
    if idle:
        yield (
            f"{_listed(idle)} began and did not answer for a day; "
            "what waited for them goes to the others"
        )
    if values["answers_left"] and 0 < len(raters) < review.raters_per_item:
        yield (
            f"{review.raters_per_item} raters are asked for on each item, {len(raters)} came so far"
        )
    spent, limit = values["minutes_spent"], review.minutes_max
    if limit is not None and values["answers_left"] and spent + values["minutes_left"] > limit:
        yield (
            f"The budget of {limit:g} minutes ends before the work: {spent:.0f} are spent, "
            f"about {values['minutes_left']:.0f} more are needed"
        )
    for rater in raters:
        if rater.known_high is not None and rater.known_high < KNOWN_MIN:
            yield (
                f"{rater.name} got {rater.known_right} of {rater.known} known answers right; "
                "look at what they said before you use it"
            )


def _sentence(values: Mapping[str, Any], *, is_open: bool) -> str:
    """Whether the labels may be used, and what is left to do; figures stand elsewhere."""
    if not values["answers"]:
        return f"Nobody has answered yet: {_counted(values['items'], 'item')} to judge"
    first: QuestionAgreement = values["questions"][0]
    said = first.sentence
    if first.alpha is not None:
        said = {
            "agree": "Raters agree, so that their labels can be used",
            "differ": "Raters do not agree: ask a clearer question before you use the labels",
            "unknown": "Too few answers to say whether raters agree",
        }[first.decision]
    if values["answers_left"] and is_open:
        left = _counted(values["answers_left"], "more answer")
        return f"{said}; {left}, about {_spelled(values['minutes_left'])}, to go"
    if values["disputed"]:
        return f"{said}; {_counted(values['disputed'], 'item')} to settle"
    return said


def _spelled(minutes: float) -> str:
    return clock.spell_duration(timedelta(minutes=minutes)) if minutes else "0 min"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
