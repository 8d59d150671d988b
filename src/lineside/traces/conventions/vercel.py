"""The Vercel AI SDK's `ai.*`."""

from typing import Any

from lineside.traces.conventions.conversations import conversation, instructions, spoken
from lineside.traces.conventions.parts import parts_of, tool_call
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import (
    as_dict,
    first,
    first_count,
    first_number,
    first_text,
    parsed,
    said,
)
from lineside.traces.span import Message

_OF_PEOPLE = "ai.telemetry.metadata."


def read(span: RawSpan) -> Reading:
    attributes = span.attributes
    operation = first_text(attributes, "ai.operationId", "operation.name") or ""
    return said(
        {
            "kind": _kind(operation.split(" ")[0]),
            "provider": first_text(attributes, "ai.model.provider"),
            "model": first_text(attributes, "ai.response.model"),
            "model_asked": first_text(attributes, "ai.model.id"),
            "response_id": first_text(attributes, "ai.response.id"),
            "agent_name": first_text(attributes, "ai.telemetry.functionId"),
            "tool_name": first_text(attributes, "ai.toolCall.name"),
            "session_id": first_text(attributes, _OF_PEOPLE + "sessionId"),
            "user_id": first_text(attributes, _OF_PEOPLE + "userId"),
            "messages_in": _told(attributes),
            "messages_out": _answered(attributes),
            **_usage(attributes),
            "first_chunk_ms": first_number(
                attributes, "ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"
            ),
            "arguments": parsed(first(attributes, "ai.toolCall.args", "ai.toolCall.input")),
            "result": parsed(first(attributes, "ai.toolCall.result", "ai.toolCall.output")),
            "value_in": parsed(first(attributes, "ai.value", "ai.values", "ai.prompt")),
            "value_out": parsed(
                first(attributes, "ai.response.text", "ai.response.object", "ai.result.text")
            ),
        }
    )


def _kind(operation: str) -> str | None:
    if operation == "ai.toolCall":
        return "tool"
    if operation.startswith("ai.embed"):
        return "embedding"
    if operation.startswith("ai.rerank"):
        return "reranker"
    if operation.startswith("ai.") and (".do" in operation):
        return "model"
    # The outer step repeats its inner calls' tokens: as a model it would count them twice.
    return "agent" if operation.startswith("ai.") else None


def _usage(attributes: dict[str, Any]) -> Reading:
    # Only the maker's own part of an answer says what Anthropic wrote into its cache.
    own_part = as_dict(attributes.get("ai.response.providerMetadata"))
    anthropic = as_dict(own_part.get("anthropic"))
    written = first_count(attributes, "ai.usage.inputTokenDetails.cacheWriteTokens")
    return {
        "tokens_in": first_count(attributes, "ai.usage.inputTokens", "ai.usage.promptTokens"),
        "tokens_out": first_count(
            attributes, "ai.usage.outputTokens", "ai.usage.completionTokens", "ai.usage.tokens"
        ),
        "tokens_total": first_count(attributes, "ai.usage.totalTokens"),
        "tokens_cached_in": first_count(
            attributes,
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
        ),
        "tokens_cache_written_in": written
        if written is not None
        else first_count(anthropic, "cacheCreationInputTokens"),
        "tokens_reasoning_out": first_count(
            attributes,
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
        ),
    }


def _told(attributes: dict[str, Any]) -> list[Message] | None:
    found = conversation(first(attributes, "ai.prompt.messages"), role="user")
    if found is not None:
        return found
    prompt = parsed(first(attributes, "ai.prompt"))
    if not isinstance(prompt, dict):
        return spoken(prompt, role="user")
    found = conversation(prompt, role="user")
    if found is not None:
        return found
    words = prompt.get("prompt")
    if not isinstance(words, str) or not words:
        return None
    system = instructions(prompt["system"]) if prompt.get("system") else []
    return [*system, Message(role="user", parts=parts_of(words))]


def _answered(attributes: dict[str, Any]) -> list[Message] | None:
    reasoning = first(attributes, "ai.response.reasoning")
    words = first(attributes, "ai.response.text", "ai.result.text", "ai.response.object")
    calls = parsed(first(attributes, "ai.response.toolCalls", "ai.result.toolCalls"))
    parts = [{"type": "reasoning", "content": reasoning}] if isinstance(reasoning, str) else []
    if isinstance(words, str):
        parts += parts_of(words)
    if isinstance(calls, list):
        parts += [tool_call(call) for call in calls]
    if not parts:
        return None
    finish = first_text(attributes, "ai.response.finishReason", "ai.finishReason")
    return [Message(role="assistant", parts=parts, finish_reason=finish)]
