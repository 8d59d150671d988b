"""What a trace was asked and answered, for lists, where only log records beside it say so."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import orjson

from lineside.traces.arrivals import trace_key
from lineside.traces.conventions.received import RawSpan
from lineside.traces.logs import queries
from lineside.traces.mapping import fields_of
from lineside.traces.reading import TraceReading
from lineside.traces.rollup import preview

_CALL = {"gen_ai.operation.name": "chat"}
_DAY = timedelta(days=1)


def told_by(event: dict[str, Any]) -> dict[str, str | None]:
    """The starts of what one event says a model was asked, by a user, and answered."""
    read = fields_of(RawSpan("", "", "", 0, 0, attributes=_CALL, events=[event]))
    is_asked = any(message.role == "user" for message in read.get("messages_in") or ())
    return {
        "input": _start(read.get("input")) if is_asked else None,
        "output": _start(read.get("output")),
    }


def with_told(
    reading: TraceReading, workspace: str, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Lines of a list with what their steps left open of input and output, from events beside them.

    The first call that was asked something says what came in, the last one that answered what went
    out. It is looked up and not added up, so that whatever comes first or twice is all the same.
    """
    open_ones = [row for row in rows if row["input"] is None or row["output"] is None]
    if not open_ones:
        return rows
    moments = [row["started_at"] for row in open_ones]
    asked = [
        workspace,
        min(moments) - _DAY,
        max(moments) + _DAY,
        [trace_key(row["trace_id"]) for row in open_ones],
    ]
    told: dict[str, list[dict[str, Any]]] = {}
    for row in reading.rows(queries.TOLD, asked):
        told.setdefault(row["trace_id"], []).append(row)
    if not told:
        return rows
    parted = {row["trace_key"] for row in reading.rows(queries.SEVERAL_PARTS, asked)}
    return [row | _missing(row, told.get(row["trace_id"], ()), parted) for row in rows]


def _missing(
    row: dict[str, Any], told: Sequence[dict[str, Any]], parted: Collection[int]
) -> dict[str, Any]:
    """What events say of a line: its own use case's first, then what names none or another.

    Where several use cases have a part in the trace, only its own say anything; whoever may write
    to one use case only says nothing of another.
    """
    is_parted = trace_key(row["trace_id"]) in parted
    fitting = sorted(
        (
            one
            for one in told
            if one["use_case"] == row["use_case"] or not (is_parted or one["is_limited"])
        ),
        key=lambda one: one["use_case"] != row["use_case"],
    )
    return {
        name: next((one[name] for one in fitting if one[name] is not None), None)
        for name in ("input", "output")
        if row[name] is None
    }


def _start(value: Any) -> str | None:
    return None if value is None else preview(orjson.dumps(value, default=vars).decode(), None)
