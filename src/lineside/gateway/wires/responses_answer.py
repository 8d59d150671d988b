"""OpenAI Responses: the answer."""

from collections.abc import Mapping
from typing import Any

from lineside.gateway.canonical.answer import Choice, FinishReason, ModelAnswer, TokenCounts
from lineside.gateway.canonical.parts import Part, ToolCall, Turn
from lineside.gateway.wires.fields import Fields, sent
from lineside.gateway.wires.responses_items import read_output, write_output

_CUT: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "filtered"}


def read_answer(raw: Mapping[str, Any]) -> ModelAnswer:
    """Read a whole answer.

    Raises:
        Invalid: It is none.
    """
    fields = Fields(raw, place="reply")
    parts: list[Part] = []
    for item in fields.need("output", list):
        parts += read_output(item, place="output")
    choice = Choice(turn=Turn(role="assistant", parts=tuple(parts)), **read_finish(raw, parts))
    fields.take("status", str)
    return ModelAnswer(
        wire="responses",
        id=fields.take("id", str) or "",
        model=fields.take("model", str) or "",
        created_s=_read_created(fields),
        choices=(choice,),
        tokens=read_tokens(fields.take("usage", dict)),
        extras=fields.rest,
    )


def _read_created(fields: Fields) -> int | None:
    created = fields.rest.get("created_at")
    return fields.take("created_at", int) if isinstance(created, int) else None


def read_finish(raw: Mapping[str, Any], parts: list[Part]) -> dict[str, Any]:
    """Why an answer ended, as fields of a choice."""
    status = raw.get("status")
    reason = (raw.get("incomplete_details") or {}).get("reason")
    finish: FinishReason | None = "other"
    if status == "completed":
        finish = "tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "stop"
    elif status == "incomplete":
        finish = _CUT.get(str(reason), "other")
    return {"finish_reason": finish, "finish_as_sent": status}


def write_answer(answer: ModelAnswer) -> dict[str, Any]:
    """Write a whole answer."""
    is_own = answer.wire == "responses"
    choice = answer.choices[0] if answer.choices else Choice(turn=Turn(role="assistant"))
    parts = [part for part in choice.turn.parts if is_own or part.kind != "other"]
    output = write_output(parts, is_own=is_own)
    if not is_own:
        output = [named(item, answer.id, at) for at, item in enumerate(output)]
    written = write_head(answer) | {"output": output}
    written |= write_finish(choice, is_own=is_own)
    if answer.tokens is not None:
        written["usage"] = write_tokens(answer.tokens, is_own=is_own)
    return written | sent(answer.extras, is_own=is_own)


def named(item: dict[str, Any], answer_id: str, at: int) -> dict[str, Any]:
    """An item with the id and the state that clients of this wire expect of it."""
    prefix = {"message": "msg", "function_call": "fc", "reasoning": "rs"}.get(item["type"], "item")
    state = {} if item["type"] == "reasoning" else {"status": "completed"}
    return {"id": f"{prefix}_{answer_id}_{at}"} | state | item


def write_head(answer: ModelAnswer) -> dict[str, Any]:
    """The fields of an answer that do not depend on its words."""
    head: dict[str, Any] = {"id": answer.id, "object": "response", "model": answer.model}
    if answer.created_s is not None or answer.wire != "responses":
        head["created_at"] = answer.created_s or 0
    if answer.wire == "responses":
        return head
    return head | {
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
    }


def write_finish(choice: Any, *, is_own: bool) -> dict[str, Any]:
    """The state of an answer that ended, as fields of a response."""
    if is_own and choice.finish_as_sent is not None:
        return {"status": choice.finish_as_sent}
    reason = {value: name for name, value in _CUT.items()}.get(choice.finish_reason)
    if reason is None:
        return {"status": "completed"}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def read_tokens(raw: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read the token counts."""
    if raw is None:
        return None
    read = raw.get("input_tokens_details") or {}
    return TokenCounts(
        tokens_in=raw.get("input_tokens"),
        tokens_cached_in=read.get("cached_tokens"),
        tokens_cache_written_in=read.get("cache_write_tokens"),
        tokens_out=raw.get("output_tokens"),
        tokens_reasoning_out=(raw.get("output_tokens_details") or {}).get("reasoning_tokens"),
        as_sent=dict(raw),
    )


def write_tokens(tokens: TokenCounts, *, is_own: bool) -> dict[str, Any]:
    """Write the token counts."""
    if is_own and tokens.as_sent:
        return dict(tokens.as_sent)
    read, out = tokens.tokens_in or 0, tokens.tokens_out or 0
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": tokens.tokens_cached_in or 0},
        "output_tokens": out,
        "output_tokens_details": {"reasoning_tokens": tokens.tokens_reasoning_out or 0},
        "total_tokens": read + out,
    }
