"""What one model costs, whoever says so, and what a call comes to at that price. Pure."""

from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import Field

from lineside.core import Record

_MILLION = 1_000_000

Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Rates(Record):
    """US dollars per million tokens, and per request.

    Attributes:
        input: For tokens read; nothing where only requests are paid.
        output: For tokens written; nothing where the model writes none, as an embedding.
        cached: For tokens read from the provider's cache; as `input` where nothing is said.
        cache_write: For tokens written into that cache; as `input` where nothing is said.
        reasoning: For tokens spent on thinking; as `output` where nothing is said.
        request_usd: For each call, whatever its tokens.
    """

    input: Dollars | None = None
    output: Dollars | None = None
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    reasoning: Dollars | None = None
    request_usd: Dollars = 0.0


class Usage(NamedTuple):
    """What a call used, as its span says.

    Attributes:
        provider: OpenTelemetry's name, such as `openai` or `aws.bedrock`.
        at: When the call began.
        tokens_in: Tokens read, cached ones included; nothing means not counted.
        tokens_out: Tokens written, reasoning included.
        service_tier: Such as `flex` or `priority`, where the provider said which it was.
    """

    provider: str | None
    model: str | None
    at: datetime
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached_in: int | None = None
    tokens_cache_written_in: int | None = None
    tokens_reasoning_out: int | None = None
    service_tier: str | None = None


class Priced(NamedTuple):
    """What a call cost, and which table says so, such as `own 2026-01-01`."""

    usd: float
    source: str


class Unpriced(NamedTuple):
    """That the cost of a call is unknown, and why: a key of `REASONS`."""

    reason: str


REASONS = {
    "no_model": "the step names no model",
    "no_tokens": "its tokens were not counted, or only in part",
    "broken_tokens": "its token counts contradict each other",
    "unknown_provider": "no price table knows the provider",
    "ambiguous_provider": "the provider is not named, and several sell such a model",
    "unknown_model": "no price table knows the model at this provider",
    "unknown_tier": "no price table knows the service tier of this model at that time",
    "not_by_token": "the model is not paid by the token",
    "by_media": "its price depends on whether its tokens are text, sound or pictures",
    "by_request": "each request is paid as well, and how much the step does not say",
    "no_output_price": "the model has no price for tokens that it writes",
}


class Listing:
    """A price as a table has it.

    Attributes:
        source: Name of the table with its version or date.
        model: Name under which the table has the model.
        steps: Each price with the number of tokens read above which it holds for the whole call,
            the largest first; the last one holds from 0.
        has_hours: Whether the price depends on the time of the day.
    """

    __slots__ = ("_per_token", "has_hours", "model", "source", "steps")

    def __init__(
        self,
        source: str,
        model: str,
        steps: tuple[tuple[int, Rates], ...],
        *,
        has_hours: bool = False,
    ) -> None:
        self.source = source
        self.model = model
        self.steps = steps
        self.has_hours = has_hours
        # Thousands of calls a second are priced; what can be said before the first is said here.
        self._per_token = tuple((above, *_per_token(rates)) for above, rates in steps)

    def price(self, usage: Usage) -> Priced | Unpriced:
        """What the call comes to; cached, written and thinking tokens are each counted once."""
        _, _, _, tokens_in, tokens_out, cached, written, reasoning, _ = usage
        if not tokens_in and not tokens_out:
            return _NO_TOKENS
        for step in self._per_token:
            if (tokens_in or 0) > step[0]:
                break
        _, per_in, per_out, per_cached, per_written, per_thought, request_usd = step
        if tokens_out is None and per_out is None:
            tokens_out = 0  # an embedding writes nothing, and most that record one do not say so
        if tokens_in is None or tokens_out is None:
            return _NO_TOKENS
        if per_out is None:
            if tokens_out:
                return Unpriced("no_output_price")
            per_out = per_thought = 0.0
        cached, written, reasoning = cached or 0, written or 0, reasoning or 0
        plain_in, plain_out = tokens_in - cached - written, tokens_out - reasoning
        if plain_in < 0 or (plain_out < 0 and per_thought != per_out):
            return Unpriced("broken_tokens")
        usd = (
            plain_in * per_in
            + cached * per_cached
            + written * per_written
            + plain_out * per_out
            + reasoning * per_thought
        )
        return Priced(usd + request_usd, self.source)


_NO_TOKENS = Unpriced("no_tokens")


def _per_token(rates: Rates) -> tuple[float, float | None, float, float, float, float]:
    """Input, output, cached, cache write, reasoning, per token; and the price of a request."""
    per_in = rates.input or 0.0
    told = (
        per_in,
        per_in if rates.cached is None else rates.cached,
        per_in if rates.cache_write is None else rates.cache_write,
        (rates.output or 0.0) if rates.reasoning is None else rates.reasoning,
    )
    plain, cached, written, thought = (dollars / _MILLION for dollars in told)
    per_out = None if rates.output is None else rates.output / _MILLION
    return plain, per_out, cached, written, thought, rates.request_usd
