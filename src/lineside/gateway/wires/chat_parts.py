"""Chat Completions: the messages of a conversation."""

from collections.abc import Sequence
from typing import Any, cast

from lineside.core import Invalid
from lineside.gateway.canonical.parts import (
    Extras,
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
from lineside.gateway.wires.fields import Fields, known, sent

_ROLES = ("system", "developer", "user", "assistant", "tool")
_THOUGHT_NAMES = ("reasoning_content", "reasoning")  # DeepSeek's and vLLM's, OpenRouter's
DETAILS = {"reasoning.text": "text", "reasoning.summary": "summary", "reasoning.encrypted": "data"}


def read_turn(raw: object, *, place: str) -> Turn:
    """Read one message."""
    fields = Fields(raw, place=place)
    role = fields.take("role", str) or "assistant"
    if role not in _ROLES:
        raise Invalid("wire_misfit", f"`{place}.role` is `{role[:40]}`, expected {_ROLES}")
    parts: list[Part] = read_thoughts(fields)
    content = fields.rest.pop("content", None)
    is_plain = isinstance(content, str)
    if content is None and isinstance(raw, dict) and "content" in raw:
        fields.rest["content"] = None
    inner: list[Part] = []
    if isinstance(content, str):
        inner = [TextPart(text=content)]
    elif isinstance(content, list):
        inner = [read_part(item, place=f"{place}.content") for item in content]
    elif content is not None:
        fields.rest["content"] = content
        fields.need("content", list)
    refusal = fields.take("refusal", str)
    if refusal is not None:
        inner.append(TextPart(text=refusal, is_refusal=True, extras={"~field": True}))
    if role == "tool":
        result = ToolResult(
            call_id=fields.need("tool_call_id", str),
            name=fields.take("name", str),
            parts=cast("tuple[ResultPart, ...]", tuple(inner)),
            is_plain=is_plain,
        )
        return Turn(role="tool", parts=(result,), extras=fields.rest)
    parts += inner
    parts += [read_call(call, place=place) for call in fields.take_list("tool_calls")]
    return Turn(role=cast("Any", role), parts=tuple(parts), is_plain=is_plain, extras=fields.rest)


def read_thoughts(fields: Fields) -> list[Part]:
    """Take the thoughts out of a message, by whichever name the endpoint gives them."""
    plain = {name: fields.take(name, str) for name in _THOUGHT_NAMES}
    details = [_read_detail(item) for item in fields.take_list("reasoning_details")]
    words = "".join(part.text for part in details)
    # OpenRouter says the same thought under two names; it is one part, written twice again.
    also = next((name for name, text in plain.items() if details and text == words), None)
    if also is not None:
        plain[also] = None
        details = [
            part.model_copy(update={"extras": {**part.extras, "~also": also}}) for part in details
        ]
    single = [
        ReasoningPart(text=text, extras={"~field": name})
        for name, text in plain.items()
        if text is not None
    ]
    return [*single, *details]


def _read_detail(raw: object) -> ReasoningPart:
    fields = Fields(raw, place="reasoning_details")
    kind = fields.need("type", str)
    words = fields.take(DETAILS.get(kind, "text"), str)
    is_sealed = kind == "reasoning.encrypted"
    return ReasoningPart(
        text="" if is_sealed else words or "",
        sealed=words if is_sealed else None,
        signature=fields.take("signature", str),
        extras={"~detail": kind, "~rest": fields.rest, "~worded": words is not None},
    )


def read_part(raw: object, *, place: str) -> Part:
    """Read one part of a message's content."""
    fields = Fields(raw, place=place)
    kind = fields.need("type", str)
    rest = fields.rest
    if kind in ("text", "output_text", "input_text"):
        return TextPart(text=fields.need("text", str), extras=_typed(rest, kind, "text"))
    if kind == "refusal":
        return TextPart(text=fields.need("refusal", str), is_refusal=True, extras=rest)
    if kind == "image_url":
        image = Fields(fields.need("image_url", dict), place=f"{place}.image_url")
        return _media("image", image.need("url", str), {**rest, "~inner": image.rest})
    if kind == "input_audio":
        audio = Fields(fields.need("input_audio", dict), place=f"{place}.input_audio")
        return MediaPart(
            medium="audio",
            data=audio.need("data", str),
            mime_type=f"audio/{audio.need('format', str)}",
            extras={**rest, "~inner": audio.rest},
        )
    if kind == "file":
        file = Fields(fields.need("file", dict), place=f"{place}.file")
        file_id, name = file.take("file_id", str), file.take("filename", str)
        address = file.take("file_data", str)
        extras = {**rest, "~inner": file.rest}
        if address is None:
            return MediaPart(medium="file", file_id=file_id, name=name, extras=extras)
        return _media("file", address, extras, name=name)
    if kind == "thinking" and _is_one_text(rest.get("thinking")):
        # Mistral's way; the list holds a text in each piece of a stream.
        text = fields.need("thinking", list)[0]["text"]
        return ReasoningPart(text=text, extras={**rest, "~in_content": True})
    return OtherPart(content={"type": kind, **rest})


def _is_one_text(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        return False
    return set(value[0]) == {"type", "text"} and value[0]["type"] == "text"


def _typed(rest: Extras, kind: str, usual: str) -> Extras:
    return rest if kind == usual else {**rest, "type": kind}


def _media(medium: Any, address: str, extras: Extras, *, name: str | None = None) -> MediaPart:
    mime_type, data = split_data_url(address)
    url = None if data is not None else address
    return MediaPart(
        medium=medium, mime_type=mime_type, data=data, url=url, name=name, extras=extras
    )


def split_data_url(address: str) -> tuple[str | None, str | None]:
    """Media type and base64 of an address that carries its own bytes, else nothing."""
    head, comma, data = address.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None, None
    return head.removeprefix("data:").removesuffix(";base64"), data


def data_url(part: MediaPart) -> str:
    """The address of a medium; one that carries its bytes where it has no other."""
    if part.data is not None:
        return f"data:{part.mime_type or 'application/octet-stream'};base64,{part.data}"
    if part.url is None:
        raise Invalid(
            "not_on_this_wire",
            f"A {part.medium} that is only an id at its provider cannot be sent to another",
            hint="Send its bytes or its address.",
        )
    return part.url


def read_call(raw: object, *, place: str) -> ToolCall:
    """Read one tool call of a message."""
    fields = Fields(raw, place=f"{place}.tool_calls")
    inner = Fields(fields.need("function", dict), place=f"{place}.tool_calls.function")
    call_id = fields.need("id", str)
    google = fields.rest.get("extra_content", {}).get("google", {})
    return ToolCall(
        id=call_id,
        name=inner.need("name", str),
        arguments=inner.take("arguments", str) or "",
        signature=google.get("thought_signature"),
        extras={**fields.rest, "~inner": inner.rest},
    )


def write_turn(turn: Turn, *, is_own: bool) -> list[dict[str, Any]]:
    """Write a turn; tool results become messages of their own, before the rest."""
    found = []
    for part in turn.parts:
        if isinstance(part, ToolResult):
            extras = sent(turn.extras, is_own=is_own)
            content = _content(part.parts, is_plain=part.is_plain or not is_own, is_own=is_own)
            found.append(
                known({"role": "tool", "tool_call_id": part.call_id, "name": part.name})
                | {"content": content or ""}
                | extras
            )
    others = [part for part in turn.parts if not isinstance(part, ToolResult)]
    if others or not found:
        found.append(_message(turn, others, is_own=is_own))
    return found


def _message(turn: Turn, parts: Sequence[Part], *, is_own: bool) -> dict[str, Any]:
    calls = [write_call(part, is_own=is_own) for part in parts if isinstance(part, ToolCall)]
    body = [part for part in parts if not isinstance(part, ToolCall) and not _is_beside(part)]
    is_plain = turn.is_plain or (not is_own and all(part.kind == "text" for part in body))
    message: dict[str, Any] = {"role": turn.role}
    content = _content(body, is_plain=is_plain, is_own=is_own)
    if content is not None:
        message["content"] = content
    elif not is_own:
        message["content"] = None
    message |= write_thoughts(parts)
    if calls:
        message["tool_calls"] = calls
    refusals = [
        part.text for part in parts if isinstance(part, TextPart) and _is_refusal_field(part)
    ]
    if refusals:
        message["refusal"] = "".join(refusals)
    return message | sent(turn.extras, is_own=is_own)


def _is_beside(part: Part) -> bool:
    """Whether it stands in a field of the message and not in its content."""
    is_thought = isinstance(part, ReasoningPart) and "~in_content" not in part.extras
    return is_thought or _is_refusal_field(part)


def _is_refusal_field(part: Part) -> bool:
    return isinstance(part, TextPart) and part.is_refusal and "~field" in part.extras


def write_thoughts(parts: Sequence[Part]) -> dict[str, Any]:
    """Fields of a message that carry its thoughts; signatures as OpenRouter has them."""
    thoughts = [part for part in parts if isinstance(part, ReasoningPart) and _is_beside(part)]
    written: dict[str, Any] = {}
    details = [write_detail(part, at) for at, part in enumerate(thoughts)]
    for name in _THOUGHT_NAMES:
        texts = [
            part.text
            for part in thoughts
            if name in (part.extras.get("~field"), part.extras.get("~also"))
        ]
        if texts:
            written[name] = "".join(texts)
    # A thought of another wire: its words for the many clients that read only those.
    new = [part.text for part in thoughts if not part.extras.keys() & {"~field", "~detail"}]
    if any(new):
        written[_THOUGHT_NAMES[0]] = "".join(new)
    if any(details):
        written["reasoning_details"] = [detail for detail in details if detail]
    return written


def write_detail(part: ReasoningPart, at: int) -> dict[str, Any] | None:
    """A thought with what must come back with it; nothing where only its words matter."""
    kind = part.extras.get("~detail")
    if kind is None:
        if "~field" in part.extras or (part.sealed is None and part.signature is None):
            return None
        kind = "reasoning.encrypted" if part.sealed is not None else "reasoning.text"
    words = part.sealed if kind == "reasoning.encrypted" else part.text
    words = words if words or part.extras.get("~worded", True) else None
    rest = part.extras.get("~rest", {"index": at})
    detail = {"type": kind, "signature": part.signature, DETAILS.get(kind, "text"): words}
    return known(detail) | dict(rest)


def write_call(part: ToolCall, *, is_own: bool) -> dict[str, Any]:
    """Write one tool call."""
    function = {"name": part.name, "arguments": part.arguments or "{}"}
    written: dict[str, Any] = {"id": part.id, "type": "function"}
    written["function"] = function | (part.extras.get("~inner", {}) if is_own else {})
    if part.signature:
        # Google's own Chat Completions endpoint hands it over in this place.
        written["extra_content"] = {"google": {"thought_signature": part.signature}}
    return written | sent(part.extras, is_own=is_own)


def _content(parts: Sequence[Part], *, is_plain: bool, is_own: bool) -> Any:
    if not parts:
        return None
    texts = [part for part in parts if isinstance(part, TextPart)]
    if is_plain and len(texts) == len(parts):
        return "".join(part.text for part in texts)
    return [write_part(part, is_own=is_own) for part in parts]


def write_part(part: Part, *, is_own: bool) -> dict[str, Any]:
    """Write one part of a message's content."""
    extras = sent(part.extras, is_own=is_own)
    inner = part.extras.get("~inner", {}) if is_own else {}
    if isinstance(part, TextPart):
        name = "refusal" if part.is_refusal else "text"
        return {"type": name, name: part.text} | extras
    if isinstance(part, OtherPart):
        return dict(part.content)
    if isinstance(part, ReasoningPart):
        pieces = [{"type": "text", "text": part.text}]
        return {"type": "thinking", "thinking": pieces} | extras
    if isinstance(part, MediaPart):
        return _write_media(part, inner) | extras
    raise AssertionError(f"a {part.kind} stands beside the content")


def _write_media(part: MediaPart, inner: Extras) -> dict[str, Any]:
    if part.medium == "image":
        return {"type": "image_url", "image_url": {"url": data_url(part)} | inner}
    if part.medium == "audio" and part.data is not None:
        form = (part.mime_type or "audio/wav").removeprefix("audio/")
        form = {"mpeg": "mp3", "x-wav": "wav"}.get(form, form)
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": form} | inner}
    file = known({"filename": part.name, "file_id": part.file_id})
    if part.file_id is None:
        file["file_data"] = data_url(part)
    return {"type": "file", "file": file | inner}
