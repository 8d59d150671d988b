"""From the tree of the file to the manifest's records, each error with its place in the file."""

from types import UnionType
from typing import Any, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lineside.core import did_you_mean
from lineside.usecases.document import ManifestProblem, Mark, Misread, Node, quoted
from lineside.usecases.manifest import Manifest

_EXPECTED = {
    "string_type": "a text",
    "bool_type": "`true` or `false`",
    "float_type": "a number",
    "int_type": "a whole number",
    "tuple_type": "a list",
    "dict_type": "names with values",
    "model_type": "names with values",
    "string_too_short": "a text",
}


def read_structure(root: Node, *, file: str) -> tuple[Manifest | None, list[ManifestProblem]]:
    """The manifest that a file declares, or everything that does not fit its records."""
    try:
        document = orjson.dumps(root.plain())
        return Manifest.model_validate_json(document, strict=True), []
    except ValidationError as error:
        problems = [_problem(detail, root, file=file) for detail in error.errors()]
        return None, problems
    except orjson.JSONEncodeError:  # half a surrogate pair, written as an escape
        hint = "Remove escapes such as `\\ud83d`; write the sign itself."
        return None, [ManifestProblem(file, 1, 1, "a broken sign", "text in UTF-8", hint)]


def _problem(detail: ErrorDetails, root: Node, *, file: str) -> ManifestProblem:
    place = detail["loc"]
    name = str(place[-1]) if place else ""
    parent = root.get(*place[:-1]) or root
    node = root.get(*place) or parent
    if detail["type"] == "missing":
        return _missing(place, _name_mark(place[:-1], root), file=file)
    if detail["type"] == "extra_forbidden":
        known = _known_names(place[:-1])
        near = did_you_mean(name.casefold(), known)
        where = f" under {_spelled(place[:-1])}" if place[:-1] else ""
        listed = ", ".join(f"`{word}`" for word in known)
        return _made(
            file,
            (parent.keys or {}).get(name, node.mark),
            quoted(name),
            f"one of {listed}{where}",
            hint=f"Did you mean `{near}`?" if near else "Remove it; it means nothing here.",
            code="unknown_key",
        )
    wrong = detail.get("ctx", {}).get("error")
    if isinstance(wrong, Misread):
        return _made(file, node.mark, wrong.read, wrong.expected, hint=wrong.hint, code=wrong.code)
    return _wrong_value(detail, node, place, file=file)


def _missing(place: tuple[int | str, ...], mark: Mark, *, file: str) -> ManifestProblem:
    name = str(place[-1])
    where = _spelled(place[:-1])
    indent = "  " * sum(isinstance(part, str) for part in place[:-1])
    meaning = _described(place)
    hint = f"Add the line `{indent}{name}: …`"
    hint += f" under {where}, line {mark.line}." if where else " at the left edge."
    return _made(
        file,
        mark,
        f"{where or 'the manifest'} without `{name}`",
        f"`{name}`{f' ({meaning})' if meaning else ''}",
        hint=hint,
        code="missing_key",
    )


def _name_mark(place: tuple[int | str, ...], root: Node) -> Mark:
    """Where the name of a mapping stands; an item of a list has none and begins with itself."""
    around = root.get(*place[:-1]) if place else None
    if around is not None and around.keys is not None:
        return around.keys.get(str(place[-1]), around.mark)
    return (root.get(*place) or root).mark


def _wrong_value(
    detail: ErrorDetails, node: Node, place: tuple[int | str, ...], *, file: str
) -> ManifestProblem:
    kind = detail["type"]
    hint = f"`{_spelled(place).strip('`')}` means: {_described(place)}" if _described(place) else ""
    expected = _EXPECTED.get(kind, detail["msg"][:1].lower() + detail["msg"][1:])
    if kind == "literal_error":
        words = [
            word.strip(" '") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")
        ]
        near = did_you_mean(node.source.casefold(), words)
        expected = "one of " + ", ".join(f"`{word}`" for word in words)
        hint = f"Did you mean `{near}`?" if near else hint
    elif kind == "string_type" and node.source:
        hint = f'Put quotes around it to make it a text: `"{node.source[:80]}"`.'
    elif kind == "tuple_type" and node.source:
        hint = f"Put it in brackets to make it a list: `[{node.source[:80]}]`."
    elif kind in ("model_type", "dict_type"):
        known = _known_names(place)
        names = f": {', '.join(f'`{word}`' for word in known)}" if known else ""
        expected += f" on the lines below{names}"
    elif kind == "string_too_long":
        expected = f"at most {detail['ctx']['max_length']} characters"
        hint = "Keep it short; longer texts belong into a file."
    return _made(file, node.mark, node.shown(), expected, hint=hint, code="bad_value")


def _made(
    file: str, mark: Mark, read: str, expected: str, *, hint: str, code: str
) -> ManifestProblem:
    return ManifestProblem(file, mark.line, mark.column, read, expected, hint or None, code)


def _spelled(place: tuple[int | str, ...]) -> str:
    """A place as people write it: `knobs[2].of`, counted from 1; empty for the top."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return f"`{text}`" if text else ""


def _known_names(place: tuple[int | str, ...]) -> list[str]:
    record = _record_at(place)
    return list(record.model_fields) if record else []


def _described(place: tuple[int | str, ...]) -> str:
    record = _record_at(place[:-1])
    field = record.model_fields.get(str(place[-1])) if record and place else None
    return field.description or "" if field else ""


def _record_at(place: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The record that is declared at a place of the manifest."""
    record: type[BaseModel] | None = Manifest
    for part in place:
        if isinstance(part, int):
            continue  # the record of a list's items was found with the list
        field = record.model_fields.get(part) if record else None
        record = _record_in(field.annotation) if field else None
    return record


def _record_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, UnionType):
        inner = [_record_in(choice) for choice in get_args(annotation)]
        return next((record for record in inner if record), None)
    return None
