"""OpenTelemetry's `gen_ai.*` from 1.28 to 1.36: messages as events of the span."""

from collections.abc import Mapping
from typing import Any

from lineside.traces.conventions.conversations import message, spoken
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import as_dict, first, parsed, said
from lineside.traces.span import Message

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def read(span: RawSpan) -> Reading:
    told: list[Message] = []
    answered: list[Message] = []
    for event in span.events:
        attributes = event.get("attributes")
        add_event(event.get("name"), attributes, told, answered)
    return said({"messages_in": told or None, "messages_out": answered or None})


def add_event(name: Any, attributes: Any, told: list[Message], answered: list[Message]) -> None:
    """Sort one event's message into what the model was told and what it answered."""
    if not isinstance(name, str) or not isinstance(attributes, Mapping):
        return
    if name in _ROLES:
        found = message({"role": _ROLES[name], **_body(attributes)}, role=_ROLES[name])
        told += [found] if found is not None else []
    elif name == "gen_ai.choice":
        body = _body(attributes)
        inner = as_dict(body.get("message"))
        if isinstance(body.get("message"), str) and not inner:
            inner = {"content": body["message"]}
        # OpenLLMetry puts the tools that are asked for beside the message.
        beside = {"tool_calls": body["tool_calls"]} if "tool_calls" in body else {}
        inner = {"role": "assistant", **beside, **(inner or body)}
        inner["finish_reason"] = body.get("finish_reason")
        found = message(inner, role="assistant")
        answered += [found] if found is not None else []
    elif name == "gen_ai.content.prompt":
        told += spoken(first(attributes, "gen_ai.prompt"), role="user") or []
    elif name == "gen_ai.content.completion":
        answered += spoken(first(attributes, "gen_ai.completion"), role="assistant") or []


def _body(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the event holds: its body where one was kept, else its attributes."""
    for name in ("body", "gen_ai.event.content", "event.body"):
        body = as_dict(attributes.get(name))
        if body:
            return body
    return {key: parsed(value) if key != "content" else value for key, value in attributes.items()}
