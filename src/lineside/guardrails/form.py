"""Whether an answer has the form that was asked for, and the mending of what nearly has it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lineside.gateway import Form
from lineside.guardrails.guard import Caught, Passage

_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_TRAILING = re.compile(r",(\s*[}\]])")
_MENDED_CHARACTERS_MAX = 200_000


def matches_schema(
    *, schema: Mapping[str, Any], repair: bool = True
) -> Callable[[Passage], Caught | None]:
    """Catches what does not fit a JSON Schema.

    Args:
        repair: Mend what is nearly JSON: a fence around it, words before it, commas too many,
            brackets that are missing at the end. Values are never made up.
    """
    form = Form(schema)

    def check(passage: Passage) -> Caught | None:
        if passage.value is not None:
            problems = _problems(form, passage.value)
            return Caught(f"it does not fit: {'; '.join(problems)}"[:300]) if problems else None
        try:
            problems = _problems(form, orjson.loads(passage.text))
        except orjson.JSONDecodeError:
            problems = ["it is no JSON"]
        if not problems:
            return None
        mended = mend_json(passage.text) if repair else None
        if mended is not None and not _problems(form, mended):
            return Caught("it was nearly JSON", replacement=orjson.dumps(mended).decode())
        return Caught(f"it does not fit: {'; '.join(problems)}"[:300])

    return check


def mend_json(text: str) -> Any:
    """The JSON value that a text nearly is, or nothing."""
    if len(text) > _MENDED_CHARACTERS_MAX:
        return None
    fence = _FENCE.search(text)
    body = fence.group(1) if fence else text
    begins = [place for place in (body.find("{"), body.find("[")) if place != -1]
    if not begins:
        return None
    body = body[min(begins) :]
    closed, is_whole = _closed(body)
    for candidate in (closed, _TRAILING.sub(r"\1", closed)):
        try:
            return orjson.loads(candidate)
        except orjson.JSONDecodeError:
            continue
    return None if is_whole else _cut_back(body)


def _cut_back(body: str) -> Any:
    """What a cut-off text held up to its last whole member."""
    for _ in range(8):
        comma = body.rfind(",")
        if comma == -1:
            return None
        body = body[:comma]
        try:
            return orjson.loads(_closed(body)[0])
        except orjson.JSONDecodeError:
            continue
    return None


def _closed(body: str) -> tuple[str, bool]:
    """The text up to where its first bracket closes, or with the brackets that are missing."""
    open_brackets: list[str] = []
    is_text = is_escaped = False
    for place, sign in enumerate(body):
        if is_text:
            is_text = is_escaped or sign != '"'
            is_escaped = sign == "\\" and not is_escaped
        elif sign == '"':
            is_text = True
        elif sign in "{[":
            open_brackets.append("}" if sign == "{" else "]")
        elif sign in "}]":
            if not open_brackets or open_brackets.pop() != sign:
                return body, True
            if not open_brackets:
                return body[: place + 1], True
    end = '"' if is_text else ""
    return body.rstrip().rstrip(",") + end + "".join(reversed(open_brackets)), False


def _problems(form: Form, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["it is no JSON object"]
    return form.problems(value)
