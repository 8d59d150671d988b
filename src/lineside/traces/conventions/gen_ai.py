"""OpenTelemetry's `gen_ai.*` since 1.37: provider, messages in parts, cached tokens."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from lineside.traces.conventions.conversations import instructions, spoken
from lineside.traces.conventions.openinference import first_event_ms
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import count, first_text, number, parsed, text
from lineside.traces.span import Message

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
    "llm.content.completion.chunk",
}
DETAILS_EVENT = "gen_ai.client.inference.operation.details"


def read(span: RawSpan) -> Reading:
    attributes = _with_details(span)
    fields, guess = _fields(tuple(attributes))
    reading: Reading = {} if guess is None else {"kind_guess": guess}
    for field, value_of, names in fields:
        for name in names:
            value = attributes[name]
            found = None if value is None or value == "" else value_of(value)
            if found is not None:
                reading[field] = found
                break
    operation = first_text(attributes, "gen_ai.operation.name")
    stated = _KINDS.get(operation.lower()) if operation else None
    if stated is not None:
        reading["kind"] = stated
    if "cost_usd" in reading and not _is_in_dollars(attributes):
        del reading["cost_usd"]
    if "first_chunk_ms" not in reading and span.events:
        first_chunk_ms = first_event_ms(span, _FIRST_CHUNK_EVENTS)
        if first_chunk_ms is not None:
            reading["first_chunk_ms"] = first_chunk_ms
    return reading


@lru_cache(maxsize=256)
def _fields(names: tuple[str, ...]) -> "tuple[tuple[_Field, ...], str | None]":
    """Which fields attributes of these names can state, and what kind of step they tell of.

    The spans of one program are alike, and to look for every name in each would take longer than to
    read what is there.
    """
    there = frozenset(names)
    found = [
        (field, value_of, tuple(name for name in candidates if name in there))
        for field, value_of, candidates in _FIELDS
    ]
    guess = next((kind for name, kind in _GUESSES if name in there), None)
    return tuple(field for field in found if field[2]), guess


def _with_details(span: RawSpan) -> dict[str, Any]:
    for event in span.events:
        details = event.get("attributes")
        if event.get("name") == DETAILS_EVENT and isinstance(details, dict):
            return {**details, **span.attributes}
    return span.attributes


def _is_in_dollars(attributes: dict[str, Any]) -> bool:
    currency = attributes.get("gen_ai.usage.cost.currency", "USD")
    return isinstance(currency, str) and currency.upper() == "USD"


def _milliseconds(seconds: Any) -> float | None:
    found = number(seconds)
    return None if found is None else found * 1000


def _listed(value: Any) -> list[Any] | None:
    value = parsed(value)
    return value if isinstance(value, list) else None


def _as_it_is(value: Any) -> Any:
    return value


def _instructed(value: Any) -> list[Message] | None:
    return instructions(value) or None


_Field = tuple[str, Callable[[Any], Any], tuple[str, ...]]
_FIELDS: tuple[_Field, ...] = (
    ("provider", text, ("gen_ai.provider.name", "gen_ai.system")),
    ("model", text, ("gen_ai.response.model",)),
    ("model_asked", text, ("gen_ai.request.model",)),
    ("response_id", text, ("gen_ai.response.id",)),
    ("agent_name", text, ("gen_ai.agent.name", "gen_ai.workflow.name", "gen_ai.agent.id")),
    ("tool_name", text, ("gen_ai.tool.name",)),
    ("session_id", text, ("gen_ai.conversation.id",)),
    ("messages_in", partial(spoken, role="user"), ("gen_ai.input.messages",)),
    ("messages_out", partial(spoken, role="assistant"), ("gen_ai.output.messages",)),
    ("instructions", _instructed, ("gen_ai.system_instructions",)),
    ("arguments", parsed, ("gen_ai.tool.call.arguments",)),
    ("result", parsed, ("gen_ai.tool.call.result",)),
    ("documents", _listed, ("gen_ai.retrieval.documents", "gen_ai.memory.records")),
    ("value_in", _as_it_is, ("gen_ai.retrieval.query.text", "gen_ai.memory.query.text")),
    ("tokens_in", count, ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
    ("tokens_out", count, ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
    ("tokens_total", count, ("gen_ai.usage.total_tokens", "llm.usage.total_tokens")),
    (
        "tokens_cached_in",
        count,
        (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "gen_ai.usage.details.cached_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.cached_tokens",
        ),
    ),
    (
        "tokens_cache_written_in",
        count,
        (
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
        ),
    ),
    (
        "tokens_reasoning_out",
        count,
        (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
        ),
    ),
    (
        "cost_usd",
        number,
        (
            "gen_ai.usage.cost",
            "gen_ai.usage.cost.amount",
            "gen_ai.usage.total_cost",
            "gen_ai.cost.total_cost",
            "operation.cost",
        ),
    ),
    (
        "first_chunk_ms",
        _milliseconds,
        (
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
        ),
    ),
)
