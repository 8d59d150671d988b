"""OpenInference: what Phoenix and the instrumentations around it send."""

from typing import Any

from lineside.traces.conventions.conversations import conversation, returned, text_of
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import (
    as_dict,
    first,
    first_count,
    first_number,
    first_text,
    nested,
    parsed,
    said,
)
from lineside.traces.span import Message

_KINDS = {
    "LLM": "model",
    "EMBEDDING": "embedding",
    "CHAIN": "step",
    "RETRIEVER": "retriever",
    "RERANKER": "reranker",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "guard",
    "EVALUATOR": "scorer",
    "PROMPT": "prompt",
}
_FIRST_CHUNK_EVENTS = {"First Token Stream Event", "first_token", "llm.first_token"}
_FLAT = (
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.prompts.",
    "llm.choices.",
    "retrieval.documents.",
    "reranker.output_documents.",
    "embedding.embeddings.",
)
_WHOLE = tuple(name[:-1] for name in _FLAT)


def read(span: RawSpan) -> Reading:
    attributes = span.attributes
    flat = _flattened(attributes)
    kind = first_text(attributes, "openinference.span.kind")
    is_tool = kind is not None and kind.upper() == "TOOL"
    embeds = kind is not None and kind.upper() == "EMBEDDING"
    told = _messages(flat, "llm.input_messages", "llm.prompts", "user")
    answered = _messages(flat, "llm.output_messages", "llm.choices", "assistant")
    failed = span.status_code.upper() == "ERROR"
    # Vectors, or the empty answer that LangChain makes up for a call that failed.
    silent = embeds or (failed and "llm.output_messages" in flat and not answered)
    return said(
        {
            "kind": _KINDS.get(kind.upper()) if kind else None,
            "kind_guess": "model" if "llm.model_name" in attributes else None,
            "provider": first_text(attributes, "llm.provider", "llm.system"),
            "model": first_text(
                attributes,
                "llm.response.model_name",
                "llm.model_name",
                "embedding.model_name",
                "reranker.model_name",
            ),
            "model_asked": _model_asked(attributes),
            "agent_name": first_text(attributes, "agent.name"),
            "tool_name": first_text(attributes, "tool.name") if is_tool or not kind else None,
            "messages_in": told,
            "messages_out": _finished(answered, first_text(attributes, "llm.finish_reason")),
            "tokens_in": first_count(attributes, "llm.token_count.prompt"),
            "tokens_out": first_count(attributes, "llm.token_count.completion"),
            "tokens_total": first_count(attributes, "llm.token_count.total"),
            "tokens_cached_in": first_count(
                attributes,
                "llm.token_count.prompt_details.cache_read",
                "llm.token_count.prompt_details.cache_input",
            ),
            "tokens_cache_written_in": first_count(
                attributes, "llm.token_count.prompt_details.cache_write"
            ),
            "tokens_reasoning_out": first_count(
                attributes, "llm.token_count.completion_details.reasoning"
            ),
            "cost_usd": first_number(attributes, "llm.cost.total"),
            "arguments": _arguments(attributes) if is_tool else None,
            "result": returned(first(attributes, "output.value")) if is_tool else None,
            "documents": _documents(flat),
            "value_in": (_texts(flat) if embeds else None) or _value(attributes, "input", told),
            "value_out": None if silent else _value(attributes, "output", answered),
            "first_chunk_ms": first_event_ms(span, _FIRST_CHUNK_EVENTS),
        }
    )


def first_event_ms(span: RawSpan, names: set[str]) -> float | None:
    for event in span.events:
        when = event.get("time_ns")
        if event.get("name") in names and isinstance(when, int) and when >= span.start_ns:
            return (when - span.start_ns) / 1e6
    return None


def _model_asked(attributes: dict[str, Any]) -> str | None:
    stated = first_text(attributes, "llm.request.model_name")
    if stated is not None:
        return stated
    parameters = as_dict(
        first(attributes, "llm.invocation_parameters", "embedding.invocation_parameters")
    )
    asked = first_text(parameters, "model", "model_name")
    # Some copy the parameters from the answer, which names the model that answered.
    return asked if asked != first_text(attributes, "llm.model_name") else None


def _arguments(attributes: dict[str, Any]) -> Any:
    """What the tool was called with; `tool.parameters` holds that or what it would accept."""
    parameters = parsed(first(attributes, "tool.parameters"))
    is_schema = isinstance(parameters, dict) and isinstance(parameters.get("properties"), dict)
    return None if is_schema else parameters


def _finished(messages: list[Message] | None, reason: str | None) -> list[Message] | None:
    if reason is None or not messages or messages[-1].finish_reason is not None:
        return messages
    return [*messages[:-1], messages[-1].model_copy(update={"finish_reason": reason})]


def _flattened(attributes: dict[str, Any]) -> dict[str, Any]:
    """The lists that arrive as one attribute per leaf, each under the name it begins with."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for name, value in attributes.items():
        if name.startswith(_FLAT):
            # Each of these names has two steps; what follows is the path of the leaf.
            head, middle, path = name.split(".", 2)
            found.setdefault(f"{head}.{middle}", []).append((path, value))
    flat = {name: nested(leaves) for name, leaves in found.items()}
    for name in _WHOLE:
        if name in attributes and name not in flat:
            flat[name] = parsed(attributes[name])
    return flat


def _messages(flat: dict[str, Any], name: str, legacy: str, role: str) -> list[Message] | None:
    if name in flat:
        items = flat[name]
        # Phoenix's own exports keep `message.role` in one piece.
        if isinstance(items, list):
            items = [_tree(item) if isinstance(item, dict) else item for item in items]
        return conversation(items, role=role)
    if isinstance(flat.get(legacy), list):
        words = [_below(item, "prompt", "completion") for item in flat[legacy]]
        return conversation(
            [{"role": role, "content": word.get("text")} for word in words], role=role
        )
    return None


def _tree(item: dict[str, Any]) -> dict[str, Any]:
    if not any("." in key for key in item):
        return item
    found = nested(
        (key, [_tree(one) if isinstance(one, dict) else one for one in value])
        if isinstance(value, list)
        else (key, value)
        for key, value in item.items()
    )
    return found if isinstance(found, dict) else item


def _below(item: Any, *names: str) -> dict[str, Any]:
    if isinstance(item, dict):
        for name in names:
            if isinstance(item.get(name), dict):
                below: dict[str, Any] = item[name]
                return below
    return {}


def _documents(flat: dict[str, Any]) -> list[Any] | None:
    items = flat.get("reranker.output_documents", flat.get("retrieval.documents"))
    if not isinstance(items, list):
        return None
    trees = [_tree(item) if isinstance(item, dict) else item for item in items]
    return [_below(item, "document") or item for item in trees]


def _texts(flat: dict[str, Any]) -> Any:
    """What was embedded; vectors stay where they were received."""
    items = flat.get("embedding.embeddings")
    if not isinstance(items, list):
        return None
    trees = [_tree(item) if isinstance(item, dict) else item for item in items]
    words = [_below(item, "embedding").get("text") for item in trees]
    return words[0] if len(words) == 1 else words


def _value(attributes: dict[str, Any], side: str, messages: list[Message] | None) -> Any:
    """What `input.value` or `output.value` holds.

    Beside a conversation that is the request or answer as a whole, which says the same again: it
    is worth reading only where it is plain text.
    """
    value = first(attributes, f"{side}.value")
    if attributes.get(f"{side}.mime_type") == "text/plain":
        return value
    return parsed(value) if text_of(messages) is None else None
