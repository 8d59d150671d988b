"""What a scorer is: it takes one context and says how good one answer is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from lineside.core import did_you_mean


@dataclass(frozen=True, slots=True)
class ScorerContext:
    """One answer with all that is needed to judge it; the same in a run, inline and live.

    Attributes:
        expected: Output fields and their right values; empty where nothing is expected.
        cost_usd: Nothing means unknown, never free.
        confidence: Calibrated probability that the answer is right, where the model has one.
    """

    case_id: str
    input: Mapping[str, Any]
    expected: Mapping[str, Any]
    output: Mapping[str, Any]
    latency_ms: float | None = None
    cost_usd: float | None = None
    confidence: float | None = None
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer said of one answer.

    Attributes:
        value: The score; nothing when it is missing, which is never the same as zero.
        label: The score in a word, such as `polite`.
        explanation: Why, in a sentence.
        error: How the scorer failed, where it did.
    """

    name: str
    value: float | None
    label: str | None = None
    explanation: str | None = None
    error: str | None = None


Scorer = Callable[[ScorerContext], "Score | float | bool | dict[str, Any] | None"]

_TEXT_MAX = 500
_WORDS = ("value", "label", "explanation")


@dataclass(frozen=True)
class NamedScorer:
    """A scorer ready to judge, under the name its scores carry."""

    name: str
    scorer: Scorer

    def judge(self, context: ScorerContext) -> Score:
        """Return the score of one answer; a scorer that fails gives no score and the reason."""
        try:
            return _read_score(self.name, self.scorer(context))
        except Exception as error:  # noqa: BLE001 # the scorer is the person's own code
            return Score(self.name, None, error=_cut(f"{type(error).__name__}: {error}"))


def _read_score(name: str, given: Any) -> Score:
    if isinstance(given, Score):
        if given.value is not None and not isfinite(given.value):
            raise ValueError(f"the score is {given.value}, expected a finite number")
        return Score(name, given.value, _cut(given.label), _cut(given.explanation), given.error)
    if isinstance(given, dict):
        for key in given:
            if key not in _WORDS:
                near = did_you_mean(str(key), _WORDS)
                raise ValueError(
                    f"`{key}` is not part of a score, did you mean `{near or 'value'}`?"
                )
        value = given.get("value")
        return Score(
            name,
            None if value is None else _number(value),
            _cut(given.get("label")),
            _cut(given.get("explanation")),
        )
    if given is None:
        return Score(name, None)
    return Score(name, _number(given))


def _number(value: Any) -> float:
    # numpy's numbers are welcome too; text is not, even where it spells a number.
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(
            f"the score is {type(value).__name__} `{str(value)[:80]}`, expected a number"
        )
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"the score is {number}, expected a finite number")
    return number


def _cut(text: Any) -> str | None:
    return None if text is None else str(text)[:_TEXT_MAX]
