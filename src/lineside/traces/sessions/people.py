"""Whoever a column of the traces names, in one state of what is kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lineside.core import Invalid
from lineside.traces.reading import TraceReading
from lineside.traces.search.asked import EARLIEST, LATEST, earlier, later, plain
from lineside.traces.sessions import queries

Window = tuple[datetime, datetime]
Row = dict[str, Any]


class People:
    """The sessions or the users of a workspace, or of one of its use cases."""

    def __init__(
        self,
        reading: TraceReading,
        workspace: str,
        column: queries.Column,
        use_case: str | None,
    ) -> None:
        self._reading = reading
        self._workspace = workspace
        self._column = column
        self._filter = [workspace, use_case, use_case]

    def newest(
        self, window: Window, before: str | None, limit: int, *, user: list[str] | None = None
    ) -> tuple[list[str], str | None]:
        """Names, the latest seen first, with the cursor for those that follow."""
        at, last = _cursor(before) if before else (LATEST, "")
        rows = self._reading.rows(
            queries.newest_query(self._column),
            [*self._filter, user, user, *window, at, at, last, limit + 1],
        )
        page = rows[:limit]
        older = f"{page[-1]['seen_at'].isoformat()}~{page[-1]['name']}" if page else None
        return [row["name"] for row in page], older if len(rows) > limit else None

    def sums(self, names: Sequence[str], window: Window) -> dict[str, Row]:
        """What the traces of each name add up to, by name."""
        if not names:
            return {}
        sql = queries.sums_query(self._column, len(names))
        rows = self._reading.rows(sql, [*self._rows(names, window), *names])
        return {row["name"]: row for row in rows}

    def session(
        self, name: str, after: str | None, limit: int
    ) -> tuple[Row | None, list[Row], str | None]:
        """One session added up, and its traces in order with the cursor for those that follow."""
        at, last = _cursor(after) if after else (EARLIEST, "-2")
        asked = self._rows([name], (EARLIEST, LATEST))
        page = [name, at, at, _key(last), limit + 1]
        found = self._reading.rows(queries.session_query(), [*asked, name, *page])
        places = [row for row in found if row["page_key"] is not None]
        shown = places[:limit]
        if not shown:
            return (found[0] if found else None), [], None
        bounds = [min(row["page_at"] for row in shown), max(row["page_end"] for row in shown)]
        keys = [row["page_key"] for row in shown]
        parts = [row["page_part"] for row in shown]
        asked = [self._workspace, *bounds, keys, parts]
        rows = self._reading.rows(queries.TRACES_OF_PAGE, asked)
        following = f"{shown[-1]['page_at'].isoformat()}~{shown[-1]['page_key']}"
        return found[0], rows, following if len(places) > limit else None

    def _rows(self, names: Sequence[str], window: Window) -> list[Any]:
        """What finds the rows of these names' traces, as the queries want it.

        A row that does not repeat the name began at most a day from one that has it.
        """
        around = [earlier(window[0]), later(window[1])]
        beside = [self._workspace, *around, *names]
        return [*self._filter, *names, *window, *beside, *beside]


def _key(text: str) -> int:
    try:
        return int(text[:20])
    except ValueError:
        raise _no_place(text) from None


def _cursor(text: str) -> tuple[datetime, str]:
    moment, _, name = text.partition("~")
    try:
        return plain(datetime.fromisoformat(moment)), name
    except ValueError:
        raise _no_place(text) from None


def _no_place(text: str) -> Invalid:
    return Invalid(
        "bad_cursor",
        f"`{text[:60]}` is no place in this list",
        hint="Use the cursor that came with the page before, or leave it out.",
    )
