"""The traces that figures are of: those of a stretch of time, or those that meet what is asked."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from lineside.traces.filters import Filters
from lineside.traces.reading import TraceReading
from lineside.traces.search import queries
from lineside.traces.search.asked import EARLIEST, LATEST, Asked, asked_of
from lineside.traces.search.listing import newest
from lineside.trust import Scope

FIGURES_TRACES_MAX = 200_000
_MICROSECOND = timedelta(microseconds=1)


class Counted(NamedTuple):
    """Some traces, in one state of the lake.

    Attributes:
        chosen: Their keys where more is asked than a stretch of time; nothing where only that is.
    """

    reading: TraceReading
    workspace: str
    asked: Asked
    chosen: list[int] | None

    @property
    def is_cut(self) -> bool:
        """Whether more of them meet what is asked than are looked at, the newest 200,000."""
        return self.chosen is not None and len(self.chosen) == FIGURES_TRACES_MAX

    @property
    def wanted(self) -> str:
        """Which rows are theirs, in SQL."""
        since, until = self.asked.since > EARLIEST, self.asked.until < LATEST
        within = queries.within(self.asked.has_runs, since=since, until=until)
        among = "" if self.chosen is None else " AND trace_key IN (SELECT unnest(?::BIGINT[]))"
        return within + among

    @property
    def bound(self) -> list[Any]:
        """What is bound in `wanted`."""
        since = [self.asked.since] if self.asked.since > EARLIEST else []
        until = [self.asked.until] if self.asked.until < LATEST else []
        return [self.workspace, *since, *until, *([] if self.chosen is None else [self.chosen])]

    def extent(self) -> tuple[datetime, datetime] | None:
        """When the first and the last of them began; nothing where there is none."""
        rows = self.reading.rows(queries.extent_query(self.wanted), self.bound)
        if not rows or rows[0]["first_at"] is None:
            return None
        return rows[0]["first_at"], rows[0]["last_at"]


def counted(reading: TraceReading, scope: Scope, asked: Asked) -> Counted:
    """The traces that meet all that is asked; of more than 200,000, the newest so many."""
    chosen = None
    if asked.is_choosy:
        found = newest(reading, scope.workspace, asked, (asked.until, "~"), FIGURES_TRACES_MAX)
        chosen = [row["trace_key"] for row in found]
    return Counted(reading, scope.workspace, asked, chosen)


def asked_of_figures(filters: Filters, scope: Scope) -> Asked:
    """What filters ask where traces are counted.

    What begins at the moment where a stretch ends belongs to the next one, as in the list.
    """
    asked = asked_of(filters, scope)
    return asked._replace(until=asked.until - _MICROSECOND) if filters.until else asked
