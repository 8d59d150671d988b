"""The wire form of Chat Completions: what is sent, and how a reply is read. No I/O."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from lineside.core import Invalid
from lineside.gateway.output import shorten

Message = dict[str, str]
AnswerFormat = Literal["json_schema", "json_object"]

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w-]*)\s*\}\}")
_KNOB = re.compile(r"\{\{\s*knob\.(\w+)\s*\}\}")
# Schema words that the strict mode of structured output does not know.
_NOT_STRICT = {
    *("oneOf", "allOf", "not", "if", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "unevaluatedProperties", "propertyNames", "prefixItems"),
}


@dataclass(frozen=True)
class ChatCompletion:
    """What one reply of the endpoint said; tokens are nothing where it did not count them."""

    content: str
    model: str | None
    tokens_in: int | None
    tokens_out: int | None


def placeholders(prompt: str) -> set[str]:
    """Names of the input fields that a prompt places with `{{field}}`."""
    return set(_PLACEHOLDER.findall(prompt))


def placed_knobs(prompt: str) -> set[str]:
    """Names of the knobs that a prompt places with `{{knob.name}}`."""
    return set(_KNOB.findall(prompt))


def messages_for(
    payload: Mapping[str, Any],
    *,
    prompt: str | None,
    is_single_text: bool,
    knobs: Mapping[str, Any] | None = None,
) -> list[Message]:
    """Write the prompt as the system message and the input as the user message.

    Fields that the prompt places are filled in there; the user message carries the others. So the
    model always sees the whole input. A field is filled in once: `{{…}}` inside a value stays as
    it is. An input of a single text goes as plain text, any other as JSON.
    """
    # Knobs first: what stands in the input must not be able to place one.
    prompt = _KNOB.sub(lambda match: _spell((knobs or {}).get(match[1], "")), prompt or "")
    placed = placeholders(prompt)
    system = _PLACEHOLDER.sub(lambda match: _spell(payload.get(match[1], "")), prompt)
    rest = {name: value for name, value in payload.items() if name not in placed}
    if rest or not placed:
        alone = next(iter(rest.values())) if is_single_text and rest else None
        user = alone if isinstance(alone, str) else _spell(rest)
    else:
        # Many endpoints refuse a conversation without a turn of the user.
        user = "Answer now."
    messages = [{"role": "system", "content": system}] if system.strip() else []
    return [*messages, {"role": "user", "content": user}]


def ask_again(messages: Sequence[Message], *, answer: str, misfit: str) -> list[Message]:
    """Continue a conversation by showing the model its own answer and what is wrong with it."""
    complaint = (
        f"That answer does not fit. {shorten(misfit, 2000)}\n"
        "Answer again with one JSON object that fits the schema, and nothing else."
    )
    return [
        *messages,
        {"role": "assistant", "content": shorten(answer, 8000)},
        {"role": "user", "content": complaint},
    ]


def format_fields(
    messages: Sequence[Message], *, schema: Mapping[str, Any], answer_format: AnswerFormat
) -> dict[str, Any]:
    """The part of a request body that asks for an answer in the form of the output schema.

    An endpoint that only knows `json_object` reads the schema in the system message instead.
    """
    if answer_format == "json_schema":
        wire, is_strict = strict_schema(schema)
        named = {"name": "answer", "schema": wire, "strict": is_strict}
        return {
            "messages": list(messages),
            "response_format": {"type": "json_schema", "json_schema": named},
        }
    rule = (
        "Answer with one JSON object that fits this JSON Schema, and nothing else:\n"
        f"{_spell(dict(schema))}"
    )
    has_system = messages[0]["role"] == "system"
    system = f"{messages[0]['content']}\n\n{rule}" if has_system else rule
    rest = messages[1:] if has_system else messages
    return {
        "messages": [{"role": "system", "content": system}, *rest],
        "response_format": {"type": "json_object"},
    }


def strict_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Give the schema as sent, and whether the endpoint may hold the model to it strictly.

    Strict mode wants every property required and none besides. A schema silent about further
    properties is sent as one that has none, which only narrows the answer. Any other mismatch
    sends the schema as it is, not strict.
    """
    try:
        return _closed(schema), True
    except ValueError:
        return dict(schema), False


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    if _NOT_STRICT & schema.keys():
        raise ValueError("not a strict schema")
    result = dict(schema)
    if "properties" in schema or schema.get("type") == "object":
        names = schema.get("properties", {})
        if not names or set(names) != set(schema.get("required", ())):
            raise ValueError("not a strict schema")
        if schema.get("additionalProperties", False) is not False:
            raise ValueError("not a strict schema")
        result["additionalProperties"] = False
    for word in ("properties", "$defs"):
        if word in schema:
            result[word] = {name: _closed_part(part) for name, part in schema[word].items()}
    if "items" in schema:
        result["items"] = _closed_part(schema["items"])
    if "anyOf" in schema:
        result["anyOf"] = [_closed_part(part) for part in schema["anyOf"]]
    return result


