"""Conversations in the one form of `Message`, from whatever shape a sender chose.

Strict on purpose: what does not look like a conversation is none, so that an ordinary input with
a key named `messages` does not turn into one.
"""

from typing import Any

from lineside.traces.conventions.parts import Part, is_block, parts_of, tool_call, tool_result
from lineside.traces.conventions.values import parsed
from lineside.traces.span import Message

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "humanmessage": "user",
    "systemmessage": "system",
    "toolmessage": "tool",
    "developer": "system",
    "function": "tool",
}
_ROLE_NAMES = {"system", "user", "assistant", "tool", *_ROLES}
_PLAIN_ROLES = {"system", "user", "assistant"}
_PLAIN_KEYS = {"role", "parts", "finish_reason"}
_TEXT_KEYS = {"type", "content"}
_CONTENT = ("parts", "content", "contents", "text")
_ALONE = {
    "function_call": "assistant",
    "function_call_output": "tool",
    "reasoning": "assistant",
}
_LISTS = ("messages", "choices", "candidates", "contents", "generations", "output", "input")
_ONE = ("message", "new_message", "content")
_NESTED_MAX = 4


def conversation(value: Any, *, role: str = "user", depth: int = 0) -> list[Message] | None:
    """The messages in a value, or nothing where it is no conversation.

    Args:
        role: Of a message that does not say who spoke.
    """
    value = parsed(value)
    if depth > _NESTED_MAX or not value:
        return None
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], list):
            return conversation(value[0], role=role, depth=depth + 1)
        return _all(value, role)
    if isinstance(value, dict):
        alone = message(value, role=role)
        return [alone] if alone is not None else _wrapped(value, role, depth)
    return None


def message(item: Any, *, role: str) -> Message | None:
    """One message, or nothing where the item is none."""
    item = parsed(item)
    if not isinstance(item, dict):
        return None
    if (plain := _plain_text(item)) is not None:
        return plain
    finish = _finish(item)
    for key in ("message", "kwargs", "data"):
        inner = item.get(key)
        if isinstance(inner, dict) and "role" not in item:
            if key == "kwargs":
                role = _named_in_path(item.get("id")) or role
            elif key == "data":
                role = _role(item.get("type")) or role
            item = inner
            finish = finish or _finish(item)
            if key != "message":
                break
    if isinstance(inner := item.get("content"), dict) and "parts" in inner and "role" not in item:
        item = inner
    kind = item.get("type")
    if isinstance(kind, str) and kind in _ALONE and "role" not in item:
        return Message(role=_ALONE[kind], parts=parts_of([item]))
    who = _role(item.get("role")) or _role(kind)
    if who is None:
        who = role if _speaks_unnamed(item) or finish is not None else None
    if who is None or not _holds(item):
        return None
    return Message(role=who, parts=_parts(item, who), finish_reason=finish)


def _plain_text(item: Any) -> Message | None:
    """A message that is written as ours already and says one text, as most are; else nothing.

    To know these at once halves what it takes to read a step.
    """
    if type(item) is not dict:
        return None
    role, parts = item.get("role"), item.get("parts")
    if type(role) is not str or role not in _PLAIN_ROLES:
        return None
    if type(parts) is not list or len(parts) != 1:
        return None
    part, finish = parts[0], item.get("finish_reason")
    if not item.keys() <= _PLAIN_KEYS or not (finish is None or (finish and type(finish) is str)):
        return None
    if type(part) is not dict or part.keys() != _TEXT_KEYS or part["type"] != "text":
        return None
    said = part["content"]
    if type(said) is not str or not said:
        return None
    return Message(role=role, parts=parts, finish_reason=finish)


def instructions(value: Any) -> list[Message]:
    """A system message from its text or its parts; none from anything else."""
    value = parsed(value)
    if isinstance(value, dict):
        value = value.get("parts", value.get("content", value.get("text", value)))
    parts = parts_of(value)
    return [Message(role="system", parts=parts)] if parts else []


def spoken(value: Any, *, role: str) -> list[Message] | None:
    """A conversation, or a plain text as one message."""
    found = conversation(value, role=role)
    if found is None and isinstance(value, str) and value:
        found = [Message(role=role, parts=[{"type": "text", "content": value}])]
    return found


def returned(value: Any) -> Any:
    """What a tool gave back, out of the message that a framework has put around it."""
    value = parsed(value)
    if not isinstance(value, dict):
        return value
    inner = next((value[key] for key in ("kwargs", "data") if key in value), value)
    if not isinstance(inner, dict) or "tool_call_id" not in inner:
        return value
    found = message(value, role="user")
    parts = found.parts if found is not None and found.role == "tool" else []
    return parts[0]["result"] if len(parts) == 1 and "result" in parts[0] else value


def text_of(messages: list[Message] | None, *roles: str) -> str | None:
    """What the last message of such a role says in words."""
    for one in reversed(messages or []):
        if roles and one.role not in roles:
            continue
        words = [
            part["content"]
            for part in one.parts
            if part.get("type") == "text" and isinstance(part.get("content"), str)
        ]
        if words:
            return "\n".join(words)
    return None


