"""A model that keeps failing is left alone for a while."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from lineside.core import Denied, LinesideError, Unavailable
from lineside.gateway.calls.asking import ServedBy, ask_in_turn
from lineside.gateway.calls.breaker import Breaker, Breakers
from lineside.gateway.calls.failures import Passing
from lineside.gateway.calls.route import ModelRoute, ModelTarget
from lineside.gateway.canonical.events import AnswerEnded, AnswerEvent, AnswerStarted
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.retry import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_and_lets_one_call_try_again() -> None:
    clock = Clock()
    breaker = Breaker("`local`", clock=clock)
    for _ in range(5):
        breaker.check()
        breaker.failed()

    with pytest.raises(Unavailable, match="left alone for another 10 s"):
        breaker.check()
    clock.now = 10.5
    breaker.check()
    with pytest.raises(Unavailable):
        breaker.check()  # a second one waits for what the first finds
    breaker.succeeded()
    breaker.check()


def test_a_few_failures_among_many_answers_do_not_open_it() -> None:
    breaker = Breaker("`local`", clock=Clock())
    for _ in range(10):
        breaker.succeeded()
    for _ in range(6):
        breaker.failed()

    breaker.check()


def test_one_that_was_left_while_it_tried_lets_the_next_one_try() -> None:
    clock = Clock()
    breaker = Breaker("`local/m`", clock=clock)
    for _ in range(5):
        breaker.failed()
    clock.now = 10.5
    assert breaker.check()
    breaker.left()

    assert breaker.check()
    breaker.failed()
    with pytest.raises(Unavailable, match="left alone for another 10 s"):
        breaker.check()


class FakeUpstream:
    """Answers in two pieces, or fails as it is told to."""

    def __init__(self) -> None:
        self.failure: LinesideError | None = None

    async def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        if self.failure:
            raise self.failure
        yield AnswerStarted(wire="chat", model=request.model)
        yield AnswerEnded()

    def unsaid(self, _request: ModelRequest) -> list[str]:
        return []

    async def close(self) -> None:
        pass


async def begun(target: ModelTarget) -> None:
    """Ask a target, and go away after its first piece."""
    route = ModelRoute.model_validate({"targets": [target.name], "retries_max": 0})
    request = ModelRequest(wire="chat", model=target.name, turns=())
    events = ask_in_turn(request, [target], route, served=ServedBy(), pace=Pace())
    async with aclosing(events):
        async for _ in events:
            break


async def test_a_model_that_is_asked_too_often_is_not_left_alone_and_closes_no_other_door() -> None:
    upstream, breakers, clock = FakeUpstream(), Breakers(), Clock()
    sick, well = [ModelTarget("p", name, upstream, breakers.of(f"p/{name}")) for name in "ab"]
    upstream.failure = Passing("model_rate_limited", "too often")
    for _ in range(8):
        with pytest.raises(Unavailable, match="too often"):
            await begun(sick)
    upstream.failure = Passing("model_failed", "status 500")
    for _ in range(5):
        with pytest.raises(Unavailable, match="status 500"):
            await begun(sick)
    with pytest.raises(Unavailable, match="`p/a` keeps failing"):
        await begun(sick)

    upstream.failure = None
    await begun(well)
    assert sick.breaker
    sick.breaker._clock = clock
    clock.now = 1e12
    upstream.failure = Denied("model_key_missing", "no key")
    with pytest.raises(Denied):
        await begun(sick)  # tells nothing of the model
    upstream.failure = None
    await begun(sick)  # its first piece came, so that it is well
    await begun(sick)
