"""One trace as a line of a list, some of them as a page, many of them as figures."""

from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from lineside.core import Record

PREVIEW_CHARACTERS = 200


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
    """Figures of many traces; by model, of its single steps.

    Attributes:
        name: What they have in common; nothing where that is not known.
        errors: How many ended in an error.
        tokens_in: Over those that were counted.
        cost_usd: Over those with a known cost; nothing means unknown.
        cost_known: Share of the model steps whose cost is known, 0 to 1.
    """

    name: str | None
    count: int
    errors: int
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    cost_known: float


def trace_row(row: dict[str, Any]) -> TraceRow:
    """A line of the list from what the lake says of a trace, its texts among it."""
    values = {name: row[name] for name in TraceRow.model_fields if name in row}
    return TraceRow.model_validate(
        values
        | {
            "started_at": row["started_at"].replace(tzinfo=UTC),
            "models": row["models"] or (),
            "input": _preview(row.get("input"), row.get("messages_in")),
            "output": _preview(row.get("output"), row.get("messages_out")),
        }
    )


def trace_figures(row: dict[str, Any]) -> TraceFigures:
    """Figures from what the lake says of many traces."""
    p50, p95, p99 = row.pop("latency_ms")
    return TraceFigures.model_validate(
        row | {"latency_ms_p50": p50, "latency_ms_p95": p95, "latency_ms_p99": p99}
    )


def _preview(value: str | None, messages: str | None) -> str | None:
    """The start of a payload, or of the last message where there is no payload, in one line."""
    read = _json(value)
    if read is None:
        said = _json(messages)
        if isinstance(said, list) and said:
            parts = said[-1].get("parts", []) if isinstance(said[-1], dict) else []
            read = " ".join(str(part["content"]) for part in parts if part.get("content"))
        else:
            read = said
    if read is None or read == "":
        return None
    if isinstance(read, dict) and len(read) == 1:
        read = next(iter(read.values()))
    text = read if isinstance(read, str) else orjson.dumps(read, default=str).decode()
    return " ".join(text[: PREVIEW_CHARACTERS * 4].split())[:PREVIEW_CHARACTERS]


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text  # only its start was read
