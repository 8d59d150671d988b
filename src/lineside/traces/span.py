"""One step of what happened, and the ids that tie steps together."""

import secrets
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from lineside.core import Record, step_kinds

SpanKind = step_kinds.SpanKind


class Message(Record):
    """One message of a conversation, in the one form that every convention is read into.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        parts: What it holds, in order, each with a `type`: `text` (`content`), `reasoning`
            (`content`), `tool_call` (`id`, `name`, `arguments`), `tool_result` (`id`, `result`),
            `media` (`mime_type`, `uri` or `data`), or `other` with whatever was there.
        finish_reason: Why the model stopped, where it said so.
    """

    role: str
    parts: list[dict[str, Any]]
    finish_reason: str | None = None


class Span(Record):
    """One finished step. Steps with the same trace id belong together.

    Attributes:
        trace_id: 32 hexadecimal digits, as OpenTelemetry has them.
        span_id: 16 hexadecimal digits, unique in the trace.
        kind: What did the step: the app as a whole, a model, a tool, a guard, a scorer.
        status: `ok` or `error`; the error says its code and message.
        started_at: In UTC.
        duration_ms: From start to end, in milliseconds.
        release: Id of the release that served; nothing for a step outside lineside.
        arm: Share of the rollout the call fell into, such as `live` or `canary`.
        run_id: Set when the step belongs to a test run, with the case it judged.
        service: Name of the program that sent the step, when it was not lineside itself.
        model: The model that answered; `model_asked` is the one that was asked for.
        response_id: What the provider calls its answer, as `gen_ai.response.id` has it.
        messages_in: The conversation that a model or agent was given; `messages_out` what it said.
        tokens_in: Tokens read by the model, cached ones included; nothing means not counted.
        tokens_cached_in: Part of `tokens_in` that came from the provider's cache.
        tokens_cache_written_in: Part of `tokens_in` that was written into that cache.
        tokens_reasoning_out: Part of `tokens_out` that was spent on thinking.
        first_chunk_ms: From the question to the first piece of a streamed answer, in milliseconds.
        cost_usd: In US dollars; nothing means unknown, never free.
        cost_source: Who says so: `sender`, or a price table with its version or date.
        tags: What the step was sent with to be found by.
        attributes: Of steps that lineside recorded; what other programs sent stands in `raw`.
        raw: What was received, unchanged: attributes, events, links, resource and scope.
        mapping: Version of the mapping that read `raw`; 0 for lineside's own steps.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    name: str
    kind: SpanKind = "step"
    status: Literal["ok", "error"] = "ok"
    error: str | None = None
    started_at: datetime
    duration_ms: float
    use_case: str | None = None
    release: str | None = None
    arm: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    run_id: str | None = None
    case_id: str | None = None
    service: str | None = None
    provider: str | None = None
    model: str | None = None
    model_asked: str | None = None
    response_id: str | None = None
    agent_name: str | None = None
    tool_name: str | None = None
    messages_in: list[Message] | None = None
    messages_out: list[Message] | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached_in: int | None = None
    tokens_cache_written_in: int | None = None
    tokens_reasoning_out: int | None = None
    first_chunk_ms: float | None = None
    cost_usd: float | None = None
    cost_source: str | None = None
    input: Any = None
    output: Any = None
    tags: tuple[str, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    raw: dict[str, Any] | None = None
    mapping: int = 0


def new_trace_id() -> str:
    return secrets.token_hex(16)


def new_span_id() -> str:
    return secrets.token_hex(8)
