"""Braintrust's own names: what went in and came out as JSON, and what it measured."""

from lineside.traces.conventions.conversations import conversation
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import (
    as_dict,
    first,
    first_count,
    first_number,
    first_text,
    said,
    whole_json,
    whole_or_flat,
)

_KINDS = {
    "llm": "model",
    "score": "scorer",
    "tool": "tool",
    "function": "step",
    "task": "step",
    "eval": "step",
}


def read(span: RawSpan) -> Reading:
    attributes = span.attributes
    about = as_dict(attributes.get("braintrust.span_attributes"))
    stated = first_text(about, "type")
    kind = _KINDS.get(stated.lower()) if stated else None
    told = whole_json(first(attributes, "braintrust.input_json", "braintrust.input"))
    answered = whole_json(first(attributes, "braintrust.output_json", "braintrust.output"))
    metadata = whole_or_flat(attributes, "braintrust.metadata")
    metrics = whole_or_flat(attributes, "braintrust.metrics")
    talks = kind == "model"
    seconds = first_number(metrics, "time_to_first_token")
    return said(
        {
            # A plain step says nothing; what others say of it may say more.
            "kind": kind if kind != "step" else None,
            "kind_guess": kind,
            "model": first_text(metadata, "model"),
            "provider": first_text(metadata, "provider"),
            "tool_name": (first_text(about, "name") or span.name) if kind == "tool" else None,
            "user_id": first_text(metadata, "user_id"),
            "session_id": first_text(metadata, "session_id"),
            "messages_in": conversation(told, role="user") if talks else None,
            "messages_out": conversation(answered, role="assistant") if talks else None,
            "arguments": told if kind == "tool" else None,
            "result": answered if kind == "tool" else None,
            "value_in": told,
            "value_out": answered,
            "tokens_in": first_count(metrics, "prompt_tokens"),
            "tokens_out": first_count(metrics, "completion_tokens"),
            "tokens_total": first_count(metrics, "tokens"),
            "tokens_cached_in": first_count(metrics, "prompt_cached_tokens"),
            "tokens_cache_written_in": first_count(metrics, "prompt_cache_creation_tokens"),
            "tokens_reasoning_out": first_count(metrics, "completion_reasoning_tokens"),
            "cost_usd": first_number(metrics, "estimated_cost"),
            "first_chunk_ms": None if seconds is None else seconds * 1000,
        }
    )
