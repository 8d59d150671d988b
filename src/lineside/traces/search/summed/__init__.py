"""Figures of very many traces without reading them one by one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lineside.traces.reading import TraceReading
from lineside.traces.search.asked import EARLIEST, LATEST, Asked
from lineside.traces.search.queries import OTHERS, Named
from lineside.traces.search.summed import queries
from lineside.traces.sums import HOURS
from lineside.traces.sums.queries import FIELDS

# A call may name no release, or another than its trace; the program that made it is always known.
_OF_PROGRAMS = {"service"}
_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so


class Summed:
    """Figures of a stretch of time, from sums by the hour and from the rows that no sum has.

    Counts and sums are exact; percentiles are 1 % off at most.
    """

    is_rounded = True

    def __init__(self, reading: TraceReading, where: queries.SummedTime) -> None:
        self._reading = reading
        self._where = where
        self._apart: set[str] = set()
        self._found: dict[str, list[dict[str, Any]]] = {}

    def extent(self, by: str) -> tuple[datetime, datetime] | None:
        """When the first and the last of the traces began; nothing where there is none."""
        rows = self._names(by if by in FIELDS else FIELDS[0])
        if not rows:
            return None
        return min(row["first_at"] for row in rows), max(row["last_at"] for row in rows)

    def names(self, by: str) -> list[str | None]:
        """By what they are split, the most frequent first."""
        return [row["name"] for row in self._names(by) if row["count"]]

    def figures(
        self,
        by: str,
        *,
        named: Named,
        names: Sequence[str | None] = (),
        width: timedelta | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of figures, by bucket where they have a width; the last is of all together."""
        asked = queries.figures_query(
            self._set_apart(_what(by)),
            by,
            self._where,
            self._sums(width),
            named=named,
            names=[name or "" for name in names if name != OTHERS],
            width=None if width is None else width // _MICROSECOND,
        )
        return self._reading.rows(*asked)

    def _names(self, by: str) -> list[dict[str, Any]]:
        if by not in self._found:
            what = self._set_apart(_what(by))
            asked = queries.names_query(what, by, self._where, self._sums(None))
            self._found[by] = self._reading.rows(*asked)
        return self._found[by]

    def _set_apart(self, what: str) -> str:
        if what not in self._apart:
            self._reading.rows(*queries.apart_query(what, self._where))
            self._apart.add(what)
        return what

    def _sums(self, width: timedelta | None) -> queries.Sums:
        """The widest sums that fit into buckets and stretch."""
        first, last = self._where.hours
        for hours in sorted(HOURS, reverse=True):
            long = hours * _HOUR
            start, end = first and _after(first, long), last and _before(last, long)
            if not (width and width % long) and not (start and end and start >= end):
                return queries.Sums(hours, start, end)
        return queries.Sums(1, first, last)


def summed(reading: TraceReading, workspace: str, asked: Asked, *, by: str) -> Summed | None:
    """Figures from sums, of a stretch that they can be had of; nothing where they cannot.

    Args:
        by: What figures are split by; sums are kept apart by some fields only.
    """
    if not asked.is_of_sums or asked.has_runs or by not in (*FIELDS, "model"):
        return None
    if by == "model" and not asked.fields <= _OF_PROGRAMS:
        return None
    since = asked.since if asked.since > EARLIEST else None
    until = asked.until if asked.until < LATEST else None
    hours = since and _after(since, _HOUR), until and _before(until + _MICROSECOND, _HOUR)
    if hours[0] and hours[1] and hours[0] >= hours[1]:
        return None
    made = reading.sums()
    if made is None:
        return None
    where = queries.SummedTime(workspace, since, until, hours, *made, tuple(asked.traces))
    return Summed(reading, where)


def _after(moment: datetime, long: timedelta) -> datetime:
    return _EPOCH - (_EPOCH - moment) // long * long


def _before(moment: datetime, long: timedelta) -> datetime:
    return _EPOCH + (moment - _EPOCH) // long * long


def _what(by: str) -> str:
    return "calls" if by == "model" else "traces"
