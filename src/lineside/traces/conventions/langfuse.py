"""Langfuse's own names."""

from datetime import datetime
from typing import Any

from lineside.traces.conventions.conversations import conversation, spoken
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import (
    as_dict,
    called_with,
    first,
    first_count,
    first_number,
    first_text,
    number,
    parsed,
    said,
)

_KINDS = {
    "generation": "model",
    "embedding": "embedding",
    "agent": "agent",
    "tool": "tool",
    "chain": "step",
    "retriever": "retriever",
    "evaluator": "scorer",
    "guardrail": "guard",
    "span": "step",
    "event": "step",
}
_CACHED = ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read")
_WRITTEN = ("cache_creation_input_tokens", "input_cache_creation")
_REASONING = ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning")


def read(span: RawSpan) -> Reading:
    attributes = span.attributes
    kind = first_text(attributes, "langfuse.observation.type")
    value_in = called_with(first(attributes, "langfuse.observation.input", "langfuse.trace.input"))
    value_out = parsed(first(attributes, "langfuse.observation.output", "langfuse.trace.output"))
    stated = _KINDS.get(kind.lower()) if kind else None
    talks = stated != "tool"
    told = spoken if stated == "model" else conversation
    level = attributes.get("langfuse.observation.level")
    return said(
        {
            # A plain span says nothing; what others say of it may say more.
            "kind": stated if stated != "step" else None,
            "kind_guess": stated,
            "failed": True if level == "ERROR" else None,
            "error": first_text(attributes, "langfuse.observation.status_message")
            if level == "ERROR"
            else None,
            "model": first_text(attributes, "langfuse.observation.model.name"),
            "tool_name": span.name if not talks else None,
            "session_id": first_text(attributes, "langfuse.session.id"),
            "user_id": first_text(attributes, "langfuse.user.id"),
            "messages_in": told(value_in, role="user") if talks else None,
            "messages_out": told(value_out, role="assistant") if talks else None,
            "arguments": value_in if not talks else None,
            "result": value_out if not talks else None,
            "value_in": value_in,
            "value_out": value_out,
            **_usage(attributes),
            "cost_usd": _cost_usd(attributes),
            "completion_start": _moment(attributes),
        }
    )


def _usage(attributes: dict[str, Any]) -> Reading:
    details = as_dict(attributes.get("langfuse.observation.usage_details"))
    if not details:
        return {}
    openai_style = "prompt_tokens" in details
    return {
        "tokens_in": first_count(details, "prompt_tokens", "input", "input_tokens"),
        "tokens_out": first_count(details, "completion_tokens", "output", "output_tokens"),
        "tokens_total": first_count(details, "total", "total_tokens"),
        "tokens_cached_in": first_count(details, *_CACHED),
        "tokens_cache_written_in": first_count(details, *_WRITTEN),
        "tokens_reasoning_out": first_count(details, *_REASONING),
        # Langfuse's buckets add up, so its `input` leaves out what has a bucket of its own.
        "uncached_only": None if openai_style else True,
    }


def _cost_usd(attributes: dict[str, Any]) -> float | None:
    details = as_dict(attributes.get("langfuse.observation.cost_details"))
    total = first_number(details, "total")
    if total is not None:
        return total
    known = [cost for cost in map(number, details.values()) if cost is not None]
    return sum(known) if known else None


def _moment(attributes: dict[str, Any]) -> datetime | None:
    value = attributes.get("langfuse.observation.completion_start_time")
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip('"'))
    except ValueError:
        return None
