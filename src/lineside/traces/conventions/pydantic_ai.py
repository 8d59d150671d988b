"""Pydantic AI and Logfire: conversations as one attribute, in events or in parts."""

from typing import Any

from lineside.traces.conventions.conversations import conversation
from lineside.traces.conventions.gen_ai_events import add_event
from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import first, first_text, parsed, said
from lineside.traces.span import Message

_EVENTS = ("events", "all_messages_events")
_ALL = ("pydantic_ai.all_messages", "all_messages")


def read(span: RawSpan) -> Reading:
    attributes = span.attributes
    is_agent = "agent_name" in attributes and "model_name" in attributes
    told, answered = _conversation(attributes)
    result = parsed(first(attributes, "final_result"))
    return said(
        {
            "kind_guess": _guess(attributes) if not is_agent else "agent",
            "kind": "agent" if is_agent and "gen_ai.operation.name" not in attributes else None,
            "agent_name": first_text(attributes, "agent_name"),
            "model_asked": first_text(attributes, "model_name") if is_agent else None,
            "messages_in": told or None,
            "messages_out": answered or None,
            "arguments": parsed(first(attributes, "tool_arguments")),
            "result": parsed(first(attributes, "tool_response")),
            "value_in": _embedded(attributes) or _message(attributes),
            "value_out": result,
        }
    )


def _embedded(attributes: dict[str, Any]) -> Any:
    texts = parsed(first(attributes, "inputs")) if "inputs_count" in attributes else None
    return texts[0] if isinstance(texts, list) and len(texts) == 1 else texts


def _message(attributes: dict[str, Any]) -> str | None:
    """What Logfire shows of a step of one's own: its words with the values put in."""
    words, template = (attributes.get(f"logfire.{name}") for name in ("msg", "msg_template"))
    is_own = template is not None and not any(name.startswith("gen_ai.") for name in attributes)
    return words if is_own and isinstance(words, str) and words != template else None


def _guess(attributes: dict[str, Any]) -> str | None:
    return "tool" if "tool_arguments" in attributes else None


def _conversation(attributes: dict[str, Any]) -> tuple[list[Message], list[Message]]:
    told: list[Message] = []
    answered: list[Message] = []
    for name in _EVENTS:
        events = parsed(attributes.get(name))
        if isinstance(events, list):
            for event in events:
                if isinstance(event, dict):
                    add_event(event.get("event.name"), event, told, answered)
            # The record of a whole run ends with the agent's answer, as any other message.
            if told and not answered and told[-1].role == "assistant":
                answered.append(told.pop())
            return told, answered
    for name in _ALL:
        found = conversation(attributes.get(name))
        if found:
            begin = len(found)
            if found[-1].role == "assistant":
                begin -= 1
            return found[:begin], found[begin:]
    return told, answered