def _closed_part(part: object) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        raise ValueError("not a strict schema")
    return _closed(part)


def read_completion(body: bytes, *, where: str) -> ChatCompletion:
    """Read the body of a reply with status 200.

    Raises:
        Invalid: It is no Chat Completions reply, or one without a whole answer in it: the model
            refused, was cut off or was filtered.
    """
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _unreadable(body, where=where) from None
    choices = reply.get("choices") if isinstance(reply, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise _unreadable(body, where=where)
    content = _text_of(message.get("content"))
    _check_whole(choice, message, content, where=where)
    usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
    named = reply.get("model")
    return ChatCompletion(
        content=content,
        model=named if isinstance(named, str) and named else None,
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
    )


def read_error(body: bytes) -> tuple[str, str]:
    """Read the code and the text of a failed reply; a body of another form gives its beginning."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", shorten(" ".join(body[:4000].decode(errors="replace").split()), 200)
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    if not isinstance(error, dict):
        return "", shorten(str(error), 200)
    code = error.get("code") or error.get("type") or ""
    return str(code), shorten(str(error.get("message") or _spell(error)))


def _check_whole(
    choice: Mapping[str, Any], message: Mapping[str, Any], content: str, *, where: str
) -> None:
    reason = choice.get("finish_reason")
    if message.get("refusal"):
        raise Invalid(
            "model_refused",
            f"{where} refused to answer: {shorten(str(message['refusal']))}",
            hint="Look at the input and the prompt; the model's own rules said no.",
        )
    if reason == "content_filter":
        raise Invalid(
            "answer_filtered",
            f"A content filter of {where} held the answer back",
            hint="Look at the input; the endpoint's own filter said no.",
        )
    if reason == "length":
        raise Invalid(
            "answer_cut_off",
            f"{where} stopped in mid-answer at its token limit: `{shorten(content, 120)}`",
            hint="Raise `max_tokens` in `app.options`, or ask for a shorter output.",
        )
    if not content.strip():
        raise Invalid(
            "answer_empty",
            f"{where} sent an empty answer, finish reason `{reason}`",
            hint="Try the same call again; if it stays, the model does not take this prompt.",
        )


def _unreadable(body: bytes, *, where: str) -> Invalid:
    if body.lstrip()[:1] == b"<":
        return Invalid(
            "not_a_model_endpoint",
            f"{where} sent a web page, not an answer",
            hint="Check `base_url` in `app.options`; it usually ends in `/v1`.",
        )
    return Invalid(
        "reply_unreadable",
        f"{where} sent no Chat Completions reply: `{read_error(body)[1]}`",
        hint="Check that `base_url` in `app.options` is an OpenAI-compatible endpoint.",
    )


def _text_of(content: object) -> str:
    if isinstance(content, list):  # some endpoints send the answer as a list of parts
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if is_count and isinstance(value, int) else None


def _spell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
