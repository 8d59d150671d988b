"""The one way to a model: names become targets, steps stand around the call, events come out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from lineside.core import NotFound, did_you_mean, now
from lineside.gateway.calls.asking import ServedBy, ask_in_turn
from lineside.gateway.calls.breaker import Breakers
from lineside.gateway.calls.endpoint import Endpoint
from lineside.gateway.calls.gguf import LOCAL
from lineside.gateway.calls.latency import Latency
from lineside.gateway.calls.litellm import LitellmProvider
from lineside.gateway.calls.order import Price, rank
from lineside.gateway.calls.route import ModelRoute, ModelTarget
from lineside.gateway.calls.settings import open_upstreams, read_settings
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.retry import Pace
from lineside.traces import prices


@dataclass(frozen=True)
class ModelCall:
    """One call on its way, as every step sees it.

    Attributes:
        workspace: Where it is made, by `actor`.
        key: Id of the API key it is made with, or `owner`; `team` is the key's.
        wants: Words, vectors of the turns, or the count of their tokens.
        use_case: Set where the model asked for is a use case.
        cache_s: For how many seconds the caller takes an answer that was given before; nothing
            leaves it to the route.
        cache_similarity_min: How near a question must be for the caller to take its answer; a route
            may ask for more. 1: only the same.
        traceparent: The call's own step, for the provider to hang its steps below.
        served: Filled in while the call is answered.
    """

    request: ModelRequest
    workspace: str
    actor: str
    key: str
    team: str | None = None
    wants: "Wants" = "words"
    use_case: str | None = None
    session: str | None = None
    user: str | None = None
    trace_id: str = ""
    traceparent: str | None = None
    cache_s: int | None = None
    cache_similarity_min: float = 0.0
    served: ServedBy = field(default_factory=ServedBy)

    def asking(self, request: ModelRequest) -> "ModelCall":
        """The same call with another request, such as one with names masked."""
        if request is self.request:
            return self
        return replace(self, request=request)

    @property
    def sent(self) -> ModelRequest:
        """The request as it goes out, with its place in the trace."""
        if self.traceparent is None:
            return self.request
        return self.request.model_copy(update={"traceparent": self.traceparent})


Wants = Literal["words", "vectors", "count"]
Events = AsyncGenerator[AnswerEvent, None]
Proceed = Callable[[ModelCall], Events]
CallStep = Callable[[ModelCall, Proceed], Events]
"""What stands around a call: a guard, a budget, a cache. It sees the request before the model does
and every event before the caller does, streamed or not; there is no way past it."""


def with_steps(steps: Sequence[CallStep], last: Proceed) -> Proceed:
    """Put steps around a call, the first outermost."""
    for step in reversed(steps):
        last = _around(step, last)
    return last


def _around(step: CallStep, proceed: Proceed) -> Proceed:
    return lambda call: step(call, proceed)


@lru_cache(maxsize=1_000)
def _route_of_one(model: str, cache_s: int) -> ModelRoute:
    return ModelRoute.model_validate({"targets": (model,), "cache_s": cache_s})


def _subject(call: ModelCall, route: ModelRoute) -> str | None:
    """Whom a sticky route keeps to one target; those of two workspaces are two."""
    said = call.session if route.sticky == "session" else call.user
    return f"{call.workspace} {said}" if said else None


def _no_price(target: ModelTarget, tokens_in: int, tokens_out: int) -> None:
    """Where no price table is at hand."""


class Gateway:
    """Knows every provider and route. One per process.

    Args:
        path: Of `gateway.yaml`; it need not be there.
        price_tables: What a route that asks the cheapest first goes by; without, no price is known.
        routes: In place of those that the file names, such as those a release was judged with.

    Raises:
        Invalid: The file does not fit.
    """

    def __init__(
        self,
        path: Path,
        *,
        pace: Pace | None = None,
        price_tables: prices.PriceTables | None = None,
        routes: Mapping[str, ModelRoute] | None = None,
    ) -> None:
        self._settings = read_settings(path)
        if routes is not None:
            self._settings = self._settings.model_copy(update={"routes": dict(routes)})
        self._pace = pace or Pace()
        self._price_tables = price_tables
        self._upstreams = open_upstreams(self._settings, path.parent)
        self._breakers = Breakers()
        # Of what the file names and nothing else: a caller's own words must not fill the memory.
        self._latencies = {
            name: Latency() for route in self._settings.routes.values() for name in route.names
        }

    def knows(self, model: str) -> bool:
        """Whether a name is a route or a `provider/model`, and not a use case."""
        return model in self._settings.routes or model.partition("/")[0] in self._upstreams

    def names(self) -> list[str]:
        """What `/v1/models` shows: routes, and the models that the settings name."""
        named = [
            f"{provider}/{model}"
            for provider, endpoint in self._named().items()
            for model in endpoint.models
        ]
        local = [f"{LOCAL}/{model}" for model in self._settings.gguf]
        return [*self._settings.routes, *named, *local]

    def _named(self) -> dict[str, Endpoint | LitellmProvider]:
        return {**self._settings.providers, **self._settings.litellm}

    def events(self, call: ModelCall) -> Events:
        """Answer a call by the model or route it names; see `ask_in_turn`."""
        route = self.route(call.request.model)
        return self.asked(call, route, [self.target(name) for name in route.names])

    def asked(self, call: ModelCall, route: ModelRoute, targets: Sequence[ModelTarget]) -> Events:
        """Answer a call by these targets of a route, in the order that it asks for."""
        if route.is_ranked:
            return self._ranked(call, route, targets)
        return ask_in_turn(call.sent, targets, route, served=call.served, pace=self._pace)

    async def _ranked(
        self, call: ModelCall, route: ModelRoute, targets: Sequence[ModelTarget]
    ) -> Events:
        ranking = partial(rank, route, targets, call.request, subject=_subject(call, route))
        if route.order == "cheapest":
            # Prices may have to be read from the database, and the base table from its file.
            ranked = await asyncio.to_thread(lambda: ranking(price=self._price(call)))
        else:
            ranked = ranking(price=_no_price)
        skipped = [f"context_tokens skipped {name}" for name in ranked.skipped]
        call.served.why = [*([ranked.why] if ranked.why else []), *skipped]
        events = ask_in_turn(call.sent, ranked.targets, route, served=call.served, pace=self._pace)
        async with aclosing(events):
            async for event in events:
                yield event

    def _price(self, call: ModelCall) -> Price:
        if self._price_tables is None:
            return _no_price
        table, at = self._price_tables.of(call.workspace), now()
        tier = call.request.extras.get("service_tier")

        def price(target: ModelTarget, tokens_in: int, tokens_out: int) -> float | None:
            usage = prices.Usage(
                target.provider,
                target.model,
                at,
                tokens_in,
                tokens_out,
                service_tier=str(tier) if tier else None,
            )
            found = table.price(usage)
            return found.usd if isinstance(found, prices.Priced) else None

        return price

    def route(self, model: str) -> ModelRoute:
        """The route of that name; a `provider/model` is a route of its own."""
        named = self._settings.routes.get(model)
        if named is not None:
            return named
        provider = self._named().get(model.partition("/")[0])
        return _route_of_one(model, provider.cache_s if provider else 0)

    def target(self, name: str) -> ModelTarget:
        """A provider and its model.

        Raises:
            NotFound: There is no such provider.
        """
        provider, slash, model = name.partition("/")
        upstream = self._upstreams.get(provider)
        if upstream is None or not slash or not model:
            near = did_you_mean(name, self.names()) or did_you_mean(provider, self._upstreams)
            known = ", ".join(f"`{word}/…`" for word in self._upstreams)
            raise NotFound(
                "unknown_model",
                f"`{name[:80]}` is neither a use case nor a model of a known provider",
                hint=f"Did you mean `{near}`?" if near else f"Providers: {known}.",
            )
        breaker, latency = self._breakers.of(name), self._latencies.get(name)
        return ModelTarget(provider, model, upstream, breaker, latency)

    async def close(self) -> None:
        """Give back connections."""
        for upstream in self._upstreams.values():
            await upstream.close()

    def at_addresses(self) -> dict[str, HttpUpstream]:
        """Every provider that is reached over HTTP, by name."""
        found = self._upstreams.items()
        return {name: one for name, one in found if isinstance(one, HttpUpstream)}

    def at_address(self, provider: str) -> HttpUpstream | None:
        """The provider of that name where it is reached over HTTP."""
        upstream = self._upstreams.get(provider)
        return upstream if isinstance(upstream, HttpUpstream) else None
