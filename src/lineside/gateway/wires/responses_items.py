"""OpenAI Responses: the items of a conversation and of an answer."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

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
from lineside.gateway.wires.chat_parts import data_url, split_data_url
from lineside.gateway.wires.fields import Fields, known, sent

_ROLES = ("system", "developer", "user", "assistant")
_WORDS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def read_item(raw: object, *, place: str) -> Turn:
    """Read one item of an input; each is a turn of its own."""
    fields = Fields(raw, place=place)
    kind = fields.rest.get("type")
    if kind in (None, "message") and "role" in fields.rest:
        role = fields.need("role", str)
        if role not in _ROLES:
            raise Invalid("wire_misfit", f"`{place}.role` is `{role[:40]}`, expected {_ROLES}")
        parts, is_plain = _read_content(fields, "content", place=place)
        return Turn(role=cast("Any", role), parts=parts, is_plain=is_plain, extras=fields.rest)
    if kind == "function_call_output":
        fields.take("type", str)
        parts, is_plain = _read_content(fields, "output", place=place)
        result = ToolResult(
            call_id=fields.need("call_id", str),
            parts=cast("tuple[ResultPart, ...]", parts),
            is_plain=is_plain,
            extras=fields.rest,
        )
        return Turn(role="tool", parts=(result,))
    return Turn(role="assistant", parts=tuple(read_output(raw, place=place)))


def _read_content(fields: Fields, name: str, *, place: str) -> tuple[tuple[Part, ...], bool]:
    if isinstance(fields.rest.get(name), str):
        return (TextPart(text=fields.need(name, str)),), True
    pieces = fields.need(name, list)
    return tuple(_read_piece(piece, place=f"{place}.{name}") for piece in pieces), False


def _read_piece(raw: object, *, place: str) -> Part:
    fields = Fields(raw, place=place)
    kind = fields.need("type", str)
    if kind in _WORDS:
        text = fields.need(_WORDS[kind], str)
        logprobs = tuple(fields.take_list("logprobs"))
        extras = {**fields.rest, "~type": kind}
        return TextPart(text=text, is_refusal=kind == "refusal", logprobs=logprobs, extras=extras)
    if kind == "input_image":
        return _medium("image", fields, "image_url")
    if kind == "input_file":
        return _medium("file", fields, "file_data")
    return OtherPart(content={"type": kind, **fields.rest})


def _medium(medium: Any, fields: Fields, name: str) -> MediaPart:
    address = fields.take(name, str)
    mime_type, data = split_data_url(address or "")
    url = address if data is None else fields.take("file_url", str)
    return MediaPart(
        medium=medium,
        mime_type=mime_type,
        data=data,
        url=url if url is not None else fields.take("file_url", str),
        file_id=fields.take("file_id", str),
        name=fields.take("filename", str),
        extras=fields.rest,
    )


def read_output(raw: object, *, place: str) -> list[Part]:
    """Read one item that a model made."""
    fields = Fields(raw, place=place)
    kind = fields.need("type", str)
    if kind == "function_call":
        return [
            ToolCall(
                id=fields.need("call_id", str),
                name=fields.need("name", str),
                arguments=fields.take("arguments", str) or "",
                extras=fields.rest,
            )
        ]
    if kind == "reasoning":
        return [read_thought(fields)]
    if kind == "message" and fields.rest.get("content"):
        pieces = fields.need("content", list)
        parts = [_read_piece(piece, place=f"{place}.content") for piece in pieces]
        if all(isinstance(part, TextPart) for part in parts):
            item = fields.rest
            marks = [{"~item": item}, *({} for _ in parts[1:])]
            return [
                part.model_copy(update={"extras": part.extras | mark})
                for part, mark in zip(parts, marks, strict=True)
            ]
        fields.rest["content"] = pieces
    return [OtherPart(content={"type": kind, **fields.rest})]


def read_thought(fields: Fields) -> ReasoningPart:
    """Read a thought: its words out of two lists, with where one piece ends and the next begins."""
    texts: list[str] = []
    cuts: dict[str, list[int]] = {}
    for name in ("summary", "content"):
        pieces = fields.rest.pop(name, None)
        if pieces is not None:
            words = [str(piece.get("text", "")) for piece in pieces]
            cuts[name] = [len(text) for text in words]
            texts += words
    return ReasoningPart(
        text="".join(texts),
        signature=fields.take("encrypted_content", str),
        extras={**fields.rest, "~cuts": cuts},
    )


def write_turn(turn: Turn, *, is_own: bool) -> list[dict[str, Any]]:
    """Write a turn as items: thoughts, calls and results stand beside messages."""
    items: list[dict[str, Any]] = []
    waiting: list[Part] = []

    def flush() -> None:
        if waiting:
            items.append(_message(turn, waiting, is_own=is_own))
            waiting.clear()

    for part in turn.parts:
        if isinstance(part, TextPart | MediaPart) and "~item" not in part.extras:
            waiting.append(part)
            continue
        flush()
        if isinstance(part, ToolResult):
            items.append(_result(part, is_own=is_own))
        elif isinstance(part, OtherPart) and "role" in turn.extras:
            waiting.append(part)
        else:
            items += write_output([part], is_own=is_own)
    flush()
    if not items and not turn.parts:
        items.append(_message(turn, [], is_own=is_own))
    return items


def _message(turn: Turn, parts: Sequence[Part], *, is_own: bool) -> dict[str, Any]:
    role = "user" if turn.role == "tool" else turn.role
    content: Any = [_write_piece(part, role=role, is_own=is_own) for part in parts]
    if turn.is_plain and len(parts) == 1 and isinstance(parts[0], TextPart):
        content = parts[0].text
    written = {} if is_own else {"type": "message"}
    return written | {"role": role, "content": content} | sent(turn.extras, is_own=is_own)


def _result(part: ToolResult, *, is_own: bool) -> dict[str, Any]:
    output: Any = [_write_piece(piece, role="user", is_own=is_own) for piece in part.parts]
    if part.is_plain or (not is_own and all(piece.kind == "text" for piece in part.parts)):
        output = part.text
    written = {"type": "function_call_output", "call_id": part.call_id, "output": output}
    return written | sent(part.extras, is_own=is_own)


def _write_piece(part: Part, *, role: str, is_own: bool) -> dict[str, Any]:
    extras = sent(part.extras, is_own=is_own)
    if isinstance(part, TextPart):
        usual = "output_text" if role == "assistant" else "input_text"
        kind = "refusal" if part.is_refusal else usual
        kind = part.extras.get("~type", kind) if is_own else kind
        written: dict[str, Any] = {"type": kind, _WORDS[kind]: part.text}
        if part.logprobs and is_own:
            written["logprobs"] = list(part.logprobs)
        if kind == "output_text" and not is_own:
            written["annotations"] = []
        return written | extras
    if isinstance(part, MediaPart):
        return _write_medium(part) | extras
    return dict(cast("OtherPart", part).content)


def _write_medium(part: MediaPart) -> dict[str, Any]:
    named = known({"file_id": part.file_id, "filename": part.name})
    if part.medium == "image":
        address = {} if part.file_id is not None else {"image_url": data_url(part)}
        return {"type": "input_image"} | address | named
    if part.data is not None:
        return {"type": "input_file", "file_data": data_url(part)} | named
    return {"type": "input_file"} | known({"file_url": part.url}) | named


def write_output(parts: Iterable[Part], *, is_own: bool) -> list[dict[str, Any]]:
    """Write what a model made as items; texts that were one message become one again."""
    items: list[dict[str, Any]] = []
    for part in parts:
        extras = sent(part.extras, is_own=is_own)
        if isinstance(part, TextPart):
            piece = _write_piece(part, role="assistant", is_own=is_own)
            begins = "~item" in part.extras or not items or items[-1].get("type") != "message"
            if begins:
                item = {"type": "message", "role": "assistant", "status": "completed"}
                own = part.extras.get("~item", {}) if is_own else {}
                items.append(item | own | {"content": []})
            items[-1]["content"].append(piece)
        elif isinstance(part, ToolCall):
            call = {"type": "function_call", "call_id": part.id, "name": part.name}
            items.append(call | {"arguments": part.arguments} | extras)
        elif isinstance(part, ReasoningPart):
            if is_own or part.text:
                items.append(write_thought(part, is_own=is_own) | extras)
        elif isinstance(part, OtherPart):
            items.append(dict(part.content))
    return items


def write_thought(part: ReasoningPart, *, is_own: bool) -> dict[str, Any]:
    """Write a thought."""
    cuts = part.extras.get("~cuts") if is_own else None
    kinds = {"summary": "summary_text", "content": "reasoning_text"}
    if cuts is None or sum(map(sum, cuts.values())) != len(part.text):
        cuts = {"summary": [len(part.text)] if part.text else []}
    item: dict[str, Any] = {"type": "reasoning"}
    start = 0
    for name, lengths in cuts.items():
        item[name] = []
        for length in lengths:
            item[name].append({"type": kinds[name], "text": part.text[start : start + length]})
            start += length
    return item | (known({"encrypted_content": part.signature}) if is_own else {})
