"""Names of frameworks with a few of their own: MLflow, Genkit, LiveKit, Google ADK, LangSmith, …"""

from typing import Any

from lineside.traces.conventions.conversations import conversation, returned, spoken
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

_MLFLOW_KINDS = {
    "LLM": "model",
    "CHAT_MODEL": "model",
    "CHAIN": "step",
    "WORKFLOW": "workflow",
    "TASK": "step",
    "AGENT": "agent",
    "TOOL": "tool",
    "RETRIEVER": "retriever",
    "EMBEDDING": "embedding",
    "RERANKER": "reranker",
    "GUARDRAIL": "guard",
    "EVALUATOR": "scorer",
}
_LANGSMITH_KINDS = {
    "llm": "model",
    "chain": "step",
    "tool": "tool",
    "retriever": "retriever",
    "embedding": "embedding",
    "prompt": "prompt",
    "parser": "step",
}
_GENKIT_KINDS = {
    "model": "model",
    "tool": "tool",
    "flow": "workflow",
    "prompt": "prompt",
    "retriever": "retriever",
    "embedder": "embedding",
    "reranker": "reranker",
    "evaluator": "scorer",
}


def read_mlflow(span: RawSpan) -> Reading:
    attributes = span.attributes
    kind = first_text(attributes, "mlflow.spanType")
    usage = as_dict(attributes.get("mlflow.chat.tokenUsage"))
    # MLflow writes each attribute as JSON, plain texts too.
    kind = kind.strip('"').upper() if kind else None
    value_in = parsed(first(attributes, "mlflow.spanInputs"))
    value_out = parsed(first(attributes, "mlflow.spanOutputs"))
    talks = kind in ("LLM", "CHAT_MODEL", "AGENT")
    return said(
        {
            "kind": _MLFLOW_KINDS.get(kind) if kind else None,
            "model": _unquoted(first_text(attributes, "mlflow.llm.model")),
            "provider": _unquoted(first_text(attributes, "mlflow.llm.provider")),
            "tool_name": span.name if kind == "TOOL" else None,
            "session_id": _unquoted(first_text(attributes, "mlflow.trace.session")),
            "user_id": _unquoted(first_text(attributes, "mlflow.trace.user")),
            "messages_in": conversation(value_in, role="user") if talks else None,
            "messages_out": conversation(value_out, role="assistant") if talks else None,
            "tokens_in": first_count(usage, "input_tokens"),
            "tokens_out": first_count(usage, "output_tokens"),
            "tokens_total": first_count(usage, "total_tokens"),
            "tokens_cached_in": first_count(usage, "cache_read_input_tokens"),
            "tokens_cache_written_in": first_count(usage, "cache_creation_input_tokens"),
            "cost_usd": first_number(as_dict(attributes.get("mlflow.llm.cost")), "total_cost"),
            "value_in": value_in,
            "value_out": value_out,
        }
    )


def read_genkit(span: RawSpan) -> Reading:
    attributes = span.attributes
    kind = first_text(attributes, "genkit:metadata:subtype", "genkit:type")
    value_in = parsed(first(attributes, "genkit:input"))
    value_out = parsed(first(attributes, "genkit:output"))
    name = first_text(attributes, "genkit:name")
    is_model = kind == "model"
    return said(
        {
            "kind": _GENKIT_KINDS.get(kind) if kind else None,
            "model": name if is_model else None,
            "tool_name": name if kind == "tool" else None,
            "messages_in": conversation(value_in, role="user") if is_model else None,
            "messages_out": conversation(value_out, role="assistant") if is_model else None,
            "value_in": value_in,
            "value_out": value_out,
        }
    )


def read_livekit(span: RawSpan) -> Reading:
    attributes = span.attributes
    seconds = first_number(attributes, "lk.response.ttft")
    if seconds is None:
        seconds = first_number(as_dict(attributes.get("lk.llm_metrics")), "ttft")
    told = first(attributes, "lk.chat_ctx")
    answered = first(attributes, "lk.response.text")
    return said(
        {
            "kind": _livekit_kind(span),
            "agent_name": first_text(attributes, "lk.agent_label", "lk.agent_name"),
            "tool_name": first_text(attributes, "lk.function_tool.name"),
            "session_id": first_text(attributes, "lk.session_id", "lk.room_name"),
            "messages_in": conversation(_livekit_items(told), role="user"),
            "messages_out": conversation([{"role": "assistant", "content": answered}])
            if isinstance(answered, str)
            else None,
            "first_chunk_ms": seconds * 1000 if seconds is not None else None,
            "arguments": parsed(first(attributes, "lk.function_tool.arguments")),
            "result": parsed(first(attributes, "lk.function_tool.output")),
            "value_in": first(attributes, "lk.user_input", "lk.user_transcript", "lk.input_text"),
            "value_out": answered,
        }
    )


