"""Gemini: the answer."""

from collections.abc import Mapping
from typing import Any

from lineside.gateway.canonical.answer import Choice, FinishReason, ModelAnswer, TokenCounts
from lineside.gateway.canonical.parts import ToolCall, Turn
from lineside.gateway.wires.fields import Fields, known, sent
from lineside.gateway.wires.gemini_parts import read_turn, write_turn

_FILTERED = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY")
FINISHES: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(_FILTERED, "filtered"),
}
_WRITTEN = {"length": "MAX_TOKENS", "filtered": "SAFETY", "refused": "SAFETY"}


def read_answer(raw: Mapping[str, Any]) -> ModelAnswer:
    """Read a whole answer.

    Raises:
        Invalid: It is none.
    """
    fields = Fields(raw, place="reply")
    answer_id = fields.take("responseId", str) or ""
    choices = [_read_choice(item, answer_id) for item in fields.take_list("candidates")]
    blocked = (fields.rest.get("promptFeedback") or {}).get("blockReason")
    if blocked and not choices:
        choices = [Choice(turn=Turn(role="assistant"), finish_reason="filtered")]
    return ModelAnswer(
        wire="gemini",
        id=answer_id,
        model=fields.take("modelVersion", str) or "",
        choices=tuple(choices),
        tokens=read_tokens(fields.take("usageMetadata", dict)),
        extras=fields.rest | ({"~blocked": True} if blocked else {}),
    )


def _read_choice(raw: object, answer_id: str) -> Choice:
    fields = Fields(raw, place="candidates")
    content = fields.take("content", dict)
    turn = Turn(role="assistant", extras={"~content": "missing"})
    if content is not None:
        turn = read_turn(content, place="content", answer_id=f"{answer_id[:12]}_")
        turn = turn.model_copy(update={"role": "assistant"})
    finish = fields.take("finishReason", str)
    has_index = "index" in fields.rest
    return Choice(
        index=fields.take("index", int) or 0,
        turn=turn,
        finish_reason=read_finish(finish, has_calls=_has_calls(turn)),
        finish_as_sent=finish,
        extras=fields.rest | ({} if has_index else {"~index": "missing"}),
    )


def _has_calls(turn: Turn) -> bool:
    return any(isinstance(part, ToolCall) for part in turn.parts)


def read_finish(word: str | None, *, has_calls: bool) -> FinishReason | None:
    """Why an answer ended; this wire has no word of its own for a tool call."""
    if word == "STOP" and has_calls:
        return "tool_calls"
    return FINISHES.get(word, "other") if word else None


def write_answer(answer: ModelAnswer) -> dict[str, Any]:
    """Write a whole answer."""
    is_own = answer.wire == "gemini"
    written: dict[str, Any] = {}
    is_blocked = is_own and "~blocked" in answer.extras
    if not is_blocked:
        written["candidates"] = [write_choice(choice, is_own=is_own) for choice in answer.choices]
    written |= known({"responseId": answer.id or None, "modelVersion": answer.model or None})
    if answer.tokens is not None:
        written["usageMetadata"] = write_tokens(answer.tokens, is_own=is_own)
    return written | sent(answer.extras, is_own=is_own)


def write_choice(choice: Choice, *, is_own: bool) -> dict[str, Any]:
    """Write one candidate."""
    written: dict[str, Any] = {}
    turn = choice.turn
    if not is_own:
        parts = tuple(part for part in turn.parts if part.kind != "other")
        turn = turn.model_copy(update={"parts": parts})
    if not (is_own and turn.extras.get("~content") == "missing"):
        written["content"] = write_turn(turn, is_own=is_own, names={})
    written |= known({"finishReason": write_finish(choice, is_own=is_own)})
    if not (is_own and choice.extras.get("~index") == "missing"):
        written["index"] = choice.index
    extras = {k: v for k, v in choice.extras.items() if k != "~content"}
    return written | sent(extras, is_own=is_own)


def write_finish(choice: Any, *, is_own: bool) -> str | None:
    """The word for why an answer ended."""
    if is_own or choice.finish_reason is None:
        return choice.finish_as_sent  # type: ignore[no-any-return]
    return _WRITTEN.get(choice.finish_reason, "STOP")


def read_tokens(raw: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read the token counts; this wire counts thoughts, and what its tools read, apart."""
    if raw is None:
        return None
    said, thought = raw.get("candidatesTokenCount"), raw.get("thoughtsTokenCount")
    read, tools = raw.get("promptTokenCount"), raw.get("toolUsePromptTokenCount")
    return TokenCounts(
        tokens_in=None if read is None else read + (tools or 0),
        tokens_cached_in=raw.get("cachedContentTokenCount"),
        tokens_out=None if said is None and thought is None else (said or 0) + (thought or 0),
        tokens_reasoning_out=thought,
        as_sent=dict(raw),
    )


def write_tokens(tokens: TokenCounts, *, is_own: bool) -> dict[str, Any]:
    """Write the token counts."""
    if is_own and tokens.as_sent:
        return dict(tokens.as_sent)
    thought = tokens.tokens_reasoning_out or 0
    read, out = tokens.tokens_in or 0, tokens.tokens_out or 0
    return {
        "promptTokenCount": read,
        "cachedContentTokenCount": tokens.tokens_cached_in or 0,
        "candidatesTokenCount": max(0, out - thought),
        "thoughtsTokenCount": thought,
        "totalTokenCount": read + out,
    }
