"""OpenTelemetry's `gen_ai.*` since 1.37: provider, messages in parts, cached tokens."""

from typing import Any

from lineside.traces.conventions.conversations import instructions, spoken
from lineside.traces.conventions.openinference import first_event_ms
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import (
    first,
    first_count,
    first_number,
    first_text,
    parsed,
    said,
)

_KINDS = {
    "chat": "model",
    "text_completion": "model",
    "completion": "model",
    "generate_content": "model",
    "generate": "model",
    "embeddings": "embedding",
    "retrieval": "retriever",
    "rerank": "reranker",
    "create_agent": "agent",
    "invoke_agent": "agent",
    "plan": "agent",
    "invoke_workflow": "workflow",
    "execute_tool": "tool",
    "search_memory": "retriever",
    "create_memory": "tool",
    "update_memory": "tool",
    "upsert_memory": "tool",
    "delete_memory": "tool",
    "create_memory_store": "tool",
    "delete_memory_store": "tool",
}
_GUESSES = (
    ("gen_ai.tool.call.id", "tool"),
    ("gen_ai.tool.name", "tool"),
    ("gen_ai.retrieval.query.text", "retriever"),
    ("gen_ai.retrieval.documents", "retriever"),
    ("gen_ai.embeddings.dimension.count", "embedding"),
    ("gen_ai.output.messages", "model"),
    ("gen_ai.input.messages", "model"),
    ("gen_ai.request.model", "model"),
)
_FIRST_CHUNK_EVENTS = {
    "gen_ai.first_token",
    "gen_ai.content.first_token",
    "gen_ai.first_chunk",
    "gen_ai.content.completion.chunk",
}
DETAILS_EVENT = "gen_ai.client.inference.operation.details"


def read(span: RawSpan) -> Reading:
    attributes = _with_details(span)
    operation = first_text(attributes, "gen_ai.operation.name")
    stated = _KINDS.get(operation.lower()) if operation else None
    return said(
        {
            "kind": stated,
            "kind_guess": next((kind for name, kind in _GUESSES if name in attributes), None),
            "provider": first_text(attributes, "gen_ai.provider.name", "gen_ai.system"),
            "model": first_text(attributes, "gen_ai.response.model"),
            "model_asked": first_text(attributes, "gen_ai.request.model"),
            "agent_name": first_text(
                attributes, "gen_ai.agent.name", "gen_ai.workflow.name", "gen_ai.agent.id"
            ),
            "tool_name": first_text(attributes, "gen_ai.tool.name"),
            "session_id": first_text(attributes, "gen_ai.conversation.id"),
            "messages_in": spoken(first(attributes, "gen_ai.input.messages"), role="user"),
            "messages_out": spoken(first(attributes, "gen_ai.output.messages"), role="assistant"),
            "instructions": instructions(first(attributes, "gen_ai.system_instructions")) or None,
            **_usage(attributes),
            "first_chunk_ms": _first_chunk_ms(span, attributes),
            "arguments": parsed(first(attributes, "gen_ai.tool.call.arguments")),
            "result": parsed(first(attributes, "gen_ai.tool.call.result")),
            "documents": _listed(
                first(attributes, "gen_ai.retrieval.documents", "gen_ai.memory.records")
            ),
            "value_in": first(
                attributes, "gen_ai.retrieval.query.text", "gen_ai.memory.query.text"
            ),
        }
    )


def _with_details(span: RawSpan) -> dict[str, Any]:
    for event in span.events:
        details = event.get("attributes")
        if event.get("name") == DETAILS_EVENT and isinstance(details, dict):
            return {**details, **span.attributes}
    return span.attributes


def _usage(attributes: dict[str, Any]) -> Reading:
    return {
        "tokens_in": first_count(
            attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"
        ),
        "tokens_out": first_count(
            attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"
        ),
        "tokens_total": first_count(
            attributes,
            "gen_ai.usage.total_tokens",
            "llm.usage.total_tokens",
        ),
        "tokens_cached_in": first_count(
            attributes,
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "gen_ai.usage.details.cached_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.cached_tokens",
        ),
        "tokens_cache_written_in": first_count(
            attributes,
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
        ),
        "tokens_reasoning_out": first_count(
            attributes,
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
        ),
        "cost_usd": _cost_usd(attributes),
    }


def _cost_usd(attributes: dict[str, Any]) -> float | None:
    currency = attributes.get("gen_ai.usage.cost.currency", "USD")
    if not isinstance(currency, str) or currency.upper() != "USD":
        return None
    return first_number(
        attributes,
        "gen_ai.usage.cost",
        "gen_ai.usage.cost.amount",
        "gen_ai.usage.total_cost",
        "gen_ai.cost.total_cost",
        "operation.cost",
    )


def _first_chunk_ms(span: RawSpan, attributes: dict[str, Any]) -> float | None:
    seconds = first_number(
        attributes,
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.server.time_to_first_token",
    )
    if seconds is not None:
        return seconds * 1000
    return first_event_ms(span, _FIRST_CHUNK_EVENTS)


def _listed(value: Any) -> list[Any] | None:
    value = parsed(value)
    return value if isinstance(value, list) else None
