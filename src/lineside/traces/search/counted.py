"""The traces that figures are of: those of a stretch of time, or those that meet what is asked."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from lineside.traces.filters import Filters
from lineside.traces.marks import queries as marks
from lineside.traces.parts import Part
from lineside.traces.reading import TraceReading
from lineside.traces.search import queries
from lineside.traces.search.asked import EARLIEST, LATEST, Asked, asked_of, earlier, later
from lineside.trust import Scope

WORDS_TRACES_MAX = 200_000
"""Of traces that hold the words asked for, the newest so many are looked at."""

_MICROSECOND = timedelta(microseconds=1)


class Counted(NamedTuple):
    """Some traces, in one state of the lake.

    Attributes:
        of_words: Those that hold the words asked for; nothing where none are.
        read_since: Since when all of them are looked at.
    """

    reading: TraceReading
    workspace: str
    asked: Asked
    of_words: list[Part] | None
    read_since: datetime

    @property
    def is_cut(self) -> bool:
        """Whether more of them meet what is asked than are looked at."""
        return self.read_since > self.asked.since

    @property
    def conditions(self) -> list[queries.Bound]:
        """What each of them meets as a whole, but for attributes."""
        if self.of_words is None:
            return self.asked.traces
        return [*self.asked.traces, (marks.among(has=True), marks.bound_among(self.of_words))]

    @property
    def wanted(self) -> str:
        """Which rows are theirs, in SQL; where more is asked than a time, of those set apart."""
        since, until = self.asked.since > EARLIEST, self.asked.until < LATEST
        within = queries.within(self.asked.has_runs, since=since, until=until)
        return within + (queries.SET_APART if self.asked.is_choosy else "")

    @property
    def bound(self) -> list[Any]:
        """What is bound in `wanted`."""
        since = [self.asked.since] if self.asked.since > EARLIEST else []
        until = [self.asked.until] if self.asked.until < LATEST else []
        return [self.workspace, *since, *until]

    def extent(self) -> tuple[datetime, datetime] | None:
        """When the first and the last trace of that time began; nothing where there is none."""
        every = self._replace(asked=self.asked.of_time)
        rows = self.reading.rows(queries.extent_query(every.wanted), every.bound)
        if not rows or rows[0]["first_at"] is None:
            return None
        return rows[0]["first_at"], rows[0]["last_at"]


def counted(reading: TraceReading, scope: Scope, asked: Asked) -> Counted:
    """The traces that meet all that is asked.

    Of more than 200,000 that hold the words asked for, the newest so many.
    """
    if not asked.has_text:
        return Counted(reading, scope.workspace, asked, None, asked.since)
    found = [] if reading.is_empty else _of_words(reading, scope, asked)
    is_cut = len(found) == WORDS_TRACES_MAX
    read_since = max(asked.since, found[-1][1]) if is_cut else asked.since
    parts = [part for part, _ in found]
    return Counted(reading, scope.workspace, asked, parts, read_since)


def _of_words(reading: TraceReading, scope: Scope, asked: Asked) -> list[tuple[Part, datetime]]:
    return reading.find_words(
        scope.workspace,
        asked.words,
        before=later(asked.until),
        after=earlier(asked.since),
        limit=WORDS_TRACES_MAX,
    )


def asked_of_figures(filters: Filters, scope: Scope) -> Asked:
    """What filters ask where traces are counted.

    What begins at the moment where a stretch ends belongs to the next one, as in the list.
    """
    asked = asked_of(filters, scope)
    return asked._replace(until=asked.until - _MICROSECOND) if filters.until else asked
