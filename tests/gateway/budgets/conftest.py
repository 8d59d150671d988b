"""A model with a price behind the doors, and a workspace in which to limit it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from lineside.core import Settings
from lineside.gateway import budgets, calls, canonical
from lineside.store import Store, open_store
from lineside.traces import prices
from lineside.trust import Scope, local_scope

MODEL = "house/small"


@dataclass
class House:
    """A provider's model: 1 dollar per million tokens read, 2 per million written."""

    tokens_in: int = 5
    tokens_out: int = 10
    seconds: float = 0.0
    heeds: bool = True
    at_once: int = 1
    asked: list[canonical.ModelRequest] = field(default_factory=list)
    left: int = 0

    async def answer(self, call: calls.ModelCall) -> AsyncIterator[canonical.AnswerEvent]:
        self.asked.append(call.request)
        await asyncio.sleep(self.seconds)
        wanted = self.tokens_out
        if self.heeds and call.request.tokens_out_max is not None:
            wanted = min(wanted, call.request.tokens_out_max)
        call.served.provider, call.served.model = "house", "small"
        try:
            yield canonical.AnswerStarted(wire="lineside", model="small")
            yield canonical.PartStarted(at=0, part=canonical.TextPart(text=""))
            for first in range(0, wanted, self.at_once):
                count = min(self.at_once, wanted - first)
                sizes = (5,) * count if count > 1 else ()
                yield canonical.PartGrew(at=0, text="word " * count, sizes=sizes)
            yield canonical.PartEnded(at=0)
            yield canonical.ChoiceEnded(finish_reason="stop")
            counts = canonical.TokenCounts(tokens_in=self.tokens_in, tokens_out=wanted)
            yield canonical.TokensCounted(tokens=counts)
            yield canonical.AnswerEnded()
        finally:
            self.left += 1


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings)
    yield opened
    opened.close()


@pytest.fixture
def scope(store: Store) -> Scope:
    owner = local_scope(store)
    prices.set_price(owner, "small", rates=prices.Rates(input=1, output=2), provider="house")
    return owner


@pytest.fixture
def house() -> House:
    return House()


class Door:
    """Calls the house's model as a door does, through the step and nothing else."""

    def __init__(self, store: Store, house: House) -> None:
        target = SimpleNamespace(provider="house", model="small")
        self.route = SimpleNamespace(names=(MODEL,), asks_max=1)
        gateway: Any = SimpleNamespace(route=lambda _: self.route, target=lambda _: target)
        self.meter = budgets.Meter(store)
        self._open = calls.with_steps([budgets.metering(self.meter, gateway)], house.answer)

    def events(self, text: str = "Hello", **more: Any) -> calls.Events:
        who = {name: more.pop(name) for name in ("key", "team", "session") if name in more}
        turn = canonical.Turn(role="user", parts=(canonical.TextPart(text=text),))
        asked = canonical.ModelRequest(wire="chat", model=MODEL, turns=(turn,), **more)
        call = calls.ModelCall(asked, "default", "me", **({"key": budgets.OWNER} | who))
        self.served = call.served
        return self._open(call)

    async def answer(self, text: str = "Hello", **more: Any) -> canonical.ModelAnswer:
        assembly = canonical.Assembly()
        async for event in self.events(text, **more):
            assembly.add(event)
        return assembly.answer()


@pytest.fixture
async def door(scope: Scope, house: House) -> AsyncIterator[Door]:
    door = Door(scope.store, house)
    yield door
    await door.meter.close()
