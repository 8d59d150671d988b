"""What raters are asked, and whether an answer fits the question."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationError

from lineside.core import Invalid, Record, did_you_mean

QuestionKind = Literal["choice", "scale", "spans", "text", "pairwise"]
QUESTIONS_MAX = 10
OPTIONS_MAX = 20
POINTS_MAX = 11
SPANS_MAX = 100
TEXT_CHARACTERS_MAX = 10_000
TIE = "tie"
SIDES = ("first", "second", TIE)

_YES = {"1", "true", "yes", "pass", "good", "right", "correct"}
_NAME_CHARACTERS_MAX = 60


class ReviewQuestion(Record):
    """One thing that is asked of every item.

    Attributes:
        name: Column of the labels it gives; that of an output field makes cases of them.
        ask: The question, as the rater reads it.
        options: Of a `choice`; the labels of `spans`, where passages are of several sorts.
        low: Lowest point of a `scale`; `high` is the highest.
        anchors: What the lowest and the highest point mean, in words.
        is_ordered: Whether the options of a `choice` go from worst to best.
        yes: Options, or points as text, that a judge's high score stands for.
        is_optional: Whether it may be left without an answer.
    """

    name: str
    ask: str
    kind: QuestionKind
    options: tuple[str, ...] = ()
    low: int = 1
    high: int = 5
    anchors: tuple[str, str] | None = None
    is_ordered: bool = False
    yes: tuple[str, ...] = ()
    is_optional: bool = False

    @property
    def labels(self) -> list[str | int]:
        """Every label it can give, in order; none where the words are the rater's own."""
        if self.kind == "scale":
            return list(range(self.low, self.high + 1))
        if self.kind == "pairwise":
            return list(SIDES)
        return list(self.options) if self.kind == "choice" else []

    def is_yes(self, label: Any) -> bool | None:
        """Whether a label says what a high score of a judge says; nothing where neither fits."""
        if label is None or self.kind not in ("choice", "scale"):
            return None
        if self.yes:
            return str(label) in self.yes
        if self.kind == "scale":
            return bool(2 * label > self.low + self.high)
        plain = {option for option in self.options if option.casefold() in _YES}
        return label in plain if plain else None


def read_questions(rows: Iterable[Mapping[str, Any] | ReviewQuestion]) -> list[ReviewQuestion]:
    """Read what is to be asked.

    Raises:
        Invalid: `bad_question` says which one and why.
    """
    questions = []
    for place, row in enumerate(rows, start=1):
        try:
            found = ReviewQuestion.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "it"
            raise _bad(place, f"`{where}`: {first['msg']}") from None
        reason = _wrong_with(found)
        if reason:
            raise _bad(place, reason)
        questions.append(found)
    names = [question.name for question in questions]
    if not 1 <= len(names) <= QUESTIONS_MAX or len(set(names)) < len(names):
        raise Invalid(
            "bad_questions",
            f"Expected 1 to {QUESTIONS_MAX} questions of different names: {', '.join(names)}",
            hint="Give each question a `name`, an `ask` and a `kind`.",
        )
    return questions


def check_said(
    questions: Sequence[ReviewQuestion], said: Mapping[str, Any], *, text: str
) -> dict[str, Any]:
    """The answers to all questions as they are kept.

    Args:
        text: What passages are marked in.

    Raises:
        Invalid: `unknown_question`, `unanswered`, `bad_answer`; each says what would fit.
    """
    names = [question.name for question in questions]
    for name in said:
        if name not in names:
            near = did_you_mean(name, names)
            raise Invalid(
                "unknown_question",
                f"Nothing is asked under the name `{name[:60]}`",
                hint=f"Did you mean `{near}`?" if near else f"Asked is: {', '.join(names)}.",
            )
    kept = {}
    for question in questions:
        value = said.get(question.name)
        # No marked passage is an answer: there is none.
        if question.kind == "spans":
            kept[question.name] = _spans(question, value or [], text)
        elif value is None or value == "":
            if not question.is_optional:
                raise Invalid(
                    "unanswered",
                    f"`{question.name}` has no answer: {question.ask}",
                    hint="Answer it, or pass on the item as a whole.",
                )
        else:
            kept[question.name] = _checked(question, value)
    return kept


def _checked(question: ReviewQuestion, value: Any) -> Any:
    if question.kind == "text":
        text = value.strip() if isinstance(value, str) else ""
        if not text or len(text) > TEXT_CHARACTERS_MAX:
            raise _misfit(question, value, f"1 to {TEXT_CHARACTERS_MAX:,} characters")
        return text
    if question.kind == "scale" and isinstance(value, str) and value.lstrip("-").isdecimal():
        value = int(value)
    if isinstance(value, bool) or value not in question.labels:
        raise _misfit(question, value, ", ".join(str(label) for label in question.labels))
    return value


def _spans(question: ReviewQuestion, value: Any, text: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > SPANS_MAX:
        raise _misfit(question, value, f"a list of at most {SPANS_MAX} passages")
    kept = []
    for span in value:
        is_span = isinstance(span, Mapping) and all(
            type(span.get(end)) is int for end in ("start", "end")
        )
        if not is_span or not 0 <= span["start"] < span["end"] <= len(text):
            raise _misfit(question, span, f"`start` and `end` from 0 to {len(text)}")
        label = span.get("label") or (question.options[0] if question.options else None)
        if label is not None and label not in question.options:
            raise _misfit(question, label, ", ".join(question.options) or "no label")
        kept.append({"start": span["start"], "end": span["end"], "label": label})
    return sorted(kept, key=lambda span: (span["start"], span["end"]))


def _wrong_with(question: ReviewQuestion) -> str | None:
    if not question.name.isprintable() or not 0 < len(question.name) <= _NAME_CHARACTERS_MAX:
        return f"its name has no 1 to {_NAME_CHARACTERS_MAX} printable characters"
    if not question.ask.strip():
        return "`ask` is empty"
    if len(set(question.options)) < len(question.options) or len(question.options) > OPTIONS_MAX:
        return f"expected at most {OPTIONS_MAX} different options"
    if question.kind == "choice" and len(question.options) < 2:
        return "a choice needs at least two `options`"
    if question.kind == "scale" and not 1 <= question.high - question.low < POINTS_MAX:
        return f"a scale has 2 to {POINTS_MAX} points, from `low` to `high`"
    strange = [word for word in question.yes if word not in map(str, question.labels)]
    return f"`yes` names `{strange[0]}`, which is no label of it" if strange else None


def _bad(place: int, reason: str) -> Invalid:
    return Invalid(
        "bad_question",
        f"Question {place} cannot be asked: {reason}",
        hint='A small one: {"name": "right", "ask": "Is it right?", "kind": "choice", '
        '"options": ["yes", "no"]}',
    )


def _misfit(question: ReviewQuestion, value: Any, expected: str) -> Invalid:
    return Invalid("bad_answer", f"`{question.name}` is `{str(value)[:60]}`, expected {expected}")
