"""Asking the targets of a route one after the other, until one begins to answer."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from lineside.core import LinesideError, Unavailable
from lineside.gateway.calls.failures import Passing, given_up, slow
from lineside.gateway.calls.hedge import hedged
from lineside.gateway.calls.route import ModelRoute, ModelTarget
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.retry import Pace

_LEFT = ("cancelled", "model_slow")
_UP_ALL_THE_SAME = ("model_rate_limited", "model_quota_used_up")
"""Failures of a provider that answers and wants less asked; each call waits as it was told."""


@dataclass
class ModelTry:
    """One try of one target.

    Attributes:
        target: As `provider/model`.
        outcome: `answered`, the code of its failure, or `cancelled` where it was left before it
            began to answer.
        is_hedge: It was asked beside another one.
        begun_ms: From the moment at which the call came to its route.
        waited_ms: Until the first piece, the failure, or until it was left.
    """

    target: str
    outcome: str = "cancelled"
    is_hedge: bool = False
    begun_ms: float = 0.0
    waited_ms: float = 0.0


@dataclass
class ServedBy:
    """What became known of a call while it was answered; the one thing here that changes.

    Attributes:
        attempts: Tries that went out to a provider; `tries` has those, too, that a breaker kept.
        waited_s: Time that was spent waiting for a provider, pauses between tries included.
        left_out: Fields of the request that the model's wire has no words for.
        why: Why this target was asked, where that was not plain.
        limits: What is left of the caller's budgets, as headers.
        release: What answered a call of a use case, with its arm.
        when_whole: To be done once the whole answer has passed every step, guards among them.
    """

    provider: str | None = None
    model: str | None = None
    attempts: int = 0
    tries: list[ModelTry] = field(default_factory=list)
    waited_s: float = 0.0
    left_out: Sequence[str] = ()
    why: Sequence[str] = ()
    limits: dict[str, str] = field(default_factory=dict)
    release: str | None = None
    release_id: str | None = None
    arm: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)
    when_whole: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Tries that were left on their way, or given up as slow: nobody knows what they took."""
        return sum(one.outcome in _LEFT for one in self.tries)

    @property
    def is_paid(self) -> bool:
        """Whether a model has answered, or may have begun to."""
        return any(one.outcome in ("answered", *_LEFT) for one in self.tries)


class _Begun(NamedTuple):
    """An answer whose first piece is there."""

    target: ModelTarget
    tried: ModelTry
    first: AnswerEvent
    rest: AsyncGenerator[AnswerEvent, None]


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
    asking = _Asking(request, targets, route, served=served, pace=pace)
    try:
        begun = await asking.answer()
    finally:
        served.waited_s += monotonic() - asking.started
    served.provider, served.model = begun.target.provider, begun.target.model
    served.left_out = begun.target.upstream.unsaid(request)
    begun.tried.outcome = "answered"
    served.why = [*served.why, *_why(served.tries, begun.tried)]
    async with aclosing(begun.rest):
        yield begun.first
        waiting = monotonic()
        rest = begun.rest if route.total_s is None else _ending(begun.rest, route, asking.started)
        async for event in rest:
            served.waited_s += monotonic() - waiting
            yield event
            waiting = monotonic()


def _why(tries: Sequence[ModelTry], winner: ModelTry) -> list[str]:
    """What was asked before the one that answered, and what came of it."""
    others = [one for one in tries if one is not winner and one.target != winner.target]
    said = [f"after {one.target}: {one.outcome}" for one in others if one.outcome != "cancelled"]
    if winner.is_hedge:
        said += [f"hedge, before {one.target}" for one in others if one.outcome == "cancelled"]
    return list(dict.fromkeys(said))


