"""Gemini: the request."""

from collections.abc import Mapping
from typing import Any

from lineside.gateway.canonical.parts import TextPart, Turn
from lineside.gateway.canonical.request import AnswerForm, ModelRequest, ToolChoice, ToolOffer
from lineside.gateway.wires.fields import Fields, known, sent
from lineside.gateway.wires.gemini_parts import read_turn, write_turn
from lineside.gateway.wires.turns import hosted, joined, tool_names, without_system

_CONFIG: dict[str, tuple[str, type]] = {
    "temperature": ("temperature", float),
    "top_p": ("topP", float),
    "top_k": ("topK", float),
    "seed": ("seed", int),
    "tokens_out_max": ("maxOutputTokens", int),
    "frequency_penalty": ("frequencyPenalty", float),
    "presence_penalty": ("presencePenalty", float),
    "choices_wanted": ("candidateCount", int),
    "wants_logprobs": ("responseLogprobs", bool),
    "top_logprobs": ("logprobs", int),
}
_SCHEMAS = ("parametersJsonSchema", "parameters_json_schema", "parameters")
_EFFORT_TOKENS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def read_request(
    raw: Mapping[str, Any], *, model: str = "", is_stream: bool | None = None
) -> ModelRequest:
    """Read a request; its model and whether it streams stand in its address.

    Raises:
        Invalid: It is none; says where it breaks.
    """
    fields = Fields(raw, place="body")
    values: dict[str, Any] = {}
    system = fields.take("systemInstruction", dict)
    if system is not None:
        turn = read_turn(system, place="systemInstruction")
        values["system"] = turn.model_copy(update={"role": "system"})
    config = fields.take("generationConfig", dict)
    if config is not None:
        values |= _read_config(Fields(config, place="generationConfig"), fields.rest)
    choice = _read_choice(fields)
    tools = fields.take_list("tools") if isinstance(fields.rest.get("tools"), list) else []
    return ModelRequest(
        wire="gemini",
        model=model,
        is_stream=is_stream,
        turns=tuple(
            read_turn(content, place=f"contents[{at}]", answer_id=f"{at}_")
            for at, content in enumerate(fields.need("contents", list))
        ),
        tools=tuple(offer for at, tool in enumerate(tools) for offer in _read_tool(tool, at)),
        tool_choice=choice,
        **known(values),
        extras=fields.rest,
    )


def _read_config(config: Fields, extras: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: config.take(there, kind) for name, (there, kind) in _CONFIG.items()
    }
    values["stop"] = tuple(config.take_list("stopSequences"))
    if "responseJsonSchema" in config.rest:
        schema = config.rest.pop("responseJsonSchema")
        values["answer_form"] = AnswerForm(kind="json_schema", json_schema=schema)
    thinking = config.rest.get("thinkingConfig")
    if isinstance(thinking, dict) and thinking.keys() == {"thinkingBudget"}:
        values["reasoning_tokens_max"] = thinking["thinkingBudget"]
        del config.rest["thinkingConfig"]
    extras["~config"] = config.rest
    return values


def write_request(request: ModelRequest) -> dict[str, Any]:
    """Write a request."""
    is_own = request.wire == "gemini"
    names = tool_names(request.turns)
    written: dict[str, Any] = {}
    if is_own:
        turns = list(request.turns)
        if request.system is not None:
            written["systemInstruction"] = write_turn(request.system, is_own=True, names=names)
    else:
        said, others = without_system(request)
        turns = joined([_spoken(turn) for turn in joined(others)])
        text = "\n\n".join(part.text for part in said if isinstance(part, TextPart))
        if text:
            written["systemInstruction"] = {"parts": [{"text": text}]}
    written["contents"] = [write_turn(turn, is_own=is_own, names=names) for turn in turns]
    config = _write_config(request, is_own=is_own)
    if config or (is_own and "~config" in request.extras):
        written["generationConfig"] = config
    tools = _write_tools(request.tools, is_own=is_own)
    choice = request.tool_choice
    if choice is not None:
        function = {"mode": _MODES[choice.mode]}
        allowed = {"allowedFunctionNames": [choice.name]} if choice.mode == "named" else {}
        written["toolConfig"] = {"functionCallingConfig": function | allowed}
    return written | known({"tools": tools or None}) | sent(request.extras, is_own=is_own)


def _spoken(turn: Turn) -> Turn:
    """Results of tools are said by the user here."""
    return turn.model_copy(update={"role": "user"}) if turn.role == "tool" else turn


def _write_config(request: ModelRequest, *, is_own: bool) -> dict[str, Any]:
    config: dict[str, Any] = {there: getattr(request, name) for name, (there, _) in _CONFIG.items()}
    config["stopSequences"] = list(request.stop) or None
    budget = request.reasoning_tokens_max
    if budget is None and not is_own:
        budget = _EFFORT_TOKENS.get(request.reasoning_effort or "")
    if budget is not None:
        shown = {} if is_own else {"includeThoughts": budget > 0}
        config["thinkingConfig"] = {"thinkingBudget": budget} | shown
    form = request.answer_form
    if form is not None and form.kind != "text":
        config["responseJsonSchema"] = form.json_schema
        if not is_own:
            config["responseMimeType"] = "application/json"
    return known(config) | (request.extras.get("~config", {}) if is_own else {})


def _read_tool(raw: object, group: int) -> list[ToolOffer]:
    fields = Fields(raw, place="tools")
    name = next((key for key in fields.rest if key.lower().startswith("functiond")), None)
    name = name or ("function_declarations" if "function_declarations" in fields.rest else None)
    if name is None or len(fields.rest) > 1:
        return [ToolOffer(name=next(iter(fields.rest), "?"), hosted=fields.rest)]
    offers = []
    for item in fields.need(name, list):
        inner = Fields(item, place="tools.functionDeclarations")
        key = next((key for key in _SCHEMAS if key in inner.rest), None)
        offers.append(
            ToolOffer(
                name=inner.need("name", str),
                description=inner.take("description", str),
                schema_of_arguments=inner.take(key, dict) if key else None,
                extras={**inner.rest, "~group": group, "~list": name, "~schema": key},
            )
        )
    return offers


def _write_tools(tools: tuple[ToolOffer, ...], *, is_own: bool) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    groups: dict[Any, list[dict[str, Any]]] = {}
    for tool in tools:
        if tool.hosted is not None:
            written.append(hosted(tool, is_own=is_own))
            continue
        marks = tool.extras if is_own else {}
        group = marks.get("~group", 0)
        if group not in groups:
            groups[group] = []
            written.append({marks.get("~list", "functionDeclarations"): groups[group]})
        schema = {marks.get("~schema") or _SCHEMAS[0]: tool.schema_of_arguments}
        offer = {"name": tool.name, "description": tool.description} | schema
        groups[group].append(known(offer) | sent(tool.extras, is_own=is_own))
    return written


def _read_choice(fields: Fields) -> ToolChoice | None:
    config = fields.rest.get("toolConfig")
    calling = config.get("functionCallingConfig") if isinstance(config, dict) else None
    if not isinstance(calling, dict) or set(config or ()) != {"functionCallingConfig"}:
        return None
    mode, names = calling.get("mode"), calling.get("allowedFunctionNames")
    known_modes = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
    if mode not in known_modes or set(calling) - {"mode", "allowedFunctionNames"}:
        return None
    if names is None:
        del fields.rest["toolConfig"]
        return ToolChoice.model_validate({"mode": known_modes[mode]})
    if mode == "ANY" and len(names) == 1:
        del fields.rest["toolConfig"]
        return ToolChoice(mode="named", name=names[0])
    return None
