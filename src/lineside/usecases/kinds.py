"""What the kind of an app adds to a manifest: keys of its own, and the shape of its output."""

from collections.abc import Iterator
from typing import Any

from lineside.usecases.document import Mark, Misread, Node
from lineside.usecases.fields import with_probability
from lineside.usecases.files import Files
from lineside.usecases.grounding import grounding_problems, with_grounding

_KINDS = {"predict", "answer", "agent"}
_KEYS = {
    **dict.fromkeys(("sources", "retrieval"), "answer"),
    **dict.fromkeys(("goal", "tools", "boundary"), "agent"),
}
_NEEDS = {"answer": ("sources",), "agent": ("goal",)}
_SHAPES = {"predict": with_probability, "answer": with_grounding}


def shaped_output(kind: Node | None, schema: dict[str, Any]) -> dict[str, Any]:
    """The output of an app of this kind, from what the manifest declares of it."""
    shape = _SHAPES.get(str(kind.value)) if kind is not None else None
    return shape(schema) if shape else schema


def kind_problems(app: Node, files: Files, *, with_data: bool) -> Iterator[tuple[Mark, Misread]]:
    """Keys that the app's kind does not know or lacks, and sources it cannot use."""
    kind = app.get("kind")
    if kind is None or not isinstance(app.value, dict):
        return
    for name, owner in _KEYS.items():
        if name in app.value and kind.value in _KINDS - {owner}:
            wrong = Misread(
                f"`{name}` in an app of the kind {kind.shown()}",
                f"it with `kind: {owner}` only",
                hint=f"Remove `{name}`, or change the kind on line {kind.mark.line}.",
                code="unknown_key",
            )
            yield (app.keys or {})[name], wrong
    if kind.value == "answer":
        for node, wrong in grounding_problems(app, files, with_data=with_data):
            yield node.mark, wrong
    for name in _NEEDS.get(str(kind.value), ()):
        if name not in app.value:
            wrong = Misread(
                f"`kind: {kind.value}` without `{name}`",
                f"`{name}` under `app`",
                hint=f"Add the line `  {name}: …` under `app`, line {kind.mark.line}.",
                code="missing_key",
            )
            yield kind.mark, wrong
