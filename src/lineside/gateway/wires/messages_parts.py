"""Anthropic Messages: the content blocks of a conversation."""

from collections.abc import Sequence
from typing import Any, cast

import orjson

from lineside.core import Invalid
from lineside.gateway.canonical.parts import (
    MediaPart,
    OtherPart,
    Part,
    ReasoningPart,
    ResultPart,
    TextPart,
    ToolCall,
    ToolResult,
    Turn,
)
from lineside.gateway.wires.fields import Fields, arguments_object, known, sent


def read_turn(raw: object, *, place: str) -> Turn:
    """Read one message."""
    fields = Fields(raw, place=place)
    role = fields.need("role", str)
    if role not in ("user", "assistant", "system"):
        raise Invalid("wire_misfit", f"`{place}.role` is `{role[:40]}`, expected user or assistant")
    parts, is_plain = read_content(fields, "content", place=place)
    return Turn(role=cast("Any", role), parts=parts, is_plain=is_plain, extras=fields.rest)


def read_content(fields: Fields, name: str, *, place: str) -> tuple[tuple[Part, ...], bool]:
    """Take content that is one text or a list of blocks; say which."""
    if isinstance(fields.rest.get(name), str):
        return (TextPart(text=fields.need(name, str)),), True
    blocks = fields.need(name, list)
    return tuple(read_block(block, place=f"{place}.{name}") for block in blocks), False


def read_block(raw: object, *, place: str) -> Part:
    """Read one block."""
    fields = Fields(raw, place=place)
    kind = fields.need("type", str)
    if kind == "text":
        return TextPart(text=fields.need("text", str), extras=fields.rest)
    if kind == "thinking":
        return ReasoningPart(
            text=fields.take("thinking", str) or "",
            signature=fields.take("signature", str),
            extras=fields.rest,
        )
    if kind == "redacted_thinking":
        return ReasoningPart(sealed=fields.need("data", str), extras=fields.rest)
    if kind == "tool_use":
        return ToolCall(
            id=fields.need("id", str),
            name=fields.need("name", str),
            arguments=orjson.dumps(fields.take("input", dict) or {}).decode(),
            extras=fields.rest,
        )
    if kind == "tool_result":
        has_content = fields.rest.get("content") is not None
        parts, is_plain = (
            read_content(fields, "content", place=place) if has_content else ((), False)
        )
        extras = fields.rest if has_content else {**fields.rest, "~empty": True}
        return ToolResult(
            call_id=fields.need("tool_use_id", str),
            is_error=fields.take("is_error", bool),
            parts=cast("tuple[ResultPart, ...]", parts),
            is_plain=is_plain,
            extras=extras,
        )
    if kind in ("image", "document") and isinstance(fields.rest.get("source"), dict):
        medium = _read_medium(kind, fields, place=place)
        if medium is not None:
            return medium
    return OtherPart(content={"type": kind, **fields.rest})


def _read_medium(kind: str, fields: Fields, *, place: str) -> MediaPart | None:
    source = Fields(fields.rest["source"], place=f"{place}.source")
    source_kind = source.need("type", str)
    names = {"base64": "data", "url": "url", "file": "file_id"}
    if source_kind not in names:
        return None  # a text as a document, or content nested in it
    del fields.rest["source"]
    values: dict[str, Any] = {names[source_kind]: source.need(names[source_kind], str)}
    return MediaPart(
        medium="image" if kind == "image" else "file",
        mime_type=source.take("media_type", str),
        name=fields.take("title", str),
        extras={**fields.rest, "~inner": source.rest},
        **values,
    )


def write_turn(turn: Turn, *, is_own: bool) -> dict[str, Any]:
    """Write one message."""
    role = turn.role if turn.role in ("assistant", "system") else "user"
    return {
        "role": role,
        "content": write_content(turn.parts, is_plain=turn.is_plain, is_own=is_own),
    } | sent(turn.extras, is_own=is_own)


def write_content(parts: Sequence[Part], *, is_plain: bool, is_own: bool) -> Any:
    """Write content as one text where it was one, else as blocks."""
    if is_plain and len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    written = (write_block(part, is_own=is_own) for part in parts)
    return [block for block in written if block is not None]


def write_block(part: Part, *, is_own: bool) -> dict[str, Any] | None:
    """Write one block; a thought that another provider signed says nothing here."""
    extras = sent(part.extras, is_own=is_own)
    if isinstance(part, TextPart):
        # An empty text block is refused, and says nothing.
        return {"type": "text", "text": part.text} | extras if part.text or is_own else None
    if isinstance(part, ReasoningPart):
        return _write_thought(part, extras, is_own=is_own)
    if isinstance(part, ToolCall):
        arguments = arguments_object(part.arguments, tool=part.name)
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments} | extras
    if isinstance(part, ToolResult):
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.call_id}
        if "~empty" not in part.extras:
            result["content"] = write_content(part.parts, is_plain=part.is_plain, is_own=is_own)
        return result | known({"is_error": part.is_error}) | extras
    if isinstance(part, MediaPart):
        return _write_medium(part, is_own=is_own) | extras
    return dict(part.content)


def _write_thought(
    part: ReasoningPart, extras: dict[str, Any], *, is_own: bool
) -> dict[str, Any] | None:
    # What an Anthropic model signed comes back over Chat Completions in OpenRouter's form.
    signed = "~detail" in part.extras or not part.extras
    if not is_own and (not signed or (part.signature is None and part.sealed is None)):
        return None
    if part.sealed is not None:
        return {"type": "redacted_thinking", "data": part.sealed} | extras
    written = {"type": "thinking", "thinking": part.text}
    return written | known({"signature": part.signature}) | extras


def _write_medium(part: MediaPart, *, is_own: bool) -> dict[str, Any]:
    if part.medium in ("audio", "video"):
        raise Invalid(
            "not_on_this_wire",
            f"The model that is to answer takes no {part.medium}",
            hint="Send text, images or documents, or ask a model that hears and sees.",
        )
    if part.data is not None:
        usual = "image/png" if part.medium == "image" else "application/pdf"
        source = {"type": "base64", "media_type": part.mime_type or usual, "data": part.data}
    elif part.file_id is not None:
        source = {"type": "file", "file_id": part.file_id}
    else:
        source = {"type": "url", "url": part.url or ""}
    kind = "image" if part.medium == "image" else "document"
    inner = part.extras.get("~inner", {}) if is_own else {}
    return {"type": kind, "source": source | inner} | known({"title": part.name})
