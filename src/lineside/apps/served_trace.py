"""The trace of one served call: what was asked, what answered, and how it ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lineside.apps.call import Call
from lineside.apps.call_place import CallPlace
from lineside.apps.guarded import GuardedAnswer
from lineside.apps.metadata_kept import metadata_kept
from lineside.apps.metered import payer_said
from lineside.apps.people_kept import people_kept
from lineside.apps.rollout import Arm
from lineside.gateway import ReplyStep
from lineside.guardrails import GuardChain, probes
from lineside.traces import Span, new_span_id, record
from lineside.trust import Scope


class ServedTrace:
    """The spans of one call: the app, the guards on its way, what was looked up, and the model."""

    def __init__(
        self,
        scope: Scope,
        use_case: str,
        arm: Arm,
        call: Call,
        started: datetime,
        place: CallPlace,
        guards: GuardChain,
    ) -> None:
        self._place = place
        self._scope = scope
        self._started = started
        self._input = call.input
        self._said = metadata_kept(guards, call.metadata)
        self._common: dict[str, Any] = {
            "use_case": use_case,
            "release": arm.release_id,
            "arm": arm.name,
            **people_kept(scope, guards, session=call.session, user=call.user),
            "started_at": started,
        }

    async def keep(
        self,
        *,
        duration_ms: float,
        model_ms: float = 0,
        guarded: GuardedAnswer,
        error: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        """Write the spans down; they are durable when this returns.

        Args:
            guarded: What the guards let pass and the model answered, as far as the call came.
        """
        # What a guard held back has no reply here, and so no steps that would show it.
        reply = None if error else guarded.reply
        root = Span(
            **self._common,
            **self._place.keep(),
            name=self._common["use_case"],
            kind="app",
            status="error" if error else "ok",
            error=error,
            duration_ms=duration_ms,
            input=self.kept_input(guarded),
            output=reply.output if reply else None,
            cost_usd=reply.cost_usd if reply else None,
            attributes=payer_said(self._scope)
            | self._said
            | (attributes or {})
            | ({"confidence": reply.confidence} if reply else {}),
        )
        steps = reply.steps if reply else ()
        spans = [
            root,
            *self._guard_spans(guarded),
            *self._step_spans(steps),
        ]
        if reply is not None and reply.attempts:
            before_ms = sum(step.duration_ms for step in steps)
            spans.append(
                Span(
                    **self._below(before_ms),
                    name=reply.model,
                    kind="model",
                    duration_ms=model_ms - before_ms,
                    provider=reply.provider,
                    model=reply.model,
                    tokens_in=reply.tokens_in,
                    tokens_out=reply.tokens_out,
                    cost_usd=reply.cost_usd,
                    attributes={"attempts": reply.attempts, **reply.attributes},
                )
            )
        await record.keep_spans(self._scope, spans)

    def _step_spans(self, steps: Sequence[ReplyStep]) -> list[Span]:
        spans, before_ms = list[Span](), 0.0
        for step in steps:
            spans.append(
                Span(
                    **self._below(before_ms),
                    name=step.name,
                    kind=step.kind,
                    duration_ms=step.duration_ms,
                    input=step.input,
                    output=step.output,
                    attributes=dict(step.attributes),
                )
            )
            before_ms += step.duration_ms
        return spans

    def _below(self, after_ms: float = 0) -> dict[str, Any]:
        """Fields of a step below the call's own."""
        return self._common | {
            "trace_id": self._place.trace_id,
            "span_id": new_span_id(),
            "parent_span_id": self._place.span_id,
            "started_at": self._started + timedelta(milliseconds=after_ms),
        }

    def kept_input(self, guarded: GuardedAnswer) -> Any:
        """The input as guards let it pass: what they mask or hide is not kept in the clear."""
        if guarded.call.is_hidden:
            return None
        return self._input if guarded.seen is None else guarded.seen

    def _guard_spans(self, guarded: GuardedAnswer) -> list[Span]:
        return [
            Span(
                **self._below(),
                name=one.guard,
                kind="guard",
                status="ok" if one.is_enforced else "error",
                error=None if one.is_enforced else f"not_enforced: {one.error}",
                duration_ms=one.duration_ms,
                attributes=one.model_dump(exclude={"guard", "duration_ms", "error"}),
            )
            for one in guarded.decisions
            if one.guard != probes.PROBE
        ]
