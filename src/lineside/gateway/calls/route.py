"""What a name of one's own stands for: which models, in what order, within what limits."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lineside.core import Record
from lineside.gateway.calls.breaker import Breaker
from lineside.gateway.calls.endpoint import CacheSeconds, Seconds
from lineside.gateway.calls.failures import FALL_BACK_ON
from lineside.gateway.calls.latency import Latency
from lineside.gateway.calls.upstream import Upstream


class RouteTarget(Record):
    """A model on a route; in the file its name alone will do.

    Attributes:
        model: As `provider/model`.
        weight: Its share where the order is `weighted`, beside 1 for each that names none; with 0
            it is asked only after all others failed.
        context_tokens: Longest question with its answer, in tokens; a request that is estimated
            to be longer skips it.
    """

    model: str
    weight: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    context_tokens: Annotated[int, Field(gt=0)] | None = None

    @property
    def share(self) -> float:
        """The weight, or what stands in for one."""
        return 1.0 if self.weight is None else self.weight


def _named(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


Nearness = Annotated[float, Field(ge=0.8, le=1)]
SEMANTIC_SIMILARITY_MIN = 0.97
"""Chosen on Banking77's training messages. Of others, one hit in fifty then answered another
question; see `benchmarks/semantic_cache.py`."""


class ModelRoute(Record):
    """A name of one's own for models that stand in for each other.

    Attributes:
        targets: Names of models, or names with their limits; the first first.
        order: Which is asked first: as `given`, drawn by weight, the quickest as this process
            measured it, or the cheapest by the price table.
        sticky: Calls that say the same session, or user, are drawn alike, in every replica.
        hedge_after_s: Seconds of silence after which the next target is asked as well.
        retries_max: Further tries of one target after a failure that may pass.
        first_token_s: Longest wait of one try for the first piece of a streamed answer.
        deadline_s: Longest time until the first piece of an answer, over all tries.
        total_s: Longest time until the end of an answer, over all tries.
        fall_back_on: Codes of failures after which the next target is asked.
        cache_s: Seconds for which the same question gets the same answer without asking anew.
        semantic_cache: Also answer a question from one that is only like it in its last words. Such
            an answer may be to another question; the answer says that it is one.
        semantic_similarity_min: How near two questions must be, as a cosine of word vectors.
    """

    targets: tuple[Annotated[RouteTarget, BeforeValidator(_named)], ...] = Field(
        min_length=1, max_length=16
    )
    order: Literal["given", "weighted", "least_latency", "cheapest"] = "given"
    sticky: Literal["session", "user"] | None = None
    hedge_after_s: Seconds | None = None
    retries_max: int = Field(2, ge=0, le=20)
    first_token_s: Seconds | None = None
    deadline_s: Seconds = 600.0
    total_s: Seconds | None = None
    fall_back_on: tuple[str, ...] = FALL_BACK_ON
    cache_s: CacheSeconds = 0
    semantic_cache: bool = False
    semantic_similarity_min: Nearness = SEMANTIC_SIMILARITY_MIN

    @model_validator(mode="after")
    def _heeds_all_it_says(self) -> "ModelRoute":
        """Refuse what would be read and then not heeded."""
        if self.order != "weighted":
            if any(one.weight is not None for one in self.targets):
                raise ValueError("a `weight` counts only with `order: weighted`")
            if self.sticky:
                raise ValueError("`sticky` counts only with `order: weighted`")
        if self.hedge_after_s is not None and len(self.targets) == 1:
            raise ValueError("`hedge_after_s` needs a second target to ask")
        if self.semantic_cache and not self.cache_s:
            raise ValueError("`semantic_cache` needs `cache_s`: for how long answers are kept")
        if len(set(self.names)) < len(self.targets):
            raise ValueError("a target is named twice; `retries_max` says how often one is asked")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The targets' names as the route has them."""
        return tuple(one.model for one in self.targets)

    @property
    def asks_max(self) -> int:
        """How many targets may be asked at once."""
        return 1 if self.hedge_after_s is None else 2

    @property
    def is_ranked(self) -> bool:
        """Whether the order or the number of the targets depends on the call."""
        return self.order != "given" or any(one.context_tokens for one in self.targets)


@dataclass(frozen=True)
class ModelTarget:
    """A model at a provider, ready to be asked."""

    provider: str
    model: str
    upstream: Upstream
    breaker: Breaker | None = None
    latency: Latency | None = None

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"
