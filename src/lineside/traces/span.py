"""One step of what happened, and the ids that tie steps together."""

import secrets
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from lineside.core import Record

SpanKind = Literal["app", "model", "tool", "guard", "scorer", "step"]


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
        tokens_in: Tokens read by the model, cached ones included; nothing means not counted.
        cost_usd: In US dollars; nothing means unknown, never free.
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
    model: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    input: Any = None
    output: Any = None
    attributes: dict[str, Any] = Field(default_factory=dict)


def new_trace_id() -> str:
    return secrets.token_hex(16)


def new_span_id() -> str:
    return secrets.token_hex(8)
