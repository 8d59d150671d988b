"""The cost of a step, and whether its token counts hold together. Pure."""

from datetime import UTC, datetime
from typing import Any

import orjson

from lineside.traces.prices.rates import Priced, Usage
from lineside.traces.prices.table import PriceTable
from lineside.traces.span import Span

BY_SENDER = "sender"
_PAID = ("model", "embedding", "reranker")
_SERVICE_TIERS = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")


def price_span(span: Span, table: PriceTable) -> Span:
    """The same step with its cost and where that comes from; as it was where nobody knows."""
    cost = cost_of(span, table)
    if cost is None:
        return span
    return span.model_copy(update={"cost_usd": cost.usd, "cost_source": cost.source})


def cost_of(span: Span, table: PriceTable) -> Priced | None:
    """What a step cost; nothing where that is unknown.

    What a sender stated stays. Only steps that a provider is paid for get a cost: an agent's step
    counts the tokens of those below it once more.
    """
    if span.cost_usd is not None:
        return Priced(span.cost_usd, span.cost_source or BY_SENDER)
    if span.kind not in _PAID:
        return None
    priced = table.price(usage_of(span))
    return priced if isinstance(priced, Priced) else None


def price_row(row: dict[str, Any], table: PriceTable) -> None:
    """The same for a step as the lake keeps it, in place."""
    if row["cost_usd"] is not None:
        if row["mapping"]:
            row["cost_source"] = row["cost_source"] or BY_SENDER
        return
    if row["kind"] not in _PAID or (row["tokens_in"] is None and row["tokens_out"] is None):
        return
    raw = row["raw"]
    tier = _service_tier(orjson.loads(raw)) if raw and "service_tier" in raw else None
    at = datetime.fromisoformat(row["started_at"]).replace(tzinfo=UTC)
    usage = Usage(
        row["provider"],
        row["model"],
        at,
        row["tokens_in"],
        row["tokens_out"],
        row["tokens_cached_in"],
        row["tokens_cache_written_in"],
        row["tokens_reasoning_out"],
        tier,
    )
    priced = table.price(usage)
    if isinstance(priced, Priced):
        row["cost_usd"], row["cost_source"] = priced


def usage_of(span: Span) -> Usage:
    """What a step used, in the words of a price table."""
    return Usage(
        span.provider,
        span.model,
        span.started_at,
        span.tokens_in,
        span.tokens_out,
        span.tokens_cached_in,
        span.tokens_cache_written_in,
        span.tokens_reasoning_out,
        _service_tier(span.raw) if span.raw else None,
    )


def check_tokens(span: Span) -> list[str]:
    """Names of what does not hold among the token counts of a step; empty where all does.

    `cached_above_input`, `cache_above_input` (read and written together) and
    `reasoning_above_output`: a part is larger than its whole, so that there is no cost.
    `total_differs`: the sender's total is not input and output together.
    `uncached_only` and `reasoning_apart`: the sender left the part out of the whole; it was added,
    so that it counts once.
    """
    tokens_in, tokens_out = span.tokens_in, span.tokens_out
    cached, written = span.tokens_cached_in or 0, span.tokens_cache_written_in or 0
    broken = []
    if tokens_in is not None and cached > tokens_in:
        broken.append("cached_above_input")
    elif tokens_in is not None and cached + written > tokens_in:
        broken.append("cache_above_input")
    if tokens_out is not None and (span.tokens_reasoning_out or 0) > tokens_out:
        broken.append("reasoning_above_output")
    flags: dict[str, Any] = span.attributes
    if "tokens_total" in flags:
        broken.append("total_differs")
    broken += [flag for name in ("tokens", "tokens_out") if (flag := flags.get(name)) in _REPAIRED]
    return broken


_REPAIRED = ("uncached_only", "reasoning_apart")


def _service_tier(raw: dict[str, Any]) -> str | None:
    attributes = raw.get("attributes")
    if not isinstance(attributes, dict):
        return None
    for name in _SERVICE_TIERS:
        tier = attributes.get(name)
        if isinstance(tier, str):
            return tier
    return None