def _livekit_kind(span: RawSpan) -> str | None:
    if "lk.function_tool.name" in span.attributes or span.name == "function_tool":
        return "tool"
    if span.name.startswith("llm_request"):
        return "model"
    return "agent" if span.name in ("agent_session", "agent_turn") else None


def _livekit_items(value: Any) -> Any:
    items = as_dict(value).get("items")
    if not isinstance(items, list):
        return value
    return [
        item for item in items if isinstance(item, dict) and item.get("type") != "agent_handoff"
    ]


def read_adk(span: RawSpan) -> Reading:
    """Google's Agent Development Kit."""
    attributes = span.attributes
    asked = parsed(first(attributes, "gcp.vertex.agent.llm_request"))
    answered = parsed(first(attributes, "gcp.vertex.agent.llm_response"))
    return said(
        {
            "session_id": first_text(attributes, "gcp.vertex.agent.session_id"),
            "messages_in": conversation(asked, role="user"),
            "messages_out": conversation(answered, role="assistant"),
            "arguments": parsed(first(attributes, "gcp.vertex.agent.tool_call_args")),
            "result": parsed(first(attributes, "gcp.vertex.agent.tool_response")),
            "value_in": parsed(first(attributes, "gcp.vertex.agent.data")),
        }
    )


def read_langsmith(span: RawSpan) -> Reading:
    """LangSmith's own exporter writes what went in and came out as one prompt and completion."""
    attributes = span.attributes
    named = first_text(attributes, "langsmith.span.kind")
    kind = _LANGSMITH_KINDS.get(named.lower()) if named else None
    value_in = _alone(first(attributes, "gen_ai.prompt"), "input", "query")
    value_out = _alone(first(attributes, "gen_ai.completion"), "output", "documents")
    talks = kind == "model"
    if talks and span.status_code.upper() == "ERROR":
        # LangChain makes up an empty answer for a call that failed.
        value_out = None
    usage = as_dict(attributes.get("langsmith.metadata.usage_metadata"))
    read_details = as_dict(usage.get("input_token_details"))
    return said(
        {
            # Most steps are a plain chain here; what others say of one may say more.
            "kind": kind if kind != "step" else None,
            "kind_guess": kind,
            "messages_in": spoken(value_in, role="user") if talks else None,
            "messages_out": spoken(value_out, role="assistant") if talks else None,
            "value_in": value_in,
            "value_out": value_out if kind != "tool" else None,
            "result": returned(value_out) if kind == "tool" else None,
            "tokens_cached_in": first_count(read_details, "cache_read"),
            "tokens_cache_written_in": first_count(read_details, "cache_creation"),
            "tokens_reasoning_out": first_count(
                as_dict(usage.get("output_token_details")), "reasoning"
            ),
            "model_asked": first_text(attributes, "langsmith.metadata.ls_model_name"),
            "provider": first_text(attributes, "langsmith.metadata.ls_provider"),
            "session_id": first_text(
                attributes,
                "langsmith.trace.session_id",
                "langsmith.metadata.session_id",
                "langsmith.metadata.thread_id",
                "langsmith.metadata.conversation_id",
            ),
            "user_id": first_text(attributes, "langsmith.metadata.user_id"),
        }
    )


def _alone(value: Any, *names: str) -> Any:
    """What a wrapper of one such key holds."""
    value = parsed(value)
    if isinstance(value, dict) and len(value) == 1:
        return next((parsed(value[name]) for name in names if name in value), value)
    return value


def read_claude_code(span: RawSpan) -> Reading:
    """Claude Code names tokens as Anthropic's interface does, which leaves out cached ones."""
    attributes = span.attributes
    return said(
        {
            "kind": "model" if span.name == "claude_code.llm_request" else None,
            "model": first_text(attributes, "model"),
            "tokens_in": first_count(attributes, "input_tokens"),
            "tokens_out": first_count(attributes, "output_tokens"),
            "tokens_cached_in": first_count(attributes, "cache_read_tokens"),
            "tokens_cache_written_in": first_count(attributes, "cache_creation_tokens"),
            "first_chunk_ms": first_number(attributes, "ttft_ms"),
            "uncached_only": True,
        }
    )


def _unquoted(value: str | None) -> str | None:
    return value.strip('"') or None if value else None
