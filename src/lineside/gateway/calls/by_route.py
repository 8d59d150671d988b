"""What is not answered in words, asked by the rules of a route all the same: vectors and counts."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Generic, TypeVar

from lineside.gateway.calls.gateway import Gateway, ModelCall
from lineside.gateway.calls.route import ModelTarget
from lineside.gateway.canonical.events import AnswerEnded, AnswerEvent, AnswerStarted
from lineside.gateway.canonical.request import ModelRequest

Answer = TypeVar("Answer")


class _Answering(Generic[Answer]):
    """A target as one that answers in events, so that retries and stand-ins see no difference."""

    def __init__(
        self, target: ModelTarget, ask: Callable[[ModelTarget], Awaitable[Answer]]
    ) -> None:
        self._target, self._ask = target, ask
        self.answers: list[Answer] = []

    async def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Upstream`; what was answered is kept beside."""
        self.answers.append(await self._ask(self._target))
        yield AnswerStarted(wire="lineside", model=request.model)
        yield AnswerEnded()

    def unsaid(self, request: ModelRequest) -> list[str]:  # noqa: ARG002 # asked of every provider
        """None: it is written by whoever asks."""
        return []

    async def close(self) -> None:
        """Do nothing: the connections are the provider's."""


async def ask_by_route(
    gateway: Gateway,
    call: ModelCall,
    ask: Callable[[ModelTarget], Awaitable[Answer]],
    *,
    can: Callable[[ModelTarget], bool],
) -> Answer:
    """Ask the targets of the call's route as its rules say, those that can answer at all.

    Args:
        can: Whether a target has such answers. Others are passed over; where all are, the first is
            asked, to say so itself.

    Raises:
        LinesideError: Of the last target that was asked.
    """
    route = gateway.route(call.request.model)
    targets = [gateway.target(name) for name in route.names]
    able = [target for target in targets if can(target)]
    if not able:
        return await ask(targets[0])
    names = [target.name for target in able]
    answering = {target.name: _Answering(target, ask) for target in able}
    left = tuple(one for one in route.targets if one.model in names)
    # How long words take says nothing of these, and the other way round.
    asked = [replace(one, upstream=answering[one.name], latency=None) for one in able]
    events = gateway.asked(call, route.model_copy(update={"targets": left}), asked)
    async with aclosing(events):
        async for _ in events:
            pass
    unable = [target.name for target in targets if target.name not in names]
    served = call.served
    served.why = [*served.why, *(f"unable: {name}" for name in unable)]
    return answering[f"{served.provider}/{served.model}"].answers[-1]
