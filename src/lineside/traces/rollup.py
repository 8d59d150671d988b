"""What a list needs to know of a trace, from the steps of it that came together. Pure.

A trace whose steps come in several batches has several of these; they add up, in any order, because
each step is counted in exactly one of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from lineside.traces import clocks
from lineside.traces.arrivals import trace_key
from lineside.traces.payloads import start_of
from lineside.traces.queries import SERVED

PAID_KINDS = ("model", "embedding", "reranker")
"""Kinds of steps that cost tokens."""

_ANSWERING = ("app", "agent", "workflow", "model")
PREVIEW_CHARACTERS = 200
WORDS_CHARACTERS_MAX = 1024 * 1024
# The texts are JSON, in which a new line is a backslash and an `n` that belongs to no word.
_ESCAPES = re.compile(r"\\[ntr]")
_TEXTS = (("input", "messages_in"), ("output", "messages_out"))
_NULL = "null"
_OF_FIRST = (
    "workspace",
    "trace_id",
    "release",
    "arm",
    "service",
    "session_id",
    "user_id",
    "run_id",
    "name",
    "status",
    "named",
)

_OF_CALL = (
    "workspace",
    "release",
    "arm",
    "service",
    "run_id",
    "kind",
    "provider",
    "model",
    "status",
    "duration_ms",
    "first_chunk_ms",
    "tokens_in",
    "tokens_out",
    "cost_usd",
    "named",
)

Row = dict[str, Any]


def roll_up(spans: list[Row], *, use_case: str | None, is_more: bool) -> Row:
    """The row of one part of a trace, from rows of its spans.

    Args:
        use_case: Whose part it is.
        is_more: Whether the lake has a row of the part already, which this one adds to.
    """
    head = min(spans, key=_place)
    has_root = head["parent_span_id"] is None
    paid = [span for span in spans if span["kind"] in PAID_KINDS]
    moments = [span["started_at"] for span in spans]
    costs = [span["cost_usd"] for span in paid or [head] if span["cost_usd"] is not None]
    # A program that asks us has a release of its own; which of ours answered is what matters.
    served = [span for span in spans if span["kind"] == "app" and _is_ours(span["release"])]
    answered = min(served, key=_place) if served else head
    row = {name: head[name] for name in _OF_FIRST}
    row.update(
        use_case=use_case,
        release=answered["release"],
        arm=answered["arm"],
        trace_key=trace_key(head["trace_id"]),
        is_more=is_more,
        head_id=head["span_id"],
        head_at=head["started_at"],
        has_root=has_root,
        first_at=min(moments),
        last_at=max(moments),
        duration_ms=head["duration_ms"] if has_root else max(one["duration_ms"] for one in spans),
        steps=len(spans),
        errors=sum(span["status"] == "error" for span in spans),
        paid=len(paid),
        tokens_in=_sum(paid, "tokens_in"),
        tokens_out=_sum(paid, "tokens_out"),
        counted=sum(span["tokens_in"] is not None for span in paid),
        first_chunks=sum(span["first_chunk_ms"] is not None for span in paid),
        cost_usd=sum(costs) if costs else None,
        priced=len(costs),
        models=sorted({span["model"] for span in spans if span["model"]}),
        tools=sorted({span["tool_name"] for span in spans if span["tool_name"]}),
        agents=sorted({span["agent_name"] for span in spans if span["agent_name"]}),
        tags=sorted({tag for span in spans for tag in span["tags"] or ()}),
        input=_said(spans, head, "input", "messages_in", min),
        arrived_at=max((one["arrived_at"] for one in spans if one["arrived_at"]), default=None),
        clocks_off=sum(map(clocks.is_off, spans)),
        output=_said(spans, head, "output", "messages_out", max),
    )
    return row


def call_row(span: Row, *, use_case: str | None) -> Row:
    """The narrow row of a step that costs tokens, in the part of a use case."""
    row = {name: span[name] for name in _OF_CALL}
    row["use_case"] = use_case
    row["trace_key"] = trace_key(span["trace_id"])
    row["first_at"] = span["started_at"]
    return row


def words_of(spans: Iterable[Row]) -> str:
    """Every word of what some steps were told and said, once, in small letters.

    What is past a mebi character in all is not found by its words.
    """
    return words_in(text for span in spans for text in _texts_of(span))


def words_in(texts: Iterable[str | None]) -> str:
    """The same of texts of JSON."""
    found: set[str] = set()
    for text in texts:
        if text is not None and text != _NULL:
            clean = _ESCAPES.sub(" ", text) if "\\" in text else text
            found.update(clean.lower().split())
    return " ".join(found)[:WORDS_CHARACTERS_MAX]


def _texts_of(span: Row) -> Iterator[str | None]:
    for payload, messages in _TEXTS:
        said = span[messages]
        yield said
        # What a model was asked is the end of what it was told, so it need not be read twice.
        if span["kind"] != "model" or said is None or said == _NULL:
            yield span[payload]


def _said(
    spans: list[Row],
    head: Row,
    payload: str,
    messages: str,
    choose: Callable[..., Row],
) -> str | None:
    """What the first step was told, or said; many programs record that only on the steps below.

    Then it is what the first of those was told that answer, or what the last of them said. A tool
    or a scorer that came without the steps above it does not speak for them.
    """
    if head["parent_span_id"] is None or head["kind"] in (*_ANSWERING, "step"):
        own = preview(head[payload], head[messages])
        if own is not None:
            return own
    below = [
        span
        for span in spans
        if span["kind"] in _ANSWERING and {span[payload], span[messages]} - {None, _NULL}
    ]
    if not below:
        return None
    told = choose(below, key=lambda span: (span["started_at"], span["span_id"]))
    return preview(told[payload], told[messages])


def preview(value: str | None, messages: str | None) -> str | None:
    """The start of a payload, or of the last message where there is no payload, in one line."""
    read = start_of(_json(value))
    if read is None:
        said = _json(messages)
        if isinstance(said, list) and said:
            parts = said[-1].get("parts", []) if isinstance(said[-1], dict) else []
            read = " ".join(str(start_of(part["content"])) for part in parts if part.get("content"))
    if read is None or read == "":
        return None
    if isinstance(read, dict) and len(read) == 1:
        read = next(iter(read.values()))
    text = read if isinstance(read, str) else orjson.dumps(read, default=str).decode()
    return " ".join(text[: PREVIEW_CHARACTERS * 4].split())[:PREVIEW_CHARACTERS]


def _json(text: str | None) -> Any:
    return None if text is None or text == _NULL else orjson.loads(text)


def _place(span: Row) -> tuple[bool, str, str]:
    """The root comes first, whenever it began; where it is missing, the earliest step does."""
    return (span["parent_span_id"] is not None, span["started_at"], span["span_id"])


def _is_ours(release: str | None) -> bool:
    return release is not None and release.startswith(SERVED)


def _sum(spans: list[Row], name: str) -> int | None:
    known = [span[name] for span in spans if span[name] is not None]
    return sum(known) if known else None
