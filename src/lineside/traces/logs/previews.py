"""What a trace was asked and answered, for lists, where only log records beside it say so."""

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
    told = {row["trace_id"]: row for row in reading.rows(queries.TOLD, asked)}
    return [row | _missing(row, told.get(row["trace_id"], {})) for row in rows]


def _missing(row: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return {name: told.get(name) for name in ("input", "output") if row[name] is None}


def _start(value: Any) -> str | None:
    return None if value is None else preview(orjson.dumps(value, default=vars).decode(), None)
