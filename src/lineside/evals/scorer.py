"""What a scorer is: it takes one context and says how good one answer is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import iscoroutinefunction
from math import isfinite
from typing import Any

from lineside.core import did_you_mean


@dataclass(frozen=True, slots=True)
class ScorerContext:
    """One answer with all that is needed to judge it; the same in a run, inline and live.

    Attributes:
        expected: Output fields and their right values; empty where nothing is expected.
        cost_usd: Nothing means unknown, never free.
        tokens_in: Tokens that the model read, where it counts; `tokens_out` those it wrote.
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
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer said of one answer.

    Attributes:
        value: The score; nothing when it is missing, which is never the same as zero.
        label: The score in a word, such as `polite`.
        explanation: Why, in a sentence.
        error: How the scorer failed, where it did.
        detail: What the score is made of, where there is more to say: the share of each field, or
            all verdicts of a judge with what they cost.
    """

    name: str
    value: float | None
    label: str | None = None
    explanation: str | None = None
    error: str | None = None
    detail: dict[str, Any] | None = None


Scored = Score | float | bool | dict[str, Any] | None
Scorer = Callable[[ScorerContext], Scored | Awaitable[Scored]]
"""An `async def` is awaited beside others, so that it may wait for a model or a service."""

SECONDS_MAX = 180.0
"""A scorer that is awaited has so long for one answer."""

_TEXT_MAX = 500
_WORDS = ("value", "label", "explanation", "detail")


@dataclass(frozen=True)
class NamedScorer:
    """A scorer ready to judge, under the name its scores carry."""

    name: str
    scorer: Scorer

    @property
    def jury(self) -> Any:
        """The models that it asks, where it is a judge; see `scorers.jury.Jury`."""
        return getattr(self.scorer, "jury", None)

    @cached_property
    def is_awaited(self) -> bool:
        """Whether it is asked with `judge_awaited`."""
        return is_awaited(self.scorer)

    @property
    def asked(self) -> Any:
        """The model that one's own function asks; see `scorers.wrapped.AskedModel`."""
        return getattr(getattr(self.scorer, "witness", None), "asked", None)

    def judge(self, context: ScorerContext) -> Score:
        """Return the score of one answer; a scorer that fails gives no score and the reason."""
        try:
            return self._read(self.scorer(context))
        except Exception as error:  # noqa: BLE001 # the scorer is the person's own code
            return self._failed(error)

    async def judge_awaited(self, context: ScorerContext) -> Score:
        """Return the score of a scorer that waits for something, such as a model."""
        try:
            # A jury keeps the deadline itself, to say what the calls before it took.
            async with asyncio.timeout(None if self.jury is not None else SECONDS_MAX):
                return self._read(await self.scorer(context))  # type: ignore[misc] # `is_awaited`
        except TimeoutError:
            return Score(self.name, None, error=f"No score within {SECONDS_MAX:.0f} s")
        except Exception as error:  # noqa: BLE001 # the scorer is the person's own code
            return self._failed(error)

    async def close(self) -> None:
        """Give back what the scorer holds; it is asked no more."""
        if self.jury is not None:
            await self.jury.close()

    def _read(self, given: Any) -> Score:
        score, witness = _read_score(self.name, given), getattr(self.scorer, "witness", None)
        return score if witness is None else witness(given, score)

    def _failed(self, error: Exception) -> Score:
        return Score(self.name, None, error=_cut(f"{type(error).__name__}: {error}"))


def is_awaited(scorer: Any) -> bool:
    """Whether what a function or an object gives when it is called must be awaited."""
    return iscoroutinefunction(scorer) or iscoroutinefunction(
        getattr(scorer, "__call__", None)  # noqa: B004 # objects may be scorers too
    )


def _read_score(name: str, given: Any) -> Score:
    if given is None:
        return Score(name, None)
    if isinstance(given, Score):
        if given.value is not None and not isfinite(given.value):
            raise ValueError(f"the score is {given.value}, expected a finite number")
        return Score(
            name, given.value, _cut(given.label), _cut(given.explanation), given.error, given.detail
        )
    if isinstance(given, dict):
        return _from_words(name, given)
    if hasattr(given, "score") or hasattr(given, "value"):
        return _from_library(name, given)
    return Score(name, _number(given))


def _from_words(name: str, given: dict[str, Any]) -> Score:
    for key in given:
        if key not in _WORDS:
            near = did_you_mean(str(key), _WORDS)
            raise ValueError(f"`{key}` is not part of a score, did you mean `{near or 'value'}`?")
    value = given.get("value")
    return Score(
        name,
        None if value is None else _number(value),
        _cut(given.get("label")),
        _cut(given.get("explanation")),
        detail=given.get("detail"),
    )


def _from_library(name: str, given: Any) -> Score:
    """What a metric of another library said; they agree on `score` or `value`, and a reason."""
    value = given.score if hasattr(given, "score") else given.value
    said = getattr(given, "metadata", None)
    reason = getattr(given, "reason", None) or (
        said.get("rationale") if isinstance(said, dict) else None
    )
    error = getattr(given, "error", None)
    if value is None or error:
        return Score(name, None, explanation=_cut(reason), error=_cut(error))
    return Score(name, _number(value), explanation=_cut(reason))


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
