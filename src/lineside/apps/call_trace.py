"""The trace of a call by one of the model doors, and how it joins the caller's own."""

import time
from dataclasses import asdict
from typing import Any

from lineside.apps.call_place import CallPlace
from lineside.apps.metadata_kept import metadata_kept, metadata_of
from lineside.apps.metered import payer_said
from lineside.apps.model_guards import (
    chain_of,
    decisions_of,
    hold_back_of,
    request_kept,
    turn_kept,
)
from lineside.apps.people_kept import people_kept
from lineside.core import LinesideError, now
from lineside.gateway import cache, calls, canonical
from lineside.traces import Message, Span, record
from lineside.trust import Scope


class CallTrace:
    """Watches the events of one call and keeps its span when it ends, however it ends.

    A call that its use case has written down is not written down again.
    """

    def __init__(self, scope: Scope, call: calls.ModelCall, place: CallPlace) -> None:
        self._scope, self._call, self._place = scope, call, place
        self._started_at, self._clock = now(), time.perf_counter()
        self._first_ms: float | None = None
        self._assembly = canonical.Assembly()
        self._answer: canonical.ModelAnswer | None = None

    @property
    def answer(self) -> canonical.ModelAnswer:
        """What came of the answer so far; put together once where that is all."""
        if self._answer is not None:
            return self._answer
        answer = self._assembly.answer()
        if self._assembly.is_whole:
            self._answer = answer
        return answer

    def saw(self, event: canonical.AnswerEvent) -> None:
        """Take in an event on its way to the caller."""
        if self._first_ms is None and not isinstance(event, canonical.AnswerStarted):
            self._first_ms = self._elapsed_ms()
        self._assembly.add(event)

    async def keep(self) -> None:
        """Write down a call that was answered; it is durable when this returns."""
        if not self._place.is_kept:
            await record.keep_spans(self._scope, [self._span(None)])

    async def keep_error(self, error: LinesideError) -> None:
        """Write down a call that failed, with what had come of the answer."""
        if not self._place.is_kept:
            failed = self._span(f"{error.code}: {error.message}")
            await record.keep_spans(self._scope, [failed])

    def keep_left(self) -> None:
        """Write down that the caller left; nobody waits for it."""
        if not self._place.is_kept:
            record.keep_spans(
                self._scope, [self._span("caller_left: The caller left before the end")]
            )

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._clock) * 1000

    def _span(self, error: str | None) -> Span:
        call, served, answer = self._call, self._call.served, self.answer
        request, tokens = request_kept(call), answer.tokens or canonical.TokenCounts()
        cached = served.attributes.get(cache.CACHED)
        if cached in ("hit", "semantic"):  # no model read or wrote any
            tokens = canonical.TokenCounts(tokens_in=0, tokens_out=0)
        model = answer.model or served.model or request.model
        return Span(
            **self._place.keep(),
            name=call.use_case or model,
            kind="app" if call.use_case else "model",
            status="error" if error else "ok",
            error=error,
            started_at=self._started_at,
            duration_ms=self._elapsed_ms(),
            use_case=call.use_case,
            **people_kept(self._scope, chain_of(call), session=call.session, user=call.user),
            provider=served.provider,
            model=None if call.use_case else model,
            model_asked=request.model,
            messages_in=[_traced(turn) for turn in request.all_turns],
            messages_out=[
                _traced(turn_kept(call, choice.turn), choice) for choice in answer.choices
            ],
            tokens_in=tokens.tokens_in,
            tokens_out=tokens.tokens_out,
            tokens_cached_in=tokens.tokens_cached_in,
            tokens_cache_written_in=tokens.tokens_cache_written_in,
            tokens_reasoning_out=tokens.tokens_reasoning_out,
            first_chunk_ms=self._first_ms if request.is_stream else None,
            attributes=payer_said(self._scope)
            | metadata_kept(chain_of(call), metadata_of(request)[0])
            | {"attempts": served.attempts, "wire": request.wire, "wants": call.wants}
            | {name: said for name, said in served.attributes.items() if name in cache.SAID}
            | ({"route": list(served.why)} if served.why else {})
            | ({"tries": [asdict(one) for one in served.tries]} if len(served.tries) > 1 else {})
            | {
                "guards": [dict(vars(one)) for one in decisions_of(call)],
                "hold_back": hold_back_of(call),
            },
        )


def _traced(turn: canonical.Turn, choice: canonical.Choice | None = None) -> Message:
    role = "system" if turn.role == "developer" else turn.role
    finish = choice.finish_reason if choice else None
    parts = [_part(part) for part in turn.parts]
    return Message(role=role, parts=parts, finish_reason=finish)


def _part(part: canonical.Part) -> dict[str, Any]:
    match part:
        case canonical.TextPart():
            return {"type": "text", "content": part.text}
        case canonical.ReasoningPart():
            return {"type": "reasoning", "content": part.text}
        case canonical.ToolCall():
            name, arguments = part.name, part.arguments
            return {"type": "tool_call", "id": part.id, "name": name, "arguments": arguments}
        case canonical.ToolResult():
            return {"type": "tool_result", "id": part.call_id, "result": part.text}
        case canonical.MediaPart():
            where = {"data": part.data} if part.data else {"uri": part.url or part.file_id}
            return {"type": "media", "mime_type": part.mime_type, **where}
        case canonical.OtherPart():
            return {"type": "other", **part.content}
