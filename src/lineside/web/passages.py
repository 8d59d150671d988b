"""What a rater's form says, marked passages among it. Pure."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from lineside.core import Invalid
from lineside.evals import reviews

PREFIX = "q-"


def said_in(
    questions: Sequence[reviews.ReviewQuestion], typed: Mapping[str, str], *, text: str
) -> dict[str, Any]:
    """What a form says; passages come as JSON, or without a script as one copied line each."""
    said: dict[str, Any] = {}
    for question in questions:
        value = typed.get(f"{PREFIX}{question.name}", "").strip()
        if question.kind == "spans":
            said[question.name] = _passages(value, text)
        elif value:
            said[question.name] = value
    return said


def passage_lines(spans: Any, text: str) -> str:
    """Marked passages as the lines that a form without a script holds."""
    lines = [_line(span, text) for span in spans or []]
    return "\n".join(lines)


def _passages(value: str, text: str) -> list[dict[str, Any]]:
    if value == "[]" or value.startswith("[{"):
        with suppress(orjson.JSONDecodeError):  # else it is a passage that looks like it
            found: list[dict[str, Any]] = orjson.loads(value)
            return found
    spans = []
    for line in value.splitlines():
        label, passage = _parts(line)
        at = text.find(passage)
        if not passage or at < 0:
            raise Invalid(
                "passage_not_found",
                f"The answer holds no passage `{line[:60]}`",
                hint="Copy passages as they stand, one a line.",
            )
        spans.append({"start": at, "end": at + len(passage), "label": label})
    return spans


def _parts(line: str) -> tuple[str | None, str]:
    found = re.fullmatch(r"\[([^\]]+)\]\s*(.+)", line.strip())
    return (found[1], found[2]) if found else (None, line.strip())


def _line(span: Mapping[str, Any], text: str) -> str:
    passage = text[span["start"] : span["end"]]
    return f"[{span['label']}] {passage}" if span["label"] else passage
