"""Which models a name stands for, and in what order they are asked."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import Annotated

from pydantic import Field, model_validator

from lineside.core import LinesideError, Record, Unavailable
from lineside.gateway.calls.breaker import Breaker
from lineside.gateway.calls.failures import FALL_BACK_ON, Passing, given_up, slow
from lineside.gateway.calls.upstream import CacheSeconds, Seconds, Upstream
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.retry import Pace

Nearness = Annotated[float, Field(ge=0.8, le=1)]
SEMANTIC_SIMILARITY_MIN = 0.97
"""Chosen on Banking77's training messages. Of others, one hit in fifty then answered another
question; see `benchmarks/semantic_cache.py`."""


class ModelRoute(Record):
    """A name of one's own for models that stand in for each other.

    Attributes:
        targets: `provider/model`, the first first.
        retries_max: Further tries of one target after a failure that may pass.
        deadline_s: Longest time until the first piece of an answer, over all tries.
        fall_back_on: Codes of failures after which the next target is asked.
        cache_s: Seconds for which the same question gets the same answer without asking anew.
        semantic_cache: Also answer a question from one that is only like it in its last words. Such
            an answer may be to another question; the answer says that it is one.
        semantic_similarity_min: How near two questions must be, as a cosine of word vectors.
    """

    targets: tuple[str, ...] = Field(min_length=1, max_length=16)
    retries_max: int = Field(2, ge=0, le=20)
    deadline_s: Seconds = 600.0
    fall_back_on: tuple[str, ...] = FALL_BACK_ON
    cache_s: CacheSeconds = 0
    semantic_cache: bool = False
    semantic_similarity_min: Nearness = SEMANTIC_SIMILARITY_MIN

    @model_validator(mode="after")
    def _is_kept(self) -> "ModelRoute":
        if self.semantic_cache and not self.cache_s:
            raise ValueError("`semantic_cache` needs `cache_s`: for how long answers are kept")
        return self


@dataclass(frozen=True)
class ModelTarget:
    """A model at a provider, ready to be asked."""

    provider: str
    model: str
    upstream: Upstream
    breaker: Breaker | None = None


@dataclass
class ServedBy:
    """What became known of a call while it was answered; the one thing here that changes.

    Attributes:
        waited_s: Time that was spent waiting for a provider.
        left_out: Fields of the request that the model's wire has no words for.
        limits: What is left of the caller's budgets, as headers.
        release: What answered a call of a use case, with its arm.
    """

    provider: str | None = None
    model: str | None = None
    attempts: int = 0
    waited_s: float = 0.0
    left_out: Sequence[str] = ()
    limits: dict[str, str] = field(default_factory=dict)
    release: str | None = None
    release_id: str | None = None
    arm: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)


async def ask_in_turn(
    request: ModelRequest,
    targets: Sequence[ModelTarget],
    route: ModelRoute,
    *,
    served: ServedBy,
    pace: Pace,
) -> AsyncGenerator[AnswerEvent, None]:
    """Ask the targets one after the other until one begins to answer.

    From its first piece on an answer is that target's: nothing is asked again, since the caller
    may have read it.

    Raises:
        LinesideError: Of the last target that was asked.
    """
    started = monotonic()
    deadline = started + route.deadline_s
    last: LinesideError | None = None
    for target in targets:
        for retry in range(route.retries_max + 1):
            answer = _attempt(request, target, served)
            try:
                first = await _first(answer, route, deadline)
            except Passing as error:
                last = given_up(
                    error,
                    tries=retry + 1,
                    seconds=monotonic() - started,
                    wait_max_s=pace.retry_after_max_s,
                )
                wait_s = pace.wait_s(retry, asked_s=error.asked_s)
                is_hopeless = error.code == "breaker_open" or wait_s > pace.retry_after_max_s
                if is_hopeless or monotonic() + wait_s > deadline or retry == route.retries_max:
                    break
                await asyncio.sleep(wait_s)
            except LinesideError as error:
                last = error
                break
            else:
                async with aclosing(answer):
                    yield first
                    async for event in answer:
                        yield event
                return
        if last is None or last.code not in route.fall_back_on or monotonic() > deadline:
            break
    assert last is not None  # noqa: S101 # a route has a target, and each answered or failed
    raise last


async def _first(
    answer: AsyncGenerator[AnswerEvent, None], route: ModelRoute, deadline: float
) -> AnswerEvent:
    try:
        async with asyncio.timeout(max(0.0, deadline - monotonic())):
            return await anext(answer)
    except TimeoutError:
        raise slow("`" + "`, `".join(route.targets) + "`", route.deadline_s, "answer") from None


async def _attempt(
    request: ModelRequest, target: ModelTarget, served: ServedBy
) -> AsyncGenerator[AnswerEvent, None]:
    if target.breaker:
        target.breaker.check()
    served.provider, served.model = target.provider, target.model
    served.attempts += 1
    served.left_out = target.upstream.unsaid(request)
    events = target.upstream.events(request.model_copy(update={"model": target.model}))
    started = monotonic()
    try:
        async with aclosing(events):
            async for event in events:
                served.waited_s += monotonic() - started
                yield event
                started = monotonic()
    except Unavailable:
        served.waited_s += monotonic() - started
        if target.breaker:
            target.breaker.failed()
        raise
    if target.breaker:
        target.breaker.succeeded()
