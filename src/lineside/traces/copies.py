"""A step as something to run again elsewhere: a curl command, or a test case. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lineside.core import Invalid
from lineside.traces.feedback import Feedback
from lineside.traces.payloads import is_kept_apart
from lineside.traces.span import Message, Span

_OPENAI = '"${OPENAI_BASE_URL:-https://api.openai.com/v1}/chat/completions"'
_ANTHROPIC = '"${ANTHROPIC_BASE_URL:-https://api.anthropic.com}/v1/messages"'
_ANTHROPIC_TOKENS_MAX = 1024
_PARAMETERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
_ANTHROPIC_PARAMETERS = ("temperature", "top_p", "max_tokens")
_TOOL_NAMES = ("gen_ai.tool.definitions", "gen_ai.request.tools", "llm.request.functions")
_TOOLS_MAX = 128


def as_curl(span: Span, *, server: str = "http://127.0.0.1:7710") -> str:
    """A command for a shell that asks again what this step asked.

    A model step becomes a call of the provider, with the key and the address left to the
    environment; a call of one of our own apps a call of this server.

    Args:
        server: Where lineside listens.

    Raises:
        Invalid: The step is no call that can be made again, or what it was asked was not recorded.
    """
    _refuse_references(span, span.input, span.messages_in)
    if span.kind == "app" and span.use_case and isinstance(span.input, dict):
        url = shlex.quote(f"{server}/api/usecases/{span.use_case}/run")
        return _curl(url, ["content-type: application/json"], {"input": span.input})
    if span.kind != "model" or not span.messages_in:
        raise Invalid(
            "no_curl",
            f"Step `{span.name}` ({span.kind}) is no recorded call of a model or of an app",
            hint="Choose a model step whose messages were recorded.",
        )
    if "anthropic" in (span.provider or ""):
        headers = ["content-type: application/json", "anthropic-version: 2023-06-01"]
        body = _anthropic(span, span.messages_in)
        return _curl(_ANTHROPIC, headers, body, key='"x-api-key: $ANTHROPIC_API_KEY"')
    headers = ["content-type: application/json"]
    body = _openai(span, span.messages_in)
    return _curl(_OPENAI, headers, body, key='"authorization: Bearer $OPENAI_API_KEY"')


def as_case(span: Span, feedback: Sequence[Feedback] = ()) -> str:
    """One line of a dataset: what came in, what should have gone out, and this trace as source.

    What people corrected, the newest word first, stands in place of what was answered; an answer
    that they call wrong without saying what is right, and a failed one, is not expected.

    Raises:
        Invalid: The step has no input.
    """
    _refuse_references(span, span.input, span.output, span.messages_in, span.messages_out)
    asked = _fields(span.input, span.messages_in, "input")
    if asked is None:
        raise Invalid("no_case", f"Step `{span.name}` has no recorded input to make a test case of")
    expected = _fields(span.output, span.messages_out, "output") or {}
    expected.pop("confidence", None)  # the model's word on itself is nothing to expect
    newest = [one for one in feedback if one.trace_id == span.trace_id]
    correction = next((one.correction for one in newest if one.correction), None)
    if correction:
        expected |= correction
    elif span.status == "error" or (newest and newest[0].thumb == "down"):
        expected = {}
    case = {"id": f"trace-{span.trace_id[:12]}", "input": asked}
    case |= {"expected": expected} if expected else {}
    return orjson.dumps(case | {"source": span.trace_id}, default=str).decode()


def tools_of(span: Span) -> list[dict[str, Any]]:
    """The tools that a model was offered, as the OpenAI form has them, where that was recorded."""
    attributes = _received(span)
    for name in _TOOL_NAMES:
        found = _parsed(attributes.get(name))
        if isinstance(found, list):
            return [_tool(one) for one in found if isinstance(one, Mapping)]
    parameters = _parsed(attributes.get("llm.invocation_parameters"))
    if isinstance(parameters, Mapping) and isinstance(parameters.get("tools"), list):
        return [_tool(one) for one in parameters["tools"] if isinstance(one, Mapping)]
    numbered = (f"llm.tools.{at}.tool.json_schema" for at in range(_TOOLS_MAX))
    read = [_parsed(attributes.get(name)) for name in numbered if name in attributes]
    return [_tool(one) for one in read if isinstance(one, Mapping)]


def _refuse_references(span: Span, *values: Any) -> None:
    parts = [one.parts if isinstance(one, Message) else one for one in _flat(values)]
    if is_kept_apart(parts):
        raise Invalid(
            "kept_apart",
            f"Step `{span.name}` holds more than fits here",
            hint="Use `lineside traces show` with --as, which takes all of it along.",
        )


def _flat(values: Sequence[Any]) -> list[Any]:
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _curl(url: str, headers: Sequence[str], body: Mapping[str, Any], *, key: str = "") -> str:
    lines = [f"curl {url}"]
    lines += [f"  -H {key}"] if key else []
    lines += [f"  -H {shlex.quote(header)}" for header in headers]
    text = orjson.dumps(body, option=orjson.OPT_INDENT_2, default=str).decode()
    return " \\\n".join([*lines, f"  -d {shlex.quote(text)}"])


def _openai(span: Span, messages: Sequence[Message]) -> dict[str, Any]:
    told = [one for message in messages for one in _openai_messages(message)]
    body = {"model": span.model_asked or span.model or "", "messages": told}
    tools = tools_of(span)
    return body | _parameters(span, _PARAMETERS) | ({"tools": tools} if tools else {})


def _openai_messages(message: Message) -> list[dict[str, Any]]:
    results = [part for part in message.parts if part.get("type") == "tool_result"]
    if results:
        return [
            {"role": "tool", "tool_call_id": part.get("id"), "content": _text(part.get("result"))}
            for part in results
        ]
    calls = [
        {
            "id": part.get("id"),
            "type": "function",
            "function": {"name": part.get("name"), "arguments": _text(part.get("arguments"))},
        }
        for part in message.parts
        if part.get("type") == "tool_call"
    ]
    content = [_openai_part(part) for part in message.parts if _is_said(part)]
    texts = [part["text"] for part in content if part["type"] == "text"]
    told: Any = "\n".join(texts) if len(texts) == len(content) else content
    written = {"role": message.role, "content": told or (None if calls else "")}
    return [written | ({"tool_calls": calls} if calls else {})]


def _openai_part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("type") == "text":
        return {"type": "text", "text": _text(part.get("content"))}
    mime_type = str(part.get("mime_type"))
    if mime_type.startswith("audio"):
        form = mime_type.rpartition("/")[2]
        return {"type": "input_audio", "input_audio": {"data": part.get("data"), "format": form}}
    where = part.get("uri") or f"data:{mime_type};base64,{part.get('data')}"
    return {"type": "image_url", "image_url": {"url": where}}


def _anthropic(span: Span, messages: Sequence[Message]) -> dict[str, Any]:
    system = [_words(message) for message in messages if message.role == "system"]
    told = [
        {
            "role": "assistant" if message.role == "assistant" else "user",
            "content": [block for part in message.parts if (block := _anthropic_block(part))],
        }
        for message in messages
        if message.role != "system"
    ]
    body: dict[str, Any] = {
        "model": span.model_asked or span.model or "",
        "max_tokens": _ANTHROPIC_TOKENS_MAX,
    }
    body |= {"system": "\n\n".join(system)} if system else {}
    body |= {"messages": told} | _parameters(span, _ANTHROPIC_PARAMETERS)
    tools = [tool["function"] for tool in tools_of(span)]
    offered = [
        {
            "name": tool.get("name"),
            "description": tool.get("description") or "",
            "input_schema": tool.get("parameters") or {"type": "object"},
        }
        for tool in tools
    ]
    return body | ({"tools": offered} if offered else {})


def _anthropic_block(part: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind == "tool_call":
        named = {"id": part.get("id"), "name": part.get("name")}
        return {"type": "tool_use", **named, "input": part.get("arguments") or {}}
    if kind == "tool_result":
        answered = _text(part.get("result"))
        return {"type": "tool_result", "tool_use_id": part.get("id"), "content": answered}
    if kind == "media":
        source = {"type": "url", "url": part.get("uri")}
        if not part.get("uri"):
            held = {"media_type": part.get("mime_type"), "data": part.get("data")}
            source = {"type": "base64", **held}
        return {"type": "image", "source": source}
    return {"type": "text", "text": _text(part.get("content"))} if kind == "text" else None


def _parameters(span: Span, names: Sequence[str]) -> dict[str, Any]:
    attributes = _received(span)
    invoked = _parsed(attributes.get("llm.invocation_parameters"))
    found = dict(invoked) if isinstance(invoked, Mapping) else {}
    for name in names:
        if (value := attributes.get(f"gen_ai.request.{name}")) is not None:
            found[name] = value
    return {name: found[name] for name in names if found.get(name) is not None}


def _received(span: Span) -> Mapping[str, Any]:
    attributes = (span.raw or {}).get("attributes") or span.attributes
    return attributes if isinstance(attributes, Mapping) else {}


def _tool(found: Mapping[str, Any]) -> dict[str, Any]:
    inner = found.get("function")
    function = dict(inner) if isinstance(inner, Mapping) else dict(found)
    function.pop("type", None)
    if "input_schema" in function:
        function["parameters"] = function.pop("input_schema")
    return {"type": "function", "function": function}


def _fields(value: Any, messages: Sequence[Message] | None, name: str) -> dict[str, Any] | None:
    """A payload as the object that a case holds: a bare value under one name."""
    if isinstance(value, dict):
        return dict(value)
    if value is None and messages:
        value = _words(messages[-1])
    return None if value in (None, "") else {name: value}


def _words(message: Message) -> str:
    said = (part.get("content") for part in message.parts if part.get("type") == "text")
    return "\n".join(text for text in said if isinstance(text, str))


def _is_said(part: Mapping[str, Any]) -> bool:
    return part.get("type") in ("text", "media")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
