"""What one message holds, in the parts of `Message`, from each maker's way of writing it."""

from typing import Any

from lineside.traces.conventions.values import parsed

Part = dict[str, Any]

_REASONING = {"reasoning", "thinking", "redacted_thinking"}
_TEXT = {"text", "input_text", "output_text", "refusal"}
_CALLS = {"tool_call", "tool_use", "function_call", "server_tool_call", "server_tool_use"}
_RESULTS = {
    "tool_result",
    "tool_call_response",
    "server_tool_call_response",
    "function_call_output",
    "function_response",
    "tool_return",
}
_MEDIA = {
    "image",
    "image_url",
    "input_image",
    "audio",
    "audio_url",
    "input_audio",
    "file",
    "input_file",
    "blob",
    "uri",
    "document",
    "media",
    "video",
}
_BLOCKS = _REASONING | _TEXT | _CALLS | _RESULTS | _MEDIA


def parts_of(content: Any) -> list[Part]:
    """Parts of a message's content: a text, a list of blocks, or one block."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    if isinstance(content, list):
        return [part for block in content for part in _parts_of_block(block)]
    return _parts_of_block(content)


def is_block(item: dict[str, Any]) -> bool:
    """Whether this is a piece of what someone says, told by its type or by a tool's name."""
    kind = item.get("type")
    if isinstance(kind, str) and kind.replace("-", "_") in _BLOCKS:
        return True
    return "toolName" in item or (kind == "function" and "function" in item)


def tool_call(call: Any) -> Part:
    """A tool that a model asks for; arguments are read where they are JSON."""
    if isinstance(call, dict) and isinstance(call.get("tool_call"), dict):
        call = call["tool_call"]
    if not isinstance(call, dict):
        return _other(call)
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    arguments = _first(inner, "arguments", "args", "input", "parameters")
    name = function if isinstance(function, str) else _first(inner, "name", "toolName")
    return {
        "type": "tool_call",
        "id": _first(call, "call_id", "id", "toolCallId", "tool_call_id"),
        "name": name if isinstance(name, str) else None,
        "arguments": {} if arguments is None or arguments == "" else parsed(arguments),
    }


def tool_result(result: Any, *, call_id: Any = None) -> Part:
    return {"type": "tool_result", "id": call_id, "result": parsed(result)}


def _parts_of_block(block: Any) -> list[Part]:
    if isinstance(block, str):
        return [{"type": "text", "content": block}]
    if not isinstance(block, dict):
        return [_other(block)]
    inner = block.get("message_content")
    if isinstance(inner, dict):
        # OpenInference writes the tool that such a piece asks for beside it.
        block = {**block, **inner}
    kind = block.get("type") or block.get("part_kind")
    if "toolName" in block or kind == "function":
        kind = "tool_result" if "result" in block or "output" in block else "tool_call"
    if not isinstance(kind, str):
        return _untyped(block)
    kind = kind.replace("-", "_")
    if kind in _TEXT:
        return _texts("text", _first(block, "content", "text", "refusal"))
    if kind in _REASONING:
        said = _first(block, "content", "text", "thinking", "summary", "reasoning", "data")
        return _texts("reasoning", _summed_up(said))
    if kind in _CALLS:
        return [tool_call(block)]
    if kind in _RESULTS or kind.endswith("_tool_result"):
        return [_result(block)]
    if kind in _MEDIA:
        return [_media(block, kind)]
    return [_other(block)]


def _untyped(block: dict[str, Any]) -> list[Part]:
    """Blocks that are told by their only key, as Google and Bedrock write them."""
    if isinstance(said := block.get("text"), str):
        return [{"type": "reasoning" if block.get("thought") is True else "text", "content": said}]
    for key in ("function_call", "functionCall", "toolUse", "tool_call"):
        if isinstance(call := block.get(key), dict):
            call = {"id": call.get("toolUseId"), **call}
            return [tool_call(call)]
    for key in ("function_response", "functionResponse", "toolResult"):
        if isinstance(result := block.get(key), dict):
            return [_result(result)]
    for key in ("inline_data", "inlineData", "file_data", "fileData", "image", "document"):
        if isinstance(media := block.get(key), dict):
            return [_media(media, "media")]
    return [_other(block)]


def _result(block: dict[str, Any]) -> Part:
    call_id = _first(block, "tool_use_id", "toolUseId", "call_id", "toolCallId", "tool_call_id")
    result = _first(block, "result", "response", "output", "content")
    if isinstance(result, dict) and set(result) == {"type", "value"}:
        result = result["value"]
    return tool_result(result, call_id=call_id if call_id is not None else block.get("id"))


def _summed_up(said: Any) -> Any:
    """Thoughts as OpenAI sums them up, which OpenLLMetry writes as a text of JSON."""
    listed = parsed(said)
    if not isinstance(listed, list) or not listed:
        return said
    kinds = {one.get("type") if isinstance(one, dict) else None for one in listed}
    return listed if kinds == {"summary_text"} else said


def _texts(kind: str, content: Any) -> list[Part]:
    if isinstance(content, list):
        return [part for item in content for part in _texts(kind, item)]
    if isinstance(content, dict):
        content = _first(content, "text", "content")
    if not isinstance(content, str):
        return []
    return [{"type": kind, "content": content}] if content else []


def _media(block: dict[str, Any], kind: str) -> Part:
    """A picture, sound or file, by address or in base64."""
    holder = block
    for key in (kind, "image_url", "input_audio", "source", "image", "audio", "file"):
        if isinstance(below := holder.get(key), dict):
            holder = below
    where = _first(holder, "url", "uri", "file_uri", "fileUri", "file_id", "image_url", "file_url")
    where = where if where is not None else _first(block, "image_url", "file_id")
    if isinstance(where, dict):
        where = where.get("url")
    data = _first(holder, "data", "content", "bytes", "file_data", "image")
    mime_type = _first(holder, "mime_type", "media_type", "mimeType", "mediaType", "format")
    if isinstance(where, str) and where.startswith("data:") and ";base64," in where:
        head, _, data = where.partition(";base64,")
        mime_type, where = head.removeprefix("data:"), None
    part: Part = {"type": "media", "mime_type": mime_type if isinstance(mime_type, str) else kind}
    return part | ({"uri": where} if where is not None else {"data": data})


def _other(block: Any) -> Part:
    return {"type": "other", "value": block}


def _first(block: dict[str, Any], *names: str) -> Any:
    for name in names:
        value = block.get(name)
        if value is not None:
            return value
    return None
