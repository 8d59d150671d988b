"""Anthropic Messages: the request."""

from collections.abc import Mapping
from typing import Any, Literal

from lineside.core import Invalid
from lineside.gateway.canonical.parts import TextPart, Turn
from lineside.gateway.canonical.request import AnswerForm, ModelRequest, ToolChoice, ToolOffer
from lineside.gateway.wires.fields import Fields, known, sent
from lineside.gateway.wires.messages_parts import read_content, read_turn, write_content, write_turn
from lineside.gateway.wires.turns import hosted, joined, without_system

_TOKENS_OUT_MAX = 4096  # this wire asks for a limit; here for callers who give none
EFFORT_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576}
_MODES = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}
_PLAIN: dict[str, tuple[str, type]] = {
    "tokens_out_max": ("max_tokens", int),
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_k": ("top_k", int),
    "is_stream": ("stream", bool),
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
    if fields.rest.get("system") is not None:
        parts, is_plain = read_content(fields, "system", place="body")
        values["system"] = Turn(role="system", parts=parts, is_plain=is_plain)
    values["stop"] = tuple(fields.take_list("stop_sequences"))
    thinking = fields.rest.get("thinking")
    if isinstance(thinking, dict) and thinking.keys() == {"type", "budget_tokens"}:
        values["reasoning_tokens_max"] = thinking["budget_tokens"]
        del fields.rest["thinking"]
    metadata = fields.rest.get("metadata")
    if isinstance(metadata, dict) and metadata.keys() == {"user_id"}:
        values["user"] = metadata["user_id"]
        del fields.rest["metadata"]
    config = fields.rest.get("output_config")
    if isinstance(config, dict):
        values |= _read_config(fields)
    return ModelRequest(
        wire="messages",
        model=fields.need("model", str),
        turns=tuple(
            read_turn(message, place=f"messages[{at}]")
            for at, message in enumerate(fields.need("messages", list))
        ),
        tools=tuple(map(_read_tool, fields.take_list("tools"))),
        **_read_choice(fields),
        **known(values),
        extras=fields.rest,
    )


def _read_config(fields: Fields) -> dict[str, Any]:
    config = Fields(fields.rest.pop("output_config"), place="output_config")
    values: dict[str, Any] = {"reasoning_effort": config.take("effort", str)}
    form = config.take("format", dict)
    if form is not None:
        inner = Fields(form, place="output_config.format")
        if inner.need("type", str) != "json_schema":
            raise Invalid("wire_misfit", "`output_config.format.type` is not `json_schema`")
        values["answer_form"] = AnswerForm(
            kind="json_schema", json_schema=inner.rest.pop("schema", None), extras=inner.rest
        )
    fields.rest["~config"] = config.rest
    return values


def write_request(request: ModelRequest) -> dict[str, Any]:
    """Write a request."""
    is_own = request.wire == "messages"
    written: dict[str, Any] = {"model": request.model}
    if is_own:
        system, turns = request.system, list(request.turns)
        if system is not None:
            written["system"] = write_content(system.parts, is_plain=system.is_plain, is_own=True)
    else:
        said, others = without_system(request)
        turns = _alternating(joined(others))
        text = "\n\n".join(part.text for part in said if isinstance(part, TextPart))
        written["system"] = text or None
    written["messages"] = [write_turn(turn, is_own=is_own) for turn in turns]
    written |= {there: getattr(request, name) for name, (there, _) in _PLAIN.items()}
    written |= _written_reasoning(request, is_own=is_own)
    written |= {
        "stop_sequences": list(request.stop) or None,
        "tools": [_write_tool(tool, is_own=is_own) for tool in request.tools] or None,
        "tool_choice": _write_choice(request, is_own=is_own),
        "metadata": {"user_id": request.user} if request.user else None,
    }
    return known(written) | sent(request.extras, is_own=is_own)


def _alternating(turns: list[Turn]) -> list[Turn]:
    """Turns of tools are the user's here; neighbours of one role become one."""
    found: list[Turn] = []
    for turn in turns:
        role: Literal["assistant", "user"] = "assistant" if turn.role == "assistant" else "user"
        if found and found[-1].role == role:
            found[-1] = Turn(role=role, parts=found[-1].parts + turn.parts)
        else:
            found.append(Turn(role=role, parts=turn.parts, is_plain=turn.is_plain))
    return found


def _written_reasoning(request: ModelRequest, *, is_own: bool) -> dict[str, Any]:
    budget, written = request.reasoning_tokens_max, dict[str, Any]()
    config = dict(request.extras.get("~config", {})) if is_own else {}
    if is_own:
        config |= known({"effort": request.reasoning_effort})
    else:
        written["max_tokens"] = request.tokens_out_max or _TOKENS_OUT_MAX
        if budget is None:
            budget = EFFORT_TOKENS.get(request.reasoning_effort or "")
        if budget is not None:
            # The limit here counts thoughts in, and a thinking model takes no other temperature.
            written["max_tokens"] = max(written["max_tokens"], budget + _TOKENS_OUT_MAX)
            written |= {"temperature": None, "top_k": None}
    form = request.answer_form
    if form is not None and form.kind == "json_object":
        raise Invalid(
            "not_on_this_wire",
            "The model that is to answer knows no `json_object` without a schema",
            hint="Send a `json_schema` as the form of the answer.",
        )
    if form is not None and form.kind == "json_schema":
        extras = sent(form.extras, is_own=is_own)
        config["format"] = {"type": "json_schema", "schema": form.json_schema} | extras
    if config or (is_own and "~config" in request.extras):
        written["output_config"] = config
    if budget is not None:
        written["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return written


def _read_tool(raw: object) -> ToolOffer:
    fields = Fields(raw, place="tools")
    kind = fields.rest.get("type")
    if kind not in (None, "custom"):
        return ToolOffer(name=str(kind), hosted=fields.rest)
    return ToolOffer(
        name=fields.need("name", str),
        description=fields.take("description", str),
        schema_of_arguments=fields.take("input_schema", dict),
        is_strict=fields.take("strict", bool),
        extras=fields.rest,
    )


def _write_tool(tool: ToolOffer, *, is_own: bool) -> dict[str, Any]:
    if tool.hosted is not None:
        return hosted(tool, is_own=is_own)
    schema = tool.schema_of_arguments
    if schema is None and not is_own:
        schema = {"type": "object", "properties": {}}
    return known(
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": schema,
            "strict": tool.is_strict if is_own else None,
        }
    ) | sent(tool.extras, is_own=is_own)


def _read_choice(fields: Fields) -> dict[str, Any]:
    raw = fields.rest.get("tool_choice")
    if not isinstance(raw, dict) or raw.get("type") not in _MODES:
        return {}
    inner = Fields(fields.need("tool_choice", dict), place="tool_choice")
    mode = _MODES[inner.need("type", str)]
    alone = inner.take("disable_parallel_tool_use", bool)
    choice = ToolChoice.model_validate(
        {"mode": mode, "name": inner.take("name", str), "extras": inner.rest}
    )
    parallel = {} if alone is None else {"calls_tools_in_parallel": not alone}
    return {"tool_choice": choice, **parallel}


def _write_choice(request: ModelRequest, *, is_own: bool) -> dict[str, Any] | None:
    choice, parallel = request.tool_choice, request.calls_tools_in_parallel
    if choice is None and (parallel is None or not request.tools):
        return None
    mode = choice.mode if choice else "auto"
    written: dict[str, Any] = {"type": {value: name for name, value in _MODES.items()}[mode]}
    written |= known({"name": choice.name if choice else None})
    if parallel is not None and mode != "none" and (is_own or not parallel):
        written["disable_parallel_tool_use"] = not parallel
    return written | (sent(choice.extras, is_own=is_own) if choice else {})