def _all(items: list[Any], role: str) -> list[Message] | None:
    found: list[Message] = []
    for item in items:
        if (plain := _plain_text(item)) is not None:
            found.append(plain)
            continue
        one = message(item, role=role)
        if one is None and isinstance(item, dict) and (who := _role(item.get("role"))):
            # Someone who said nothing that was recorded does not end the conversation.
            one = Message(role=who, parts=[])
        if one is None:
            return _of_blocks(items, role)
        found += _results_apart(one) if one.role == "user" else [one]
    return found if any(one.parts for one in found) else None


def _of_blocks(items: list[Any], role: str) -> list[Message] | None:
    """One message, where a list holds what it says rather than messages."""
    if not all(isinstance(item, dict) and is_block(item) for item in items):
        return None
    return [Message(role=role, parts=parts_of(items))]


def _results_apart(one: Message) -> list[Message]:
    """What tools answered, out of the user's message that some send it in."""
    results = [part for part in one.parts if part["type"] == "tool_result"]
    if not results:
        return [one]
    rest = [part for part in one.parts if part["type"] != "tool_result"]
    tool = Message(role="tool", parts=results)
    return [tool, Message(role=one.role, parts=rest)] if rest else [tool]


def _wrapped(value: dict[str, Any], role: str, depth: int) -> list[Message] | None:
    """A request or an answer of a model as a whole, with its messages inside."""
    config = value.get("config")
    system = value.get("instructions") or value.get("system")
    if isinstance(config, dict):
        system = system or config.get("system_instruction") or config.get("systemInstruction")
    system = system or value.get("system_instruction") or value.get("systemInstruction")
    for key in _LISTS:
        inner = parsed(value.get(key))
        if key == "input" and isinstance(inner, str) and ("model" in value or system):
            inner = [{"role": "user", "content": inner}]
        if isinstance(inner, list) and inner:
            speaker = role if key not in ("choices", "candidates", "generations") else "assistant"
            found = conversation(inner, role=speaker, depth=depth + 1)
            if found is not None:
                return (instructions(system) if system else []) + found
    for key in _ONE:
        inner = value.get(key)
        if isinstance(inner, dict):
            found = conversation(inner, role=role, depth=depth + 1)
            if found is not None:
                return found
    return None


def _role(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    lowered = value.lower()
    return _ROLES.get(lowered, lowered) if lowered in _ROLE_NAMES else None


def _named_in_path(value: Any) -> str | None:
    return _role(value[-1]) if isinstance(value, list) and value else None


def _finish(item: dict[str, Any]) -> str | None:
    if isinstance(generation := item.get("generation_info"), dict):
        item = generation
    for name in ("finish_reason", "finishReason", "stop_reason"):
        value = item.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _speaks_unnamed(item: dict[str, Any]) -> bool:
    """Who spoke follows from where it stands: Google leaves it out, some name their own roles."""
    own_role = isinstance(item.get("role"), str) and "content" in item
    return isinstance(item.get("parts"), list) or own_role


def _holds(item: dict[str, Any]) -> bool:
    return any(key in item for key in _CONTENT) or bool(
        item.get("tool_calls") or item.get("function_call") or item.get("finish_reason")
    )


def _parts(item: dict[str, Any], role: str) -> list[Part]:
    content = next((item[key] for key in _CONTENT if item.get(key) not in (None, "")), None)
    call_id = item.get("tool_call_id")
    if role == "tool" and not (isinstance(content, list) and _has_results(content)):
        call_id = call_id if call_id is not None else item.get("id")
        return [tool_result(_plain(content), call_id=call_id)]
    said = item.get("reasoning_content")
    thought = [{"type": "reasoning", "content": said}] if isinstance(said, str) and said else []
    if isinstance(content, str) and content.startswith('[{"') and '"type"' in content[:200]:
        content = parsed(content)
    parts = thought + parts_of(content)
    calls = parsed(item.get("tool_calls"))
    if isinstance(calls, list):
        have = {part["id"] for part in parts if part["type"] == "tool_call" and _plain_id(part)}
        parts += [
            call
            for call in map(tool_call, calls)
            if not (call["type"] == "tool_call" and _plain_id(call) and call["id"] in have)
        ]
    elif isinstance(item.get("function_call"), dict):
        parts.append(tool_call(item["function_call"]))
    return parts


def _plain_id(part: Part) -> bool:
    return isinstance(part["id"], str) and bool(part["id"])


def _has_results(content: list[Any]) -> bool:
    return any(part["type"] == "tool_result" for part in parts_of(content))


def _plain(content: Any) -> Any:
    """A result's words, where it is written as a list of one text."""
    if isinstance(content, list):
        parts = parts_of(content)
        if parts and all(part["type"] == "text" for part in parts):
            return "\n".join(part["content"] for part in parts)
    return content
