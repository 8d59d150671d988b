"""The most that a call can come to, said before it is made. Pure but for the price table.

A token of every tokenizer in use stands for at least one byte of text, so that the bytes of a
request are never fewer than its tokens. That is about four times too many for English; it is held
only while the call is under way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from lineside.core import Invalid, LinesideError
from lineside.gateway.budgets.cap import NANO
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.wires.messages_request import EFFORT_TOKENS
from lineside.traces import prices

ANSWER_TOKENS = 4_096
"""Tokens an answer may have where the caller names no limit, under a limit of tokens or money."""

CUT_TOKENS_MIN = 16
"""An answer is not begun for fewer; one wire takes no lower limit."""

_IMAGE_TOKENS = 40_000
_FILE_TOKENS = 5_000
_FRAME_TOKENS = 1_000
_REACHES_OUT = ("web_search_options", "mcp_servers", "container", "prompt", "conversation")
_NANO_PER_MILLION = NANO // 1_000_000


class Dearest(NamedTuple):
    """Billionths of a dollar a call can cost at most, per token and in itself."""

    token_in: float
    token_out: float
    request: float


@dataclass(frozen=True)
class Bound:
    """What a call can take at most.

    Attributes:
        tokens_out: Over all answers given side by side.
        tokens_out_min: Fewer make no sense to ask for; the same as `tokens_out` where the answer
            cannot be made shorter.
        choices: Answers given side by side, by every model that is asked.
        asks: Models that may be asked at once for one answer; what each can take counts.
        dearest: Nothing where the price is unknown; then `unpriced` says why.
        endless: Why its tokens cannot be told ahead, if they cannot.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_out_min: int = 0
    choices: int = 1
    asks: int = 1
    dearest: Dearest | None = None
    unpriced: LinesideError | None = None
    endless: LinesideError | None = None

    def nano_usd(self, tokens_out: int) -> int:
        """The most it costs with an answer of so many tokens, rounded up."""
        assert self.dearest is not None  # noqa: S101 # who asks has looked
        per_in, per_out, request = self.dearest
        usd = self.tokens_in * per_in + tokens_out * per_out + request * self.asks
        return math.ceil(usd) + 1 if usd else 0

    def tokens_out_for(self, nano_usd: int) -> int:
        """The longest answer that so much money pays for; below 0 where not even the question."""
        assert self.dearest is not None  # noqa: S101 # who asks has looked
        left = nano_usd - self.nano_usd(0) - 1
        if left < 0:
            return self.tokens_out if self.nano_usd(self.tokens_out) <= nano_usd else -1
        return int(left // self.dearest.token_out) if self.dearest.token_out else self.tokens_out


FREE = Bound(dearest=Dearest(0, 0, 0))
"""A call that reads and writes no tokens anybody is paid for."""


def bound_of_words(
    request: ModelRequest,
    targets: Sequence[tuple[str, str]],
    table: prices.PriceTable,
    at: datetime,
    *,
    asks: int = 1,
) -> Bound:
    """The most that an answer in words can come to, whichever of the targets gives it.

    Args:
        targets: Provider and model of each.
        asks: Targets that may be asked at once.
    """
    choices = max(1, request.choices_wanted or 1)
    thoughts = request.reasoning_tokens_max
    if thoughts is None:
        thoughts = EFFORT_TOKENS.get(request.reasoning_effort or "", 0)
    wanted = request.tokens_out_max or ANSWER_TOKENS
    if thoughts > 0:
        wanted = max(wanted, thoughts + ANSWER_TOKENS)
    shortest = wanted if thoughts > 0 else min(wanted, CUT_TOKENS_MIN)
    tokens_in = request_tokens(request)
    tier = request.extras.get("service_tier")
    found = dearest(targets, table, at, tokens_in=tokens_in, tier=str(tier) if tier else None)
    return Bound(
        tokens_in=tokens_in * asks,
        tokens_out=wanted * choices * asks,
        tokens_out_min=shortest * choices * asks,
        choices=choices * asks,
        asks=asks,
        dearest=found if isinstance(found, Dearest) else None,
        unpriced=found if isinstance(found, LinesideError) else None,
        endless=_endless(request),
    )


def bound_of_vectors(
    request: ModelRequest,
    targets: Sequence[tuple[str, str]],
    table: prices.PriceTable,
    at: datetime,
) -> Bound:
    """The most that vectors of texts can come to."""
    tokens_in = request_tokens(request)
    found = dearest(targets, table, at, tokens_in=tokens_in, writes=False)
    if isinstance(found, Dearest):
        return Bound(tokens_in=tokens_in, dearest=found)
    return Bound(tokens_in=tokens_in, unpriced=found)


def request_tokens(request: ModelRequest) -> int:
    """No fewer tokens than the request has."""
    inline = sum(len(part.data or "") for part in request.media if part.medium == "image")
    words = len(request.model_dump_json(exclude_defaults=True).encode()) - inline
    pictures = sum(
        _IMAGE_TOKENS if part.medium == "image" else _FILE_TOKENS for part in request.media
    )
    return max(0, words) + pictures + _FRAME_TOKENS


def dearest(
    targets: Sequence[tuple[str, str]],
    table: prices.PriceTable,
    at: datetime,
    *,
    tokens_in: int,
    tier: str | None = None,
    writes: bool = True,
) -> Dearest | LinesideError:
    """The highest price that any of the targets can ask, or that one of them has none."""
    top = Dearest(0, 0, 0)
    for provider, model in targets:
        usage = prices.Usage(provider or None, model, at, tokens_in, 0, service_tier=tier)
        listing = table.listing(usage)
        if isinstance(listing, prices.Unpriced):
            return unknown_price(provider, model, prices.REASONS[listing.reason])
        if writes and any(rates.output is None for _, rates in listing.steps):
            return unknown_price(provider, model, "what it writes has no price")
        top = Dearest(*map(max, top, _dearest(listing, tokens_in)))
    return top


def unknown_price(provider: str, model: str, why: str) -> LinesideError:
    """Say that a limit of money cannot hold for this model."""
    name = f"{provider}/{model}" if provider else model
    return Invalid(
        "price_unknown",
        f"`{name[:120]}` was not asked: a limit of money holds for this call, and what the model "
        f"costs is unknown ({why})",
        hint=f"Set it: `lineside prices set {model[:120]} --input USD --output USD`, in dollars "
        "per million tokens.",
    )


def _dearest(listing: prices.Listing, tokens_in: int) -> Dearest:
    """Prices change with how much is read; what is really read may be anything below the bound."""
    reached = [rates for above, rates in listing.steps if above < tokens_in]
    return Dearest(
        max(max(rate.input or 0, rate.cached or 0, rate.cache_write or 0) for rate in reached)
        * _NANO_PER_MILLION,
        max(max(rate.output or 0, rate.reasoning or 0) for rate in reached) * _NANO_PER_MILLION,
        max(rate.request_usd for rate in reached) * NANO,
    )


def _endless(request: ModelRequest) -> LinesideError | None:
    """Why nobody can say ahead how much this makes the model read."""
    hosted = next((tool.name for tool in request.tools if tool.hosted is not None), None)
    field = next((name for name in _REACHES_OUT if request.extras.get(name)), None)
    far = next((one for one in request.media if one.medium != "image" and not one.data), None)
    what = None
    if hosted:
        what = f"the tool `{hosted}` runs at the provider"
    elif field:
        what = f"`{field}` lets the provider add what it will"
    elif far is not None:
        what = f"a {far.medium} lies elsewhere, and how long it is cannot be seen"
    if what is None:
        return None
    return Invalid(
        "tokens_unbounded",
        f"The model was not asked: a limit of tokens or money holds for this call, and {what}",
        hint="Leave it out, send files by their bytes, or call with a key that only requests are "
        "limited for.",
    )
