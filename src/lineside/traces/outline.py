"""A step without its payloads: enough for a tree, a path and a graph of tens of thousands. Pure."""

from datetime import UTC, datetime
from typing import Any, NamedTuple


class Outline(NamedTuple):
    """What happened in a step, without what it was told and said.

    No `Record`, because to check 50,000 of them takes longer than to read them.

    Attributes:
        error: The first 300 characters of it.
    """

    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    status: str
    error: str | None
    started_at: datetime
    duration_ms: float
    use_case: str | None = None
    service: str | None = None
    model: str | None = None
    agent_name: str | None = None
    tool_name: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


def outline_of(row: dict[str, Any]) -> Outline:
    """An outline from its row in the lake, whose columns stand in the same order."""
    row["started_at"] = row["started_at"].replace(tzinfo=UTC)
    return Outline._make(row.values())
