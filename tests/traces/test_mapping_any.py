"""Whatever a sender writes, a span comes of it that can be kept."""

import json
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lineside.traces.mapping import RawSpan, map_span, received
from lineside.traces.span import Span

NAMES = (
    "openinference.span.kind",
    "llm.input_messages",
    "llm.input_messages.0",
    "llm.input_messages.0.message.role",
    "llm.input_messages.0.message.content",
    "llm.input_messages.0.message.contents.1.message_content",
    "llm.output_messages.7.message.tool_calls.0.tool_call",
    "llm.token_count.prompt",
    "llm.token_count.prompt_details.cache_read",
    "llm.model_name",
    "llm.cost.total",
    "input.value",
    "input.mime_type",
    "output.value",
    "tool.parameters",
    "retrieval.documents.0.document.content",
    "embedding.embeddings",
    "gen_ai.operation.name",
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.cost.currency",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0",
    "traceloop.span.kind",
    "traceloop.entity.input",
    "langfuse.observation.type",
    "langfuse.observation.input",
    "langfuse.observation.output",
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "langfuse.observation.completion_start_time",
    "ai.operationId",
    "ai.prompt",
    "ai.prompt.messages",
    "ai.response.toolCalls",
    "ai.response.text",
    "events",
    "all_messages_events",
    "pydantic_ai.all_messages",
    "mlflow.spanType",
    "mlflow.spanInputs",
    "genkit:input",
    "genkit:metadata:subtype",
    "lk.chat_ctx",
    "lk.response.text",
    "gcp.vertex.agent.llm_request",
    "langsmith.span.kind",
    "lineside.kind",
    "lineside.usecase",
)
KEYS = st.sampled_from(
    (
        "role",
        "content",
        "parts",
        "type",
        "text",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "message",
        "messages",
        "choices",
        "contents",
        "config",
        "image_url",
        "url",
        "source",
        "data",
        "kwargs",
        "input",
        "output",
        "result",
        "toolName",
        "finish_reason",
        "message_content",
        "tool_call_id",
        "items",
        "thinking",
    )
)
SAID = st.sampled_from(
    (
        "user",
        "assistant",
        "model",
        "tool",
        "LLM",
        "text",
        "tool_use",
        "image",
        "reasoning",
        "data:",
        "{",
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | SAID
    | st.text(max_size=8)
    | st.just("\ud800")
    | st.just(10**400)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | st.text(string.printable, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


AS_SENT = VALUES | VALUES.map(json.dumps) | VALUES.map(lambda value: json.dumps(value)[:-1])
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), AS_SENT, max_size=8)
EVENT_NAMES = st.sampled_from(
    ["exception", "gen_ai.choice", "gen_ai.user.message", "gen_ai.content.prompt", "x"]
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"name": EVENT_NAMES, "time_ns": st.integers(0, 2**63), "attributes": ATTRIBUTES}
    ),
    max_size=3,
)
TIMES = st.integers(0, 2**64 - 1)


@settings(max_examples=150, deadline=None)
@given(ATTRIBUTES, EVENTS, TIMES, TIMES, st.sampled_from(["UNSET", "ok", "ERROR", "?"]))
def test_any_attributes_make_a_span_that_can_be_written_and_read(
    attributes: dict[str, Any],
    events: list[dict[str, Any]],
    start_ns: int,
    end_ns: int,
    status: str,
) -> None:
    raw = RawSpan(
        trace_id="a" * 32,
        span_id="b" * 16,
        name="any",
        start_ns=start_ns,
        end_ns=end_ns,
        status_code=status,
        attributes=attributes,
        events=events,
        resource=attributes,
    )

    span = map_span(raw)

    assert Span.model_validate_json(span.model_dump_json()) == span
    assert span.duration_ms >= 0
    assert span.tokens_in is None or span.tokens_in >= (span.tokens_cached_in or 0)
    again = received(span)
    assert again is not None
    assert map_span(again) == span
