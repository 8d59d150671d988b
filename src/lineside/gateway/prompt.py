"""From a use case's prompt and input to a request in the canonical form, and its answer's words."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lineside.core import Invalid
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.parts import TextPart, Turn
from lineside.gateway.canonical.request import AnswerForm, ModelRequest
from lineside.gateway.output import shorten

AnswerFormat = Literal["json_schema", "json_object", "words"]
"""How the endpoint is told of the output's form: as a schema, as JSON of any form, not at all."""

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w-]*)\s*\}\}")
_KNOB = re.compile(r"\{\{\s*knob\.(\w+)\s*\}\}")
# Schema words that the strict mode of structured output does not know.
_NOT_STRICT = {
    *("oneOf", "allOf", "not", "if", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "unevaluatedProperties", "propertyNames", "prefixItems"),
}


def placeholders(prompt: str) -> set[str]:
    """Names of the input fields that a prompt places with `{{field}}`."""
    return set(_PLACEHOLDER.findall(prompt))


def placed_knobs(prompt: str) -> set[str]:
    """Names of the knobs that a prompt places with `{{knob.name}}`."""
    return set(_KNOB.findall(prompt))


def turns_for(
    payload: Mapping[str, Any],
    *,
    prompt: str | None,
    is_single_text: bool,
    knobs: Mapping[str, Any] | None = None,
) -> list[Turn]:
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
    turns = [_turn("system", system)] if system.strip() else []
    return [*turns, _turn("user", user)]


def _turn(role: Literal["system", "user", "assistant"], text: str) -> Turn:
    return Turn(role=role, parts=(TextPart(text=text),), is_plain=True)


def ask_again(turns: Sequence[Turn], *, answer: str, misfit: str) -> list[Turn]:
    """Continue a conversation by showing the model its own answer and what is wrong with it."""
    complaint = (
        f"That answer does not fit. {shorten(misfit, 2000)}\n"
        "Answer again with one JSON object that fits the schema, and nothing else."
    )
    return [*turns, _turn("assistant", shorten(answer, 8000)), _turn("user", complaint)]


def in_form(
    request: ModelRequest, *, schema: Mapping[str, Any], answer_format: AnswerFormat
) -> ModelRequest:
    """The request asking for an answer in the form of the output schema.

    An endpoint that does not take a schema reads it in the system message instead.
    """
    if answer_format == "json_schema":
        wire, is_strict = strict_schema(schema)
        asked = AnswerForm(kind="json_schema", name="answer", json_schema=wire, is_strict=is_strict)
        return request.model_copy(update={"answer_form": asked})
    rule = (
        "Answer with one JSON object that fits this JSON Schema, and nothing else:\n"
        f"{_spell(dict(schema))}"
    )
    first, *rest = request.turns
    has_system = first.role == "system"
    system = f"{first.text}\n\n{rule}" if has_system else rule
    turns = (_turn("system", system), *(rest if has_system else request.turns))
    form = AnswerForm(kind="json_object") if answer_format == "json_object" else None
    return request.model_copy(update={"turns": turns, "answer_form": form})


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


def check_whole(answer: ModelAnswer, *, where: str) -> None:
    """Go on only if there is a whole answer.

    Raises:
        Invalid: The model refused, was cut off or was filtered.
    """
    if not answer.choices:
        raise Invalid(
            "reply_unreadable",
            f"{where} sent a reply without an answer in it",
            hint="Check that `base_url` in `app.options` is an endpoint of a model.",
        )
    choice = answer.choices[0]
    parts = [part for part in choice.turn.parts if isinstance(part, TextPart)]
    refusal = "".join(part.text for part in parts if part.is_refusal)
    if refusal:
        raise _quoting(
            refusal,
            Invalid(
                "model_refused",
                f"{where} refused to answer",
                hint="Look at the input and the prompt; the model's own rules said no.",
            ),
        )
    if choice.finish_reason == "filtered":
        raise Invalid(
            "answer_filtered",
            f"A content filter of {where} held the answer back",
            hint="Look at the input; the endpoint's own filter said no.",
        )
    if choice.finish_reason == "length":
        raise _quoting(
            choice.turn.text,
            Invalid(
                "answer_cut_off",
                f"{where} stopped in mid-answer at its token limit",
                hint="Raise `max_tokens` in `app.options`, or ask for a shorter output.",
            ),
        )
    if not choice.turn.text.strip():
        raise Invalid(
            "answer_empty",
            f"{where} sent an empty answer, finish reason `{choice.finish_as_sent}`",
            hint="Try the same call again; if it stays, the model does not take this prompt.",
        )


def _quoting(said: str, error: Invalid) -> Invalid:
    error.quotes = (said,) if said else ()
    return error


def _spell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
