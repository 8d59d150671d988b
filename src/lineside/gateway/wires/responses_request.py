"""OpenAI Responses: the request."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lineside.core import Invalid
from lineside.gateway.canonical.parts import TextPart, Turn
from lineside.gateway.canonical.request import AnswerForm, ModelRequest, ToolChoice, ToolOffer
from lineside.gateway.wires.fields import Fields, known, sent
from lineside.gateway.wires.responses_items import read_item, write_turn
from lineside.gateway.wires.turns import hosted, joined, without_system

_AT_PROVIDERS = {
    "conversation": (
        "lineside keeps responses, and no conversations",
        "Go on with `previous_response_id`, or send the conversation so far as `input`.",
    ),
    "background": (
        "a call is answered while its caller waits",
        "Leave it out; a file of many calls goes to `lineside batch`.",
    ),
    "prompt": (
        "lineside keeps no prompts for plain models",
        "Send its text as `instructions` and `input`, or ask a use case.",
    ),
}
_PLAIN: dict[str, tuple[str, type]] = {
    "calls_tools_in_parallel": ("parallel_tool_calls", bool),
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_logprobs": ("top_logprobs", int),
    "tokens_out_max": ("max_output_tokens", int),
    "is_stream": ("stream", bool),
    "user": ("user", str),
}


def read_request(raw: Mapping[str, Any]) -> ModelRequest:
    """Read a request; what is not understood is kept for an endpoint of the same wire.

    Raises:
        Invalid: It is none; says where it breaks.
    """
    fields = Fields(raw, place="body")
    values: dict[str, Any] = {
        name: fields.take(there, kind) for name, (there, kind) in _PLAIN.items()
    }
    instructions = fields.take("instructions", str)
    if instructions is not None:
        part = TextPart(text=instructions)
        values["system"] = Turn(role="system", parts=(part,), is_plain=True)
    if isinstance(fields.rest.get("input"), str):
        part = TextPart(text=fields.need("input", str))
        turns: tuple[Turn, ...] = (Turn(role="user", parts=(part,), is_plain=True),)
        fields.rest["~input"] = "plain"
    else:
        items = fields.need("input", list)
        turns = tuple(read_item(item, place=f"input[{at}]") for at, item in enumerate(items))
    reasoning = fields.take("reasoning", dict)
    if reasoning is not None:
        inner = Fields(reasoning, place="reasoning")
        values["reasoning_effort"] = inner.take("effort", str)
        fields.rest["~reasoning"] = inner.rest
    return ModelRequest(
        wire="responses",
        model=fields.need("model", str),
        turns=turns,
        tools=tuple(map(_read_tool, fields.take_list("tools"))),
        tool_choice=_read_choice(fields),
        answer_form=_read_form(fields),
        **known(values),
        extras=fields.rest,
    )


def refuse_stored(raw: Mapping[str, Any], *, wire: str) -> None:
    """Refuse what rests on something kept at the provider, whichever wire asks for it.

    The key there is shared by all callers: an id of theirs would open another workspace's.

    Raises:
        Invalid: The request asks for it.
    """
    for name, (why, instead) in _AT_PROVIDERS.items():
        if raw.get(name):
            raise Invalid("not_stored", f"`{name}` is not taken: {why}", hint=instead)
    if wire != "responses":
        if raw.get("previous_response_id"):
            raise Invalid(
                "not_stored",
                "`previous_response_id` is not taken: only `/v1/responses` has it",
                hint="Send the conversation so far.",
            )
        return
    items = raw.get("input")
    for at, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get("type") == "item_reference":
            raise Invalid(
                "not_stored",
                f"`input[{at}]` only names an item that is kept elsewhere: "
                f"`{str(item.get('id'))[:80]}`",
                hint="Send the item itself, or go on with `previous_response_id`.",
            )


def input_items(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """What was asked by this wire, as its items."""
    return [item for turn in turns for item in write_turn(turn, is_own=True)]


def write_request(request: ModelRequest) -> dict[str, Any]:
    """Write a request."""
    is_own = request.wire == "responses"
    written: dict[str, Any] = {"model": request.model}
    if is_own:
        turns = list(request.turns)
        written["instructions"] = request.system.text if request.system else None
    else:
        said, others = without_system(request)
        turns = joined(others)
        texts = [part.text for part in said if isinstance(part, TextPart)]
        written["instructions"] = "\n\n".join(texts) or None
        # Otherwise the provider would keep what it answers for a month.
        written["store"] = False
    if is_own and request.extras.get("~input") == "plain" and len(turns) == 1:
        written["input"] = turns[0].text
    else:
        items = [item for turn in turns for item in write_turn(turn, is_own=is_own)]
        written["input"] = [item for item in items if not _is_homeless(item)]
    written |= {there: getattr(request, name) for name, (there, _) in _PLAIN.items()}
    reasoning = known({"effort": request.reasoning_effort})
    kept = request.extras.get("~reasoning") if is_own else None
    if reasoning or kept is not None:
        written["reasoning"] = reasoning | (kept or {})
    if request.wants_logprobs and not is_own:
        written["include"] = ["message.output_text.logprobs"]
    written |= {
        "tools": [_write_tool(tool, is_own=is_own) for tool in request.tools] or None,
        "tool_choice": _write_choice(request.tool_choice),
        "text": _write_form(request, is_own=is_own),
    }
    return known(written) | sent(request.extras, is_own=is_own)


def _is_homeless(item: dict[str, Any]) -> bool:
    """Whether it is a thought of a model of another wire, which none of this one takes back."""
    return item.get("type") == "reasoning" and not (item.keys() & {"id", "encrypted_content"})


def _read_tool(raw: object) -> ToolOffer:
    fields = Fields(raw, place="tools")
    kind = fields.need("type", str)
    if kind != "function":
        return ToolOffer(name=kind, hosted={"type": kind, **fields.rest})
    return ToolOffer(
        name=fields.need("name", str),
        description=fields.take("description", str),
        schema_of_arguments=fields.take("parameters", dict),
        is_strict=fields.take("strict", bool),
        extras=fields.rest,
    )


def _write_tool(tool: ToolOffer, *, is_own: bool) -> dict[str, Any]:
    if tool.hosted is not None:
        return hosted(tool, is_own=is_own)
    written = {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema_of_arguments,
        # Strict is the rule here and nowhere else.
        "strict": tool.is_strict if is_own else bool(tool.is_strict),
    }
    return known(written) | sent(tool.extras, is_own=is_own)


def _read_choice(fields: Fields) -> ToolChoice | None:
    choice = fields.rest.get("tool_choice")
    if isinstance(choice, str) and choice in ("auto", "none", "required"):
        fields.take("tool_choice", str)
        return ToolChoice(mode=cast("Any", choice))
    if isinstance(choice, dict) and choice.keys() == {"type", "name"}:
        fields.take("tool_choice", dict)
        return ToolChoice(mode="named", name=choice["name"])
    return None


def _write_choice(choice: ToolChoice | None) -> Any:
    if choice is None:
        return None
    return choice.mode if choice.mode != "named" else {"type": "function", "name": choice.name}


def _read_form(fields: Fields) -> AnswerForm | None:
    text = fields.take("text", dict)
    if text is None:
        return None
    outer = Fields(text, place="text")
    raw = outer.take("format", dict)
    fields.rest["~text"] = outer.rest
    if raw is None:
        return None
    inner = Fields(raw, place="text.format")
    return AnswerForm(
        kind=cast("Any", inner.need("type", str)),
        name=inner.take("name", str),
        json_schema=inner.rest.pop("schema", None),
        is_strict=inner.take("strict", bool),
        extras=inner.rest,
    )


def _write_form(request: ModelRequest, *, is_own: bool) -> Any:
    form = request.answer_form
    kept = request.extras.get("~text") if is_own else None
    if form is None:
        return kept
    written: dict[str, Any] = {"type": form.kind}
    if form.kind == "json_schema":
        name = form.name if is_own else form.name or "answer"
        written |= known({"name": name, "schema": form.json_schema, "strict": form.is_strict})
    return {"format": written | sent(form.extras, is_own=is_own)} | (kept or {})
