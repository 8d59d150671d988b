"""What an `answer` app gives besides its answer: whether it has one, and what it rests on."""

from collections.abc import Iterator, Mapping
from typing import Any

from lineside.usecases.document import Misread, Node
from lineside.usecases.files import Files

_TEXT = {"type": "string"}
_PAGE = {"type": ["integer", "null"], "minimum": 1}
_PLACE = {"source": _TEXT, "page": _PAGE, "heading": _TEXT}


def with_grounding(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The output of an `answer` app: what the manifest declares and what lineside fills in.

    `answered` is false where the sources do not support an answer. `citations` are word for word
    from `documents`, the passages that were found; `sources` are the files that were cited.
    """
    filled = {
        "answered": {"type": "boolean"},
        "citations": _list_of({"document": _TEXT, "quote": _TEXT, **_PLACE}),
        "sources": {"type": "array", "items": _TEXT},
        "documents": _list_of({"id": _TEXT, "text": _TEXT, **_PLACE}),
    }
    return _with(schema, filled)


def grounded_model(
    inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Input and output as the model of an `answer` app sees them: passages in, quotes out."""
    found = _list_of({"id": _TEXT, "text": _TEXT, **_PLACE})
    quoted = _list_of({"document": _TEXT, "quote": _TEXT})
    answer = {**outputs, "properties": {"answer": outputs["properties"]["answer"]}}
    answer["required"] = ["answer"]
    return _with(inputs, {"passages": found}), _with(answer, {"citations": quoted})


def grounding_problems(
    app: Node, files: Files, *, with_data: bool
) -> Iterator[tuple[Node, Misread]]:
    """What is wrong with the fields and sources of an `answer` app, each with its place."""
    outputs, inputs, sources = app.get("output"), app.get("input"), app.get("sources")
    if outputs is not None and isinstance(outputs.value, dict) and set(outputs.value) != {"answer"}:
        names = ", ".join(f"`{name}`" for name in outputs.value)
        hint = (
            "Write `output: {answer: text}`; citations, sources and documents come by themselves."
        )
        yield outputs, Misread(names, "the one field `answer`", hint=hint)
    if inputs is not None and isinstance(inputs.value, dict) and "passages" in inputs.value:
        hint = "Give the field another name; lineside hands the passages it found to the model."
        yield inputs, Misread("`passages`", "fields that the caller fills", hint=hint)
    listed = sources.value if sources is not None and isinstance(sources.value, list) else []
    for node in listed if with_data else []:
        try:
            files.under(str(node.value))
        except Misread as wrong:
            yield node, wrong


def _list_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    item = {
        "type": "object",
        "properties": dict(fields),
        "required": list(fields),
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


def _with(schema: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **schema,
        "properties": {**schema["properties"], **fields},
        "required": [*schema.get("required", []), *fields],
    }
