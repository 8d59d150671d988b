"""Chat Completions: the answer."""

from collections.abc import Mapping
from typing import Any, cast

from lineside.gateway.canonical.answer import Choice, FinishReason, ModelAnswer, TokenCounts
from lineside.gateway.canonical.parts import TextPart
from lineside.gateway.wires.chat_parts import read_turn, write_turn
from lineside.gateway.wires.fields import Fields, sent

FINISHES: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filtered",
}
_WRITTEN: dict[str, str] = {
    "filtered": "content_filter",
    "length": "length",
    "tool_calls": "tool_calls",
}


def read_answer(raw: Mapping[str, Any]) -> ModelAnswer:
    """Read a whole answer.

    Raises:
        Invalid: It is none.
    """
    fields = Fields(raw, place="reply")
    choices = [_read_choice(choice) for choice in fields.need("choices", list)]
    return ModelAnswer(
        wire="chat",
        id=fields.take("id", str) or "",
        model=fields.take("model", str) or "",
        created_s=fields.take("created", int),
        choices=tuple(choices),
        tokens=read_tokens(fields.take("usage", dict)),
        extras=fields.rest,
    )


def _read_choice(raw: object) -> Choice:
    fields = Fields(raw, place="choices")
    turn = read_turn(fields.need("message", dict), place="message")
    finish = fields.take("finish_reason", str)
    logprobs = fields.take("logprobs", dict)
    if logprobs is not None:
        content = logprobs.get("content")
        at = next((i for i, part in enumerate(turn.parts) if isinstance(part, TextPart)), None)
        if content and at is not None:
            said = turn.parts[at].model_copy(update={"logprobs": tuple(content)})
            parts = (*turn.parts[:at], said, *turn.parts[at + 1 :])
            turn = turn.model_copy(update={"parts": parts})
            logprobs = {name: value for name, value in logprobs.items() if name != "content"}
        fields.rest["~logprobs"] = logprobs
    return Choice(
        index=fields.take("index", int) or 0,
        turn=turn,
        finish_reason=FINISHES.get(finish, "other") if finish else None,
        finish_as_sent=finish,
        extras=fields.rest,
    )


def write_answer(answer: ModelAnswer) -> dict[str, Any]:
    """Write a whole answer."""
    is_own = answer.wire == "chat"
    written: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created_s or 0,
        "model": answer.model,
        "choices": [_write_choice(choice, is_own=is_own) for choice in answer.choices],
    }
    if answer.tokens is not None:
        written["usage"] = write_tokens(answer.tokens, is_own=is_own)
    return written | sent(answer.extras, is_own=is_own)


def _write_choice(choice: Choice, *, is_own: bool) -> dict[str, Any]:
    turn = choice.turn
    if not is_own:
        # What a provider's own tools did stays there; the words around it are the answer.
        parts = tuple(part for part in turn.parts if part.kind != "other")
        turn = turn.model_copy(update={"parts": parts})
    message = write_turn(turn, is_own=is_own)[0]
    logprobs = [item for part in turn.parts if isinstance(part, TextPart) for item in part.logprobs]
    written: dict[str, Any] = {"index": choice.index, "message": message}
    written["finish_reason"] = write_finish(choice, is_own=is_own)
    marked = choice.extras.get("~logprobs") if is_own else None
    if logprobs or marked is not None:
        written["logprobs"] = ({"content": logprobs} if logprobs else {}) | (marked or {})
    return written | sent(choice.extras, is_own=is_own)


def write_finish(choice: Any, *, is_own: bool) -> str | None:
    """The word for why an answer ended."""
    if choice.finish_reason is None or (is_own and choice.finish_as_sent):
        return cast("str | None", choice.finish_as_sent)
    return _WRITTEN.get(choice.finish_reason, "stop")


def read_tokens(raw: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read the token counts."""
    if raw is None:
        return None
    read = raw.get("prompt_tokens_details") or {}
    written = raw.get("completion_tokens_details") or {}
    cached = read.get("cached_tokens")
    if cached is None:
        cached = raw.get("cached_tokens", raw.get("prompt_cache_hit_tokens"))
    return TokenCounts(
        tokens_in=raw.get("prompt_tokens"),
        tokens_cached_in=cached,
        tokens_cache_written_in=read.get("cache_write_tokens"),
        tokens_out=raw.get("completion_tokens"),
        tokens_reasoning_out=written.get("reasoning_tokens"),
        as_sent=dict(raw),
    )


def write_tokens(tokens: TokenCounts, *, is_own: bool) -> dict[str, Any]:
    """Write the token counts."""
    if is_own and tokens.as_sent:
        return dict(tokens.as_sent)
    read, out = tokens.tokens_in or 0, tokens.tokens_out or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": out,
        "total_tokens": read + out,
        "prompt_tokens_details": {"cached_tokens": tokens.tokens_cached_in or 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.tokens_reasoning_out or 0},
    }
