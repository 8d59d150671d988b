"""Messages as Inspect writes them, told as other programs tell theirs."""

from typing import Any

from lineside.traces.conventions.values import as_dict


def told(messages: list[Any]) -> list[Any]:
    """What a model was told: of a tool that failed, that it failed and why."""
    return [_failed(one) if as_dict(one).get("error") else one for one in messages]


def asked_of(given: Any) -> dict[str, Any]:
    """A sample's input as attributes: a text, or a conversation so far."""
    is_chat = isinstance(given, list) and all(as_dict(one).get("role") for one in given)
    return {"gen_ai.input.messages" if is_chat else "lineside.input": given}


def _failed(message: Any) -> Any:
    why = as_dict(message["error"]).get("message")
    return message if message.get("content") or not why else message | {"content": why}
