"""What a run asks, and how it asks: with limits on time and on tries."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, NamedTuple, Protocol, cast

import orjson

from lineside.core import Conflict, Denied, Invalid, LinesideError, NotFound, Unavailable, now
from lineside.evals.concurrency import Concurrency
from lineside.evals.dataset import Case
from lineside.evals.scorer import Score
from lineside.gateway import ModelReply, hear_rate_limit, rate_limit_heard, read_retry_after

TRIES_MAX = 3
REFUSALS_MAX = 50
"""How often a case may be refused because too much is asked; each time it waits its turn."""
CASE_SECONDS_MAX = 180.0
RECALLED = "recalled_from"
"""In the detail of a verdict: the earlier run that paid for it."""
FAILURES_IN_VAIN = 20
"""So many first cases that all fail alike are enough to see that the rest would too."""

_BACKOFF_SECONDS = 0.5
_DOUBLINGS_MAX = 6
_MESSAGE_MAX = 500

_KINDS = {
    Unavailable: "unavailable",
    Denied: "denied",
    Invalid: "invalid",
    NotFound: "not_found",
    Conflict: "conflict",
}


class Target(Protocol):
    """What a run asks. One target answers many calls at once.

    An error it raises fails that case only; `Unavailable` is tried again.
    """

    async def __call__(self, payload: Mapping[str, Any]) -> ModelReply:
        """Answer one input that fits the input schema."""
        ...

    async def close(self) -> None:
        """Give back what it holds; it is asked no more."""
        ...


class CaseTarget(Protocol):
    """A target that must know the case, such as one that has answers on file."""

    async def answer_case(self, case: Case, repetition: int) -> ModelReply: ...

    async def close(self) -> None: ...


class Failure(NamedTuple):
    """Why a case has no answer.

    Attributes:
        code: Kind and code of the error, such as `unavailable:model_down`.
    """

    code: str
    message: str


class Answered(NamedTuple):
    """What one case got: a reply or a failure, and the scores that had to be waited for.

    Attributes:
        recalled_from: The earlier run whose answer this is.
    """

    position: int
    repetition: int
    case: Case
    reply: ModelReply | None
    failure: Failure | None
    latency_ms: float | None
    recalled_from: str | None = None
    verdicts: Mapping[str, Score] | None = None


@dataclass(frozen=True)
class RecordedReply(ModelReply):
    """An answer that was given elsewhere, with how long it took there.

    Attributes:
        latency_ms: Nothing means unknown.
    """

    latency_ms: float | None = None


@dataclass(frozen=True)
class HeldReply(ModelReply):
    """An answer that a model gave and was paid for, and that the caller cannot have all the same.

    Attributes:
        failure: Why not; nothing where it can.
    """

    failure: Failure | None = None


class Asker:
    """Asks a target, tries again where that may help, and knows when all is in vain.

    Args:
        has_answers: Whether some case of the run was answered before, by another process.
        price: Says what a reply cost whose model does not say so itself.
    """

    def __init__(
        self,
        target: "Target | CaseTarget",
        *,
        has_answers: bool,
        concurrency: Concurrency,
        price: Callable[[ModelReply], float | None] = lambda _reply: None,
    ) -> None:
        self._has_answers = has_answers
        self._concurrency = concurrency
        self._price = price
        self._first: Failure | None = None
        self._same_failures = 0
        self.gives_up = False
        answer_case = getattr(target, "answer_case", None)
        self._answer: Callable[[Case, int], Awaitable[ModelReply]] = answer_case or (
            lambda case, _repetition: cast(Target, target)(case.input)
        )

    async def ask(self, position: int, repetition: int, case: Case) -> Answered:
        """Ask until there is an answer or the tries are used up."""
        tries = refusals = 0
        while True:
            wait_s = _BACKOFF_SECONDS * 2 ** min(refusals + 1, _DOUBLINGS_MAX)
            reply, failure, latency_ms = await self._in_turn(case, repetition, wait_s)
            is_crowded = failure is not None and _is_rate_limit(failure.code)
            tries, refusals = tries + (not is_crowded), refusals + is_crowded
            # An endpoint that never answered is down: trying each case thrice only takes time.
            is_vain = self.gives_up or (not self._has_answers and self._first is not None)
            if failure is None or is_vain or not _is_worth_a_try(failure):
                break
            if tries == TRIES_MAX or refusals == (REFUSALS_MAX if self._has_answers else TRIES_MAX):
                break
            if not is_crowded:
                wait = _BACKOFF_SECONDS * 2 ** (tries - 1)
                await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 # spreads calls
        self._note(failure)
        return Answered(position, repetition, case, reply, failure, latency_ms)

    async def _in_turn(
        self, case: Case, repetition: int, wait_s: float
    ) -> tuple[ModelReply | None, Failure | None, float | None]:
        """Ask once there is room, and make or take room after what comes of it.

        Args:
            wait_s: How long all wait after a 429 that does not say how long.
        """
        concurrency = self._concurrency
        entered_at = await concurrency.enter()
        told = concurrency.rate_limited
        hearing = rate_limit_heard.set(
            lambda asked_s: concurrency.fall(entered_at, wait_s if asked_s is None else asked_s)
        )
        try:
            started = time.perf_counter()
            reply, failure = await self._try(case, repetition)
            latency_ms = (time.perf_counter() - started) * 1000
        finally:
            rate_limit_heard.reset(hearing)
            concurrency.leave()
        if failure is None and reply is not None:
            concurrency.rise()
            if reply.cost_usd is None:
                reply = replace(reply, cost_usd=self._price(reply))
            if isinstance(reply, RecordedReply):
                return reply, None, reply.latency_ms
            return reply, None, latency_ms
        is_crowded = failure is not None and _is_rate_limit(failure.code)
        if is_crowded and concurrency.rate_limited == told:
            concurrency.fall(entered_at, wait_s)
        return reply, failure, None

    def _note(self, failure: Failure | None) -> None:
        if failure is None:
            self._has_answers = True
        elif not self._has_answers:
            self._first = self._first or failure
            self._same_failures += failure.code == self._first.code
            self.gives_up = self._same_failures >= FAILURES_IN_VAIN

    async def _try(self, case: Case, repetition: int) -> tuple[ModelReply | None, Failure | None]:
        try:
            async with asyncio.timeout(CASE_SECONDS_MAX):
                reply = await self._answer(case, repetition)
            return reply, _unusable(reply)
        except TimeoutError:
            message = f"No answer within {CASE_SECONDS_MAX:.0f} s"
            return None, Failure("unavailable:case_timeout", message)
        except LinesideError as error:
            return None, failure_of(error)
        except Exception as error:  # noqa: BLE001 # whatever a target raises is that case's failure
            if getattr(error, "status_code", None) == 429:
                hear_rate_limit(_wait_wanted(error))
                return None, Failure("unavailable:rate_limited", _said(error))
            return None, Failure(f"error:{type(error).__name__}", _said(error))

    @property
    def in_vain(self) -> Failure:
        """The failure of a case that is not asked because the first ones all failed alike."""
        code, message = self._first or Failure("error", "")
        return Failure(
            "not_asked",
            f"Not asked: the first {FAILURES_IN_VAIN} cases all failed with `{code}`: {message}",
        )


def failure_of(error: LinesideError) -> Failure:
    """An error as the failure of one case: its kind and code, and what it says."""
    kind = next((word for kind, word in _KINDS.items() if isinstance(error, kind)), "error")
    return Failure(f"{kind}:{error.code}", _said(error))


def _is_rate_limit(code: str) -> bool:
    return code.endswith("rate_limited")


def _wait_wanted(error: Exception) -> float | None:
    """What a client library's error says of `Retry-After`; most keep the response in the error."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    header = headers.get("retry-after") if headers is not None else None
    return read_retry_after(header, moment=now())


def _is_worth_a_try(failure: Failure) -> bool:
    return failure.code.startswith("unavailable:") and failure.code != "unavailable:case_timeout"


def _unusable(reply: ModelReply) -> Failure | None:
    if isinstance(reply, HeldReply) and reply.failure is not None:
        return reply.failure
    try:
        orjson.dumps(reply.output)
    except TypeError as error:
        return Failure("invalid:output_not_json", f"The answer cannot be kept as JSON: {error}")
    return None


def _said(error: Exception) -> str:
    # PostgreSQL keeps no text with a null character.
    return str(error).replace("\0", "")[:_MESSAGE_MAX]


def finite(number: float | None) -> float | None:
    """The number, or nothing where it is none that can be counted."""
    return float(number) if number is not None and isfinite(number) else None
