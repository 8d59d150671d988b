"""One trace as a line of a list, some of them as a page, many of them as figures."""

from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from lineside.core import Record
from lineside.traces import clocks, queries

JSON_COLUMNS = ("input", "output", "attributes", "messages_in", "messages_out", "raw")
"""Columns of a span that hold the text of a JSON value; DuckDB would guess types of its own."""

_EMPTY = dict.fromkeys(queries.SPANS.columns)


def span_row(workspace: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A span as the lake keeps it, from the fields of `Span`; what is left out is nothing."""
    row: dict[str, Any] = _EMPTY | fields
    row["workspace"] = workspace
    row["started_at"] = clocks.written(row["started_at"])
    row["tags"] = list(row["tags"] or ())
    for column in JSON_COLUMNS:
        value = row[column]
        row[column] = "null" if value is None else orjson.dumps(value, default=vars).decode()
    return row


class TraceRow(Record):
    """One trace as a line of a list.

    Attributes:
        name: Of its root; where the root is missing, the earliest step stands for it.
        use_case: Nothing means that no use case has claimed it.
        status: Of its root; `errors` counts the steps that failed, whatever became of the whole.
        duration_ms: Of its root, in milliseconds; without a root, of its longest step.
        has_root: Whether its first step is here; a parent may still be on its way, or lost.
        tokens_in: Over its model steps; nothing where none was counted.
        cost_usd: Over its model steps with a known cost; nothing means unknown.
        cost_known: Share of its model steps whose cost is known, 0 to 1.
        tags: What its steps were sent with; tags that people put on it are marks.
        input: The first 200 characters of what came in; `output` of what went out.
    """

    trace_id: str
    name: str
    use_case: str | None
    service: str | None
    release: str | None
    arm: str | None
    session_id: str | None
    user_id: str | None
    run_id: str | None
    status: Literal["ok", "error"]
    started_at: datetime
    duration_ms: float
    has_root: bool
    steps: int
    errors: int
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    cost_known: float
    models: tuple[str, ...]
    tags: tuple[str, ...] = ()
    input: str | None = None
    output: str | None = None


class Page(Record):
    """Some traces, newest first, and where the older ones begin.

    Attributes:
        older: Cursor for the next page; nothing when this is the last.
    """

    traces: tuple[TraceRow, ...]
    older: str | None


class TraceFigures(Record):
    """Figures of many traces; by model, of the single calls.

    Each sum covers what was reported, and says how much that is.

    Attributes:
        name: What they have in common; nothing where that is not known.
        errors: How many ended in an error.
        calls: Steps that cost tokens, in all.
        tokens_in: Over those that were counted; `tokens_known` is their share, 0 to 1.
        cost_usd: Over those with a known cost; nothing means unknown.
        cost_known: Share of `calls` whose cost is known, 0 to 1.
        first_chunk_ms_p50: Half of the calls that reported it began to answer sooner, by model
            only; `first_chunk_known` is the share that did.
    """

    name: str | None
    count: int
    errors: int
    calls: int
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None
    first_chunk_ms_p50: float | None
    first_chunk_known: float
    tokens_in: int | None
    tokens_out: int | None
    tokens_known: float
    cost_usd: float | None
    cost_known: float


def trace_row(row: dict[str, Any]) -> TraceRow:
    """A line of the list from what the lake says of a trace."""
    values = {name: row[name] for name in TraceRow.model_fields if name in row}
    return TraceRow.model_validate(
        values
        | {
            "started_at": row["started_at"].replace(tzinfo=UTC),
            "models": sorted(row["models"] or ()),
            "tags": sorted(row["tags"] or ()),
        }
    )


def trace_figures(row: dict[str, Any]) -> TraceFigures:
    """Figures from what the lake says of many traces."""
    p50, p95, p99 = row["latency_ms"] or (None, None, None)
    calls = row["calls"]
    return TraceFigures.model_validate(
        {name: row[name] for name in TraceFigures.model_fields if name in row}
        | {"latency_ms_p50": p50, "latency_ms_p95": p95, "latency_ms_p99": p99}
        | {
            known: (row[counted] or 0) / max(1, calls)
            for known, counted in (
                ("first_chunk_known", "first_chunks"),
                ("tokens_known", "counted"),
                ("cost_known", "priced"),
            )
        }
    )