class _Asking:
    """One call on its way through the targets of its route."""

    def __init__(
        self,
        request: ModelRequest,
        targets: Sequence[ModelTarget],
        route: ModelRoute,
        *,
        served: ServedBy,
        pace: Pace,
    ) -> None:
        self._request, self._route, self._served, self._pace = request, route, served, pace
        self._left = deque(targets)
        self.started = monotonic()
        self._deadline = self.started + min(route.deadline_s, route.total_s or route.deadline_s)

    async def answer(self) -> _Begun:
        """The first answer that begins.

        Raises:
            LinesideError: None does.
        """
        if self._route.hedge_after_s is None:
            return await self._begin(self._left.popleft())
        return await hedged(
            lambda: self._begin(self._left.popleft()),
            lambda: self._begin(self._left.popleft(), is_hedge=True) if self._left else None,
            after_s=self._route.hedge_after_s,
            is_final=lambda error: error.code not in self._route.fall_back_on,
            drop=lambda begun: begun.rest.aclose(),
        )

    async def _begin(self, target: ModelTarget, *, is_hedge: bool = False) -> _Begun:
        """Ask a target, then those that nobody has asked yet, until one begins to answer."""
        while True:
            try:
                return await self._try(target, is_hedge=is_hedge)
            except LinesideError as error:
                is_hopeful = error.code in self._route.fall_back_on
                if not is_hopeful or not self._left or monotonic() > self._deadline:
                    raise
            target = self._left.popleft()

    async def _try(self, target: ModelTarget, *, is_hedge: bool) -> _Begun:
        """Ask one target, and again after failures that may pass."""
        route, pace = self._route, self._pace
        for retry in range(route.retries_max + 1):
            try:
                return await self._ask(target, is_hedge=is_hedge)
            except Passing as error:
                wait_s = pace.wait_s(retry, asked_s=error.asked_s)
                is_hopeless = error.code == "breaker_open" or wait_s > pace.retry_after_max_s
                is_late = monotonic() + wait_s > self._deadline
                if is_hopeless or is_late or retry == route.retries_max:
                    seconds, wait_max_s = monotonic() - self.started, pace.retry_after_max_s
                    raise given_up(
                        error, tries=retry + 1, seconds=seconds, wait_max_s=wait_max_s
                    ) from None
                await asyncio.sleep(wait_s)
        raise AssertionError("the last retry returns or raises")

    async def _ask(self, target: ModelTarget, *, is_hedge: bool) -> _Begun:
        begun_at, is_stream = monotonic(), bool(self._request.is_stream)
        tried = ModelTry(target.name, is_hedge=is_hedge, begun_ms=(begun_at - self.started) * 1000)
        self._served.tries.append(tried)
        answer = _attempt(self._request, target, self._served)
        try:
            first = await self._first(target, answer)
        except LinesideError as error:
            tried.outcome = error.code
            if target.latency and isinstance(error, Unavailable):
                target.latency.failed()
            raise
        except asyncio.CancelledError:
            if target.latency:
                target.latency.left(monotonic() - begun_at, is_stream=is_stream)
            raise
        finally:
            tried.waited_ms = (monotonic() - begun_at) * 1000
        if target.latency:
            target.latency.answered(tried.waited_ms / 1000, is_stream=is_stream)
        return _Begun(target, tried, first, answer)

    async def _first(
        self, target: ModelTarget, answer: AsyncGenerator[AnswerEvent, None]
    ) -> AnswerEvent:
        left_s, limit_s = self._deadline - monotonic(), self._route.first_token_s
        is_hasty = limit_s is not None and bool(self._request.is_stream) and limit_s < left_s
        try:
            async with asyncio.timeout(limit_s if is_hasty else max(0.0, left_s)):
                return await anext(answer)
        except TimeoutError:
            if is_hasty and limit_s is not None:
                if target.breaker:
                    target.breaker.failed()
                raise slow(f"`{target.name}`", limit_s, "first piece of an answer") from None
            where, deadline_s = "`, `".join(self._route.names), self._deadline - self.started
            raise slow(f"`{where}`", deadline_s, "answer") from None


async def _ending(
    events: AsyncGenerator[AnswerEvent, None], route: ModelRoute, started: float
) -> AsyncGenerator[AnswerEvent, None]:
    """The events, as long as the whole answer is in time."""
    assert route.total_s is not None  # noqa: S101 # who calls has looked
    while True:
        try:
            async with asyncio.timeout(max(0.0, started + route.total_s - monotonic())):
                event = await anext(events)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise slow(
                "`" + "`, `".join(route.names) + "`", route.total_s, "whole answer"
            ) from None
        yield event


async def _attempt(
    request: ModelRequest, target: ModelTarget, served: ServedBy
) -> AsyncGenerator[AnswerEvent, None]:
    breaker = target.breaker
    is_trying = breaker.check() if breaker else False
    served.provider, served.model = target.provider, target.model
    served.attempts += 1
    events = target.upstream.events(request.model_copy(update={"model": target.model}))
    is_answering = False
    try:
        async with aclosing(events):
            async for event in events:
                if breaker and not is_answering:
                    is_trying, is_answering = False, True
                    breaker.succeeded()
                yield event
    except Unavailable as error:
        if breaker and error.code not in _UP_ALL_THE_SAME:
            is_trying = False
            breaker.failed()
        raise
    finally:
        if breaker and is_trying:
            breaker.left()
