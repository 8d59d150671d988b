"""OpenLLMetry and `gen_ai.*` up to 1.27: prompts and completions as numbered attributes."""

from typing import Any

from lineside.traces.conventions.conversations import conversation, spoken
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import (
    as_dict,
    called_with,
    first,
    first_count,
    first_text,
    nested,
    said,
    whole_json,
)
from lineside.traces.span import Message

_KINDS = {"workflow": "workflow", "task": "step", "agent": "agent", "tool": "tool"}
_REQUESTS = {"chat": "model", "completion": "model", "embedding": "embedding", "rerank": "reranker"}
_OF_PEOPLE = "traceloop.association.properties."


def read(span: RawSpan) -> Reading:
    attributes = span.attributes
    kind = first_text(attributes, "traceloop.span.kind")
    stated = _KINDS.get(kind.lower()) if kind else None
    request = first_text(attributes, "llm.request.type")
    entity = first_text(attributes, "traceloop.entity.name")
    return said(
        {
            "kind": stated or (_REQUESTS.get(request.lower()) if request else None),
            "provider": first_text(attributes, "gen_ai.system", "llm.vendor"),
            "model": first_text(attributes, "llm.response.model"),
            "model_asked": first_text(attributes, "llm.request.model"),
            "agent_name": entity if stated == "agent" else None,
            "tool_name": entity if stated == "tool" else None,
            "session_id": first_text(
                attributes,
                _OF_PEOPLE + "session_id",
                _OF_PEOPLE + "thread_id",
                _OF_PEOPLE + "conversation_id",
                _OF_PEOPLE + "chat_id",
            ),
            "user_id": first_text(attributes, _OF_PEOPLE + "user_id"),
            "messages_in": _messages(attributes, "gen_ai.prompt", "user"),
            "messages_out": _messages(attributes, "gen_ai.completion", "assistant"),
            "tokens_in": first_count(attributes, "llm.usage.prompt_tokens"),
            "tokens_out": first_count(attributes, "llm.usage.completion_tokens"),
            "tokens_total": first_count(attributes, "llm.usage.total_tokens"),
            "tokens_cached_in": first_count(
                attributes, "llm.usage.cache_read_input_tokens", "llm.usage.cached_tokens"
            ),
            "tokens_cache_written_in": first_count(
                attributes, "llm.usage.cache_creation_input_tokens"
            ),
            "tokens_reasoning_out": first_count(attributes, "llm.usage.reasoning_tokens"),
            "value_in": _entity(attributes, "traceloop.entity.input", "inputs"),
            "value_out": _entity(attributes, "traceloop.entity.output", "outputs"),
        }
    )


def _messages(attributes: dict[str, Any], name: str, role: str) -> list[Message] | None:
    prefix = name + "."
    leaves = [
        (key[len(prefix) :], value)
        for key, value in attributes.items()
        if key.startswith(prefix) and key[len(prefix) :][:1].isdigit() and value is not None
    ]
    if leaves:
        return conversation(nested(leaves), role=role)
    return spoken(first(attributes, name), role=role)


def _entity(attributes: dict[str, Any], name: str, side: str) -> Any:
    """Frameworks wrap what went in as `{"inputs": …, "tags": …}`, and decorators arguments."""
    value = whole_json(first(attributes, name))
    wrapped = as_dict(value)
    return called_with(wrapped.get(side, value) if wrapped else value)
