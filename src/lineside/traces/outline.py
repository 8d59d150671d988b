"""A step without its payloads: enough for a tree, a path and a graph of tens of thousands. Pure."""

from collections.abc import Sequence
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


def outlines_of(columns: Sequence[Sequence[Any]]) -> list[Outline]:
    """Outlines from columns of the lake, which stand in the order of their fields."""
    place = Outline._fields.index("started_at")
    aware = [moment.replace(tzinfo=UTC) for moment in columns[place]]
    return list(map(Outline, *columns[:place], aware, *columns[place + 1 :]))
