"""The trace of one served call: what was asked, what answered, and how it ended."""

import asyncio
from datetime import datetime
from typing import Any

from lineside.apps.call import Call
from lineside.apps.rollout import Arm
from lineside.gateway import ModelReply
from lineside.traces import Span, new_span_id, record_spans
from lineside.trust import Scope


class ServedTrace:
    """The spans of one call: the app as a whole, and the model inside it."""

    def __init__(
        self,
        scope: Scope,
        use_case: str,
        arm: Arm,
        call: Call,
        started: datetime,
        trace_id: str,
        parent_span_id: str | None,
    ) -> None:
        self.id = trace_id
        self._parent_span_id = parent_span_id
        self._scope = scope
        self._input = call.input
        self._common: dict[str, Any] = {
            "trace_id": self.id,
            "use_case": use_case,
            "release": arm.release_id,
            "arm": arm.name,
            "session_id": call.session,
            "user_id": call.user,
            "started_at": started,
        }

    async def keep(
        self,
        *,
        duration_ms: float,
        model_ms: float = 0,
        reply: ModelReply | None = None,
        error: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Write the spans down; they are durable when this returns.

        Args:
            reply: What the model answered; nothing where the call failed before it did.
        """
        root = Span(
            **self._common,
            span_id=new_span_id(),
            parent_span_id=self._parent_span_id,
            name=self._common["use_case"],
            kind="app",
            status="error" if error else "ok",
            error=error,
            duration_ms=duration_ms,
            input=self._input,
            output=reply.output if reply else None,
            cost_usd=reply.cost_usd if reply else None,
            attributes=(attributes or {}) | ({"confidence": reply.confidence} if reply else {}),
        )
        spans = [root]
        if reply is not None:
            spans.append(
                Span(
                    **self._common,
                    span_id=new_span_id(),
                    parent_span_id=root.span_id,
                    name=reply.model,
                    kind="model",
                    duration_ms=model_ms,
                    model=reply.model,
                    tokens_in=reply.tokens_in,
                    tokens_out=reply.tokens_out,
                    cost_usd=reply.cost_usd,
                    attributes={"attempts": reply.attempts},
                )
            )
        await asyncio.wrap_future(record_spans(self._scope, spans))
