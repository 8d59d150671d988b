"""Anthropic Messages: the answer."""

from collections.abc import Mapping
from typing import Any

from lineside.gateway.canonical.answer import Choice, FinishReason, ModelAnswer, TokenCounts
from lineside.gateway.canonical.parts import Turn
from lineside.gateway.wires.fields import Fields, known, sent
from lineside.gateway.wires.messages_parts import read_block, write_block

FINISHES: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refused",
    "pause_turn": "paused",
}
_WRITTEN = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refused": "refusal",
    "filtered": "refusal",
    "paused": "pause_turn",
}


def read_answer(raw: Mapping[str, Any]) -> ModelAnswer:
    """Read a whole answer.

    Raises:
        Invalid: It is none.
    """
    fields = Fields(raw, place="reply")
    fields.need("type", str)
    fields.need("role", str)
    parts = tuple(read_block(block, place="content") for block in fields.need("content", list))
    finish = fields.take("stop_reason", str)
    choice = Choice(
        turn=Turn(role="assistant", parts=parts),
        finish_reason=FINISHES.get(finish, "other") if finish else None,
        finish_as_sent=finish,
        extras={name: fields.rest.pop(name) for name in STOPS if name in fields.rest},
    )
    return ModelAnswer(
        wire="messages",
        id=fields.take("id", str) or "",
        model=fields.take("model", str) or "",
        choices=(choice,),
        tokens=read_tokens(fields.take("usage", dict)),
        extras=fields.rest,
    )


STOPS = ("stop_sequence", "stop_details")
"""Fields of an answer that belong to its end, as its stream shows."""


def write_answer(answer: ModelAnswer) -> dict[str, Any]:
    """Write a whole answer."""
    is_own = answer.wire == "messages"
    choice = answer.choices[0] if answer.choices else Choice(turn=Turn(role="assistant"))
    blocks = [
        answer_block(part, is_own=is_own)
        for part in choice.turn.parts
        if is_own or part.kind != "other"
    ]
    written: dict[str, Any] = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [block for block in blocks if block is not None],
        "stop_reason": write_finish(choice, is_own=is_own),
    }
    if not is_own:
        written["stop_sequence"] = None
    written["usage"] = write_tokens(answer.tokens, is_own=is_own)
    return written | sent(choice.extras, is_own=is_own) | sent(answer.extras, is_own=is_own)


def answer_block(part: Any, *, is_own: bool) -> dict[str, Any] | None:
    """A block of an answer; here a thought of any provider is shown, signed or not."""
    if part.kind == "reasoning" and not is_own:
        if part.sealed is not None:
            return {"type": "redacted_thinking", "data": part.sealed}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    return write_block(part, is_own=is_own)


def write_finish(choice: Any, *, is_own: bool) -> str | None:
    """The word for why an answer ended."""
    if is_own or choice.finish_reason is None:
        return choice.finish_as_sent  # type: ignore[no-any-return]
    return _WRITTEN.get(choice.finish_reason, "end_turn")


def read_tokens(raw: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read the token counts; this wire counts cached tokens apart from the others."""
    if raw is None:
        return None
    cached, kept = raw.get("cache_read_input_tokens"), raw.get("cache_creation_input_tokens")
    read = raw.get("input_tokens")
    return TokenCounts(
        tokens_in=None if read is None else read + (cached or 0) + (kept or 0),
        tokens_cached_in=cached,
        tokens_cache_written_in=kept,
        tokens_out=raw.get("output_tokens"),
        tokens_reasoning_out=(raw.get("output_tokens_details") or {}).get("thinking_tokens"),
        as_sent=dict(raw),
    )


def write_tokens(tokens: TokenCounts | None, *, is_own: bool) -> dict[str, Any]:
    """Write the token counts."""
    if tokens is None:
        return {"input_tokens": 0, "output_tokens": 0}
    if is_own and tokens.as_sent:
        return dict(tokens.as_sent)
    cached, kept = tokens.tokens_cached_in, tokens.tokens_cache_written_in
    return {
        "input_tokens": max(0, (tokens.tokens_in or 0) - (cached or 0) - (kept or 0)),
        "output_tokens": tokens.tokens_out or 0,
    } | known({"cache_read_input_tokens": cached, "cache_creation_input_tokens": kept})
