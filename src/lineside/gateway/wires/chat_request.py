"""Chat Completions: the request."""

from collections.abc import Mapping
from typing import Any, cast

from lineside.gateway.canonical.request import AnswerForm, ModelRequest, ToolChoice, ToolOffer
from lineside.gateway.wires.chat_parts import read_turn, write_turn
from lineside.gateway.wires.fields import Fields, known, sent
from lineside.gateway.wires.turns import hosted, joined

_PLAIN: dict[str, tuple[str, type]] = {
    "calls_tools_in_parallel": ("parallel_tool_calls", bool),
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "top_k": ("top_k", int),
    "seed": ("seed", int),
    "frequency_penalty": ("frequency_penalty", float),
    "presence_penalty": ("presence_penalty", float),
    "choices_wanted": ("n", int),
    "wants_logprobs": ("logprobs", bool),
    "top_logprobs": ("top_logprobs", int),
    "reasoning_effort": ("reasoning_effort", str),
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
        name: fields.take(there, kind)
        for name, (there, kind) in _PLAIN.items()
        if there in fields.rest
    }
    marks: dict[str, Any] = {}
    values["tokens_out_max"] = fields.take("max_completion_tokens", int)
    if values["tokens_out_max"] is None:
        values["tokens_out_max"] = fields.take("max_tokens", int)
        marks["~limit"] = "max_tokens"
    stop = fields.rest.get("stop")
    if isinstance(stop, str):
        marks["~stop"] = "plain"
        values["stop"] = (fields.take("stop", str),)
    elif stop is not None:
        values["stop"] = tuple(fields.need("stop", list))
    options = fields.take("stream_options", dict)
    if options is not None:
        values["wants_stream_tokens"] = options.get("include_usage")
        marks["~stream_options"] = {k: v for k, v in options.items() if k != "include_usage"}
    return ModelRequest(
        wire="chat",
        model=fields.need("model", str),
        turns=tuple(
            read_turn(message, place=f"messages[{at}]")
            for at, message in enumerate(fields.need("messages", list))
        ),
        tools=tuple(map(_read_tool, fields.take_list("tools"))),
        tool_choice=_read_choice(fields),
        answer_form=_read_form(fields),
        **known(values),
        extras=fields.rest | marks,
    )


def write_request(request: ModelRequest) -> dict[str, Any]:
    """Write a request."""
    is_own = request.wire == "chat"
    turns = list(request.all_turns) if is_own else joined(request.all_turns)
    marks = request.extras if is_own else {}
    limit = marks.get("~limit", "max_completion_tokens")
    stop: Any = list(request.stop) or None
    written: dict[str, Any] = {
        "model": request.model,
        "messages": [message for turn in turns for message in write_turn(turn, is_own=is_own)],
        "stop": stop[0] if stop and marks.get("~stop") == "plain" else stop,
        limit: request.tokens_out_max,
        "tools": [_write_tool(tool, is_own=is_own) for tool in request.tools] or None,
        "tool_choice": _write_choice(request.tool_choice),
        "response_format": _write_form(request.answer_form, is_own=is_own),
    }
    said = vars(request)
    written |= {there: said[name] for name, (there, _) in _PLAIN.items()}
    if request.top_logprobs and not is_own:
        written["logprobs"] = True  # without it nobody here is given any
    if request.wants_stream_tokens is not None or "~stream_options" in marks:
        asked = known({"include_usage": request.wants_stream_tokens})
        written["stream_options"] = asked | marks.get("~stream_options", {})
    return known(written) | sent(request.extras, is_own=is_own)


def _read_tool(raw: object) -> ToolOffer:
    fields = Fields(raw, place="tools")
    kind = fields.need("type", str)
    if kind != "function" or "function" not in fields.rest:
        return ToolOffer(name=kind, hosted={"type": kind, **fields.rest})
    inner = Fields(fields.need("function", dict), place="tools.function")
    return ToolOffer(
        name=inner.need("name", str),
        description=inner.take("description", str),
        schema_of_arguments=inner.take("parameters", dict),
        is_strict=inner.take("strict", bool),
        extras={**fields.rest, "~inner": inner.rest},
    )


def _write_tool(tool: ToolOffer, *, is_own: bool) -> dict[str, Any]:
    if tool.hosted is not None:
        return hosted(tool, is_own=is_own)
    function = known(
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.schema_of_arguments,
            "strict": tool.is_strict,
        }
    )
    inner = tool.extras.get("~inner", {}) if is_own else {}
    extras = sent(tool.extras, is_own=is_own)
    return {"type": "function", "function": function | inner} | extras


def _read_choice(fields: Fields) -> ToolChoice | None:
    choice = fields.rest.get("tool_choice")
    if isinstance(choice, str) and choice in ("auto", "none", "required"):
        fields.take("tool_choice", str)
        return ToolChoice(mode=cast("Any", choice))
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        fields.take("tool_choice", dict)
        return ToolChoice(mode="named", name=function["name"])
    return None


def _write_choice(choice: ToolChoice | None) -> Any:
    if choice is None:
        return None
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _read_form(fields: Fields) -> AnswerForm | None:
    raw = fields.take("response_format", dict)
    if raw is None:
        return None
    outer = Fields(raw, place="response_format")
    kind = outer.need("type", str)
    if kind != "json_schema":
        return AnswerForm(kind=cast("Any", kind), extras=outer.rest)
    inner = Fields(outer.need("json_schema", dict), place="response_format.json_schema")
    return AnswerForm(
        kind="json_schema",
        name=inner.take("name", str),
        json_schema=inner.rest.pop("schema", None),
        is_strict=inner.take("strict", bool),
        extras={**outer.rest, "~inner": inner.rest},
    )


def _write_form(form: AnswerForm | None, *, is_own: bool) -> Any:
    if form is None:
        return None
    written: dict[str, Any] = {"type": form.kind}
    if form.kind == "json_schema":
        inner = {"name": form.name or "answer", "schema": form.json_schema}
        inner |= known({"strict": form.is_strict})
        written["json_schema"] = inner | (form.extras.get("~inner", {}) if is_own else {})
    return written | sent(form.extras, is_own=is_own)
