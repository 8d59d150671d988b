"""Gemini: the parts of a conversation."""

from typing import Any

import orjson

from lineside.core import Invalid
from lineside.gateway.canonical.parts import (
    MediaPart,
    OtherPart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCall,
    ToolResult,
    Turn,
)
from lineside.gateway.wires.fields import Fields, arguments_object, known, sent

_MEDIA = ("image", "audio", "video")


def read_turn(raw: object, *, place: str, answer_id: str = "") -> Turn:
    """Read one content; calls without an id are given one, which is not sent back."""
    fields = Fields(raw, place=place)
    role = fields.take("role", str)
    marks = {} if role is None else {"~role": role}
    items = fields.rest.pop("parts", None)
    if items is None:
        marks["~parts"] = "missing"
    parts = tuple(
        read_part(item, place=f"{place}.parts[{at}]", call_id=f"call_{answer_id}{at}")
        for at, item in enumerate(items or ())
    )
    return Turn(
        role="assistant" if role == "model" else "user",
        parts=parts,
        extras={**fields.rest, **marks},
    )


def read_part(raw: object, *, place: str, call_id: str) -> Part:
    """Read one part."""
    fields = Fields(raw, place=place)
    if isinstance(fields.rest.get("text"), str):
        text = fields.need("text", str)
        if fields.rest.get("thought") is True:
            fields.take("thought", bool)
            signature = fields.take("thoughtSignature", str)
            return ReasoningPart(text=text, signature=signature, extras=fields.rest)
        return TextPart(text=text, extras=fields.rest)
    if "functionCall" in fields.rest:
        call = Fields(fields.need("functionCall", dict), place=f"{place}.functionCall")
        has_arguments = "args" in call.rest
        arguments = call.take("args", dict)
        return ToolCall(
            id=str(call.rest.get("id") or call_id),
            name=call.need("name", str),
            arguments=orjson.dumps(arguments or {}).decode(),
            signature=fields.take("thoughtSignature", str),
            extras={**fields.rest, "~inner": call.rest, "~args": has_arguments},
        )
    if "functionResponse" in fields.rest:
        given = Fields(fields.need("functionResponse", dict), place=f"{place}.functionResponse")
        response = given.need("response", dict)
        name = given.need("name", str)
        return ToolResult(
            call_id=str(given.rest.get("id") or name),
            name=name,
            parts=(TextPart(text=orjson.dumps(response).decode()),),
            extras={**fields.rest, "~inner": given.rest},
        )
    for name, needed in (("inlineData", "data"), ("fileData", "fileUri")):
        if isinstance(fields.rest.get(name), dict) and needed in fields.rest[name]:
            return _read_medium(name, fields, place=place)
    return OtherPart(content=fields.rest)


def _read_medium(name: str, fields: Fields, *, place: str) -> MediaPart:
    inner = Fields(fields.need(name, dict), place=f"{place}.{name}")
    mime_type = inner.take("mimeType", str)
    kind = (mime_type or "").partition("/")[0]
    medium: Any = kind if kind in _MEDIA else "file"
    values: dict[str, Any] = {"medium": medium, "mime_type": mime_type}
    if name == "inlineData":
        values["data"] = inner.need("data", str)
    else:
        values["url"] = inner.need("fileUri", str)
    return MediaPart(**values, extras={**fields.rest, "~inner": inner.rest})


def write_turn(turn: Turn, *, is_own: bool, names: dict[str, str]) -> dict[str, Any]:
    """Write one content.

    Args:
        names: Of the tools by the ids of their calls, which results are known by here.
    """
    parts = [write_part(part, is_own=is_own, names=names) for part in turn.parts]
    written: dict[str, Any] = {"parts": [part for part in parts if part is not None]}
    if is_own and turn.extras.get("~parts") == "missing":
        written = {}
    role = turn.extras.get("~role") if is_own else None
    if role is None and not is_own:
        role = "model" if turn.role == "assistant" else "user"
    return known({"role": role}) | written | sent(turn.extras, is_own=is_own)


def write_part(part: Part, *, is_own: bool, names: dict[str, str]) -> dict[str, Any] | None:
    """Write one part; a thought of another provider says nothing here."""
    extras = sent(part.extras, is_own=is_own)
    inner = part.extras.get("~inner", {}) if is_own else {}
    if isinstance(part, TextPart):
        return {"text": part.text} | extras if part.text or is_own else None
    if isinstance(part, ReasoningPart):
        if not is_own:
            return None
        signature = known({"thoughtSignature": part.signature})
        return {"text": part.text, "thought": True} | signature | extras
    if isinstance(part, ToolCall):
        arguments = arguments_object(part.arguments, tool=part.name)
        call: dict[str, Any] = {"name": part.name}
        if arguments or part.extras.get("~args", True):
            call["args"] = arguments
        signature = known({"thoughtSignature": part.signature})
        return {"functionCall": call | inner} | signature | extras
    if isinstance(part, ToolResult):
        name = part.name or names.get(part.call_id, part.call_id)
        return {"functionResponse": {"name": name, "response": _response(part)} | inner} | extras
    if isinstance(part, MediaPart):
        return _write_medium(part, inner) | extras
    return dict(part.content)


def _response(part: ToolResult) -> dict[str, Any]:
    """The result as the object that this wire asks for."""
    try:
        value = orjson.loads(part.text)
    except orjson.JSONDecodeError:
        value = part.text
    if isinstance(value, dict):
        return value
    return {"error" if part.is_error else "output": value}


def _write_medium(part: MediaPart, inner: dict[str, Any]) -> dict[str, Any]:
    mime = known({"mimeType": part.mime_type})
    if part.data is not None:
        return {"inlineData": {"data": part.data} | mime | inner}
    if part.url is None:
        raise Invalid(
            "not_on_this_wire",
            f"A {part.medium} that is only an id at its provider cannot be sent to another",
            hint="Send its bytes or its address.",
        )
    return {"fileData": {"fileUri": part.url} | mime | inner}
