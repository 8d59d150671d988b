"""The one way to a model: names become targets, steps stand around the call, events come out."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lineside.core import NotFound, did_you_mean
from lineside.gateway.calls.breaker import Breaker
from lineside.gateway.calls.route import ModelRoute, ModelTarget, ServedBy, ask_in_turn
from lineside.gateway.calls.settings import open_upstreams, read_settings
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.retry import Pace


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
    cache_s: int | None = None
    cache_similarity_min: float = 0.0
    served: ServedBy = field(default_factory=ServedBy)

    def asking(self, request: ModelRequest) -> "ModelCall":
        """The same call with another request, such as one with names masked."""
        return replace(self, request=request)


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


class Gateway:
    """Knows every provider and route. One per process.

    Args:
        path: Of `gateway.yaml`; it need not be there.

    Raises:
        Invalid: The file does not fit.
    """

    def __init__(self, path: Path, *, pace: Pace | None = None) -> None:
        self._settings = read_settings(path)
        self._pace = pace or Pace()
        self._upstreams = open_upstreams(self._settings, path.parent)
        self._breakers = {name: Breaker(f"`{name}`") for name in self._upstreams}

    def knows(self, model: str) -> bool:
        """Whether a name is a route or a `provider/model`, and not a use case."""
        return model in self._settings.routes or model.partition("/")[0] in self._upstreams

    def names(self) -> list[str]:
        """What `/v1/models` shows: routes, and the models that the settings name."""
        named = [
            f"{provider}/{model}"
            for provider, endpoint in self._settings.providers.items()
            for model in endpoint.models
        ]
        return [*self._settings.routes, *named]

    def events(self, call: ModelCall) -> Events:
        """Answer a call by the model or route it names; see `ask_in_turn`."""
        route = self.route(call.request.model)
        targets = [self.target(name) for name in route.targets]
        return ask_in_turn(call.request, targets, route, served=call.served, pace=self._pace)

    def route(self, model: str) -> ModelRoute:
        """The route of that name; a `provider/model` is a route of its own."""
        named = self._settings.routes.get(model)
        if named is not None:
            return named
        provider = self.at_address(model.partition("/")[0])
        cache_s = provider.endpoint.cache_s if provider else 0
        return ModelRoute.model_validate({"targets": (model,), "cache_s": cache_s})

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
        return ModelTarget(provider, model, upstream, self._breakers[provider])

    async def close(self) -> None:
        """Give back connections."""
        for upstream in self._upstreams.values():
            await upstream.close()

    def at_address(self, provider: str) -> HttpUpstream | None:
        """The provider of that name where it is reached over HTTP."""
        upstream = self._upstreams.get(provider)
        return upstream if isinstance(upstream, HttpUpstream) else None
