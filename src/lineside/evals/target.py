"""What a run asks, and how it asks: with limits on time and on tries."""

import asyncio
import random
import time
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple, Protocol

import orjson

from lineside.core import Conflict, Denied, Invalid, LinesideError, NotFound, Unavailable
from lineside.evals.dataset import Case
from lineside.evals.scorer import Score
from lineside.gateway import ModelReply

TRIES_MAX = 3
CASE_SECONDS_MAX = 180.0
FAILURES_IN_VAIN = 20
"""So many first cases that all fail alike are enough to see that the rest would too."""

_BACKOFF_SECONDS = 0.5
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


class Failure(NamedTuple):
    """Why a case has no answer.

    Attributes:
        code: Kind and code of the error, such as `unavailable:model_down`.
    """

    code: str
    message: str


class Answered(NamedTuple):
    """What one case got: a reply or a failure, and the scores that had to be waited for."""

    position: int
    repetition: int
    case: Case
    reply: ModelReply | None
    failure: Failure | None
    latency_ms: float | None
    verdicts: Mapping[str, Score] | None = None


class Asker:
    """Asks a target, tries again where that may help, and knows when all is in vain.

    Args:
        has_answers: Whether some case of the run was answered before, by another process.
    """

    def __init__(self, target: Target, *, has_answers: bool) -> None:
        self._target = target
        self._has_answers = has_answers
        self._first: Failure | None = None
        self._same_failures = 0
        self.gives_up = False

    async def ask(self, position: int, repetition: int, case: Case) -> Answered:
        """Ask until there is an answer or the tries are used up."""
        tries = 0
        while True:
            tries += 1
            started = time.perf_counter()
            reply, failure = await self._try(case)
            latency_ms = (time.perf_counter() - started) * 1000
            # An endpoint that never answered is down: trying each case thrice only takes time.
            is_vain = self.gives_up or (not self._has_answers and self._first is not None)
            if failure is None or tries == TRIES_MAX or is_vain or not _is_worth_a_try(failure):
                break
            wait = _BACKOFF_SECONDS * 2 ** (tries - 1)
            await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 # spreads calls
        self._note(failure)
        latency = latency_ms if failure is None else None
        return Answered(position, repetition, case, reply, failure, latency)

    def _note(self, failure: Failure | None) -> None:
        if failure is None:
            self._has_answers = True
        elif not self._has_answers:
            self._first = self._first or failure
            self._same_failures += failure.code == self._first.code
            self.gives_up = self._same_failures >= FAILURES_IN_VAIN

    async def _try(self, case: Case) -> tuple[ModelReply | None, Failure | None]:
        try:
            async with asyncio.timeout(CASE_SECONDS_MAX):
                reply = await self._target(case.input)
            return reply, _unusable(reply)
        except TimeoutError:
            message = f"No answer within {CASE_SECONDS_MAX:.0f} s"
            return None, Failure("unavailable:case_timeout", message)
        except LinesideError as error:
            return None, Failure(f"{_KINDS.get(type(error), 'error')}:{error.code}", _said(error))
        except Exception as error:  # noqa: BLE001 # whatever a target raises is that case's failure
            return None, Failure(f"error:{type(error).__name__}", _said(error))

    @property
    def in_vain(self) -> Failure:
        """The failure of a case that is not asked because the first ones all failed alike."""
        code, message = self._first or Failure("error", "")
        return Failure(
            "not_asked",
            f"Not asked: the first {FAILURES_IN_VAIN} cases all failed with `{code}`: {message}",
        )


def _is_worth_a_try(failure: Failure) -> bool:
    return failure.code.startswith("unavailable:") and failure.code != "unavailable:case_timeout"


def _unusable(reply: ModelReply) -> Failure | None:
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
