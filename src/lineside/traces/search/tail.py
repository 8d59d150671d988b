"""Traces in the order they arrive, whenever they began: what a person watches live."""

from typing import Any

from lineside.core import Invalid, Record
from lineside.traces.filters import Filters
from lineside.traces.logs.previews import with_told
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.row import TraceRow, trace_row
from lineside.traces.search import queries
from lineside.traces.search.asked import Asked, asked_of, earlier, later
from lineside.traces.search.listing import page_rows
from lineside.trust import Scope

ARRIVALS_LOOKED_MAX = 2_000
_CURSOR_DIGITS_MAX = 18


class Arrivals(Record):
    """Traces of which something arrived since a moment.

    Attributes:
        traces: The newest so many that meet the filters, the oldest first. One that is still on
            its way from the inbox to the lake may come twice, and one that goes on comes again.
        cursor: Where the next look goes on.
        is_behind: Whether more arrived than was looked at, so that some are left out here.
    """

    traces: tuple[TraceRow, ...]
    cursor: str
    is_behind: bool


def arrivals(
    scope: Scope, filters: Filters | None = None, *, after: str | None = None, limit: int = 100
) -> Arrivals:
    """What arrived after a cursor; without one, where to begin and what is on its way.

    Traces are told by when they arrived here, so that one which ran for an hour is seen when its
    steps come, not where it began.

    Args:
        after: The `cursor` of the look before.
        limit: At most 500.

    Raises:
        Invalid: The cursor is not one of ours.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    asked = asked_of(filters, scope)
    with open_reading(scope) as reading:
        if reading.is_empty:
            return Arrivals(traces=(), cursor=after or "0", is_behind=False)
        (snapshot,) = (row["id"] for row in reading.rows(queries.SNAPSHOT))
        # A lake that was put back from a copy counts from where it was.
        start = snapshot if after is None else min(_snapshot(after), snapshot)
        rows, is_behind = _arrived(
            reading, scope.workspace, asked, (start, snapshot), max(1, min(limit, 500))
        )
        rows = with_told(reading, scope.workspace, rows)
    found = tuple(trace_row(row) for row in reversed(rows))
    return Arrivals(traces=found, cursor=str(snapshot), is_behind=is_behind)


def _arrived(
    reading: TraceReading, workspace: str, asked: Asked, between: tuple[int, int], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    candidates = reading.rows(
        queries.ARRIVED, [workspace, *between, workspace, ARRIVALS_LOOKED_MAX]
    )
    if not candidates:
        return [], False
    bounds = (
        earlier(min(row["first_at"] for row in candidates)),
        later(max(row["last_at"] for row in candidates)),
    )
    keys = [row["trace_key"] for row in candidates]
    if asked.has_text:
        held = reading.find_words(
            workspace, asked.words, before=bounds[1], after=bounds[0], limit=ARRIVALS_LOOKED_MAX
        )
        keys = list({*keys} & {key for (key, _), _ in held})
        asked = asked.among(part for part, _ in held)
    rows = page_rows(
        reading, workspace, asked, (bounds, keys, (asked.since, asked.until, "~")), limit
    )
    return rows, len(candidates) == ARRIVALS_LOOKED_MAX or len(rows) == limit


def _snapshot(cursor: str) -> int:
    if cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS_MAX:
        return int(cursor)
    raise Invalid(
        "bad_cursor",
        f"`{cursor[:60]}` is no place in what arrives",
        hint="Use `cursor` of the look before, or leave it out to begin now.",
    )
