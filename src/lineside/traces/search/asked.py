"""Filters as what the lake is asked: conditions in SQL, words, and bounds of time."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from lineside.core import clock
from lineside.store import text_index
from lineside.traces import privacy
from lineside.traces.filters import ATTRIBUTE, Condition, Filters
from lineside.traces.marks import queries as marks
from lineside.traces.parts import Part
from lineside.traces.search import queries
from lineside.traces.search.given import given_condition
from lineside.traces.sums.queries import FIELDS
from lineside.trust import Scope

EARLIEST = datetime(1, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
LATEST = datetime(9999, 1, 1)  # noqa: DTZ001 # the same
DAY = timedelta(days=1)


class Asked(NamedTuple):
    """What must hold of a trace.

    Attributes:
        traces: What it must meet as a whole, with the values that are bound.
        rows: One for each of those, what at least one of its rows meets; nothing where one of them
            says nothing of single rows.
        attributes: What some step of it was sent with; before each, a workspace and a stretch of
            time are bound.
        words: That it must hold, all of them.
        fields: All that is asked about.
    """

    traces: list[queries.Bound]
    rows: list[queries.Bound] | None
    attributes: list[queries.Bound]
    words: list[str]
    has_text: bool
    has_runs: bool
    fields: frozenset[str]
    since: datetime
    until: datetime

    @property
    def is_choosy(self) -> bool:
        """Whether more is asked than a workspace and a stretch of time."""
        return bool(self.traces or self.attributes or self.has_text)

    @property
    def of_time(self) -> "Asked":
        """The same stretch of time, whichever traces of it are wanted."""
        of_nothing = self._replace(traces=[], rows=[], attributes=[], words=[], has_text=False)
        return of_nothing._replace(fields=frozenset())

    def among(self, parts: Iterable[Part]) -> "Asked":
        """The same of some parts of traces alone."""
        is_one = (marks.among(has=True), marks.bound_among(parts))
        return self._replace(traces=[*self.traces, is_one])

    @property
    def is_of_sums(self) -> bool:
        """Whether nothing is asked but what sums are kept apart by."""
        return self.fields <= set(FIELDS)


def asked_of(filters: Filters, scope: Scope) -> Asked:
    """What the lake is asked for these filters.

    Raises:
        Invalid: A tag is on more traces than can be looked through.
    """
    traces: list[queries.Bound] = []
    rows: list[queries.Bound | None] = []
    attributes: list[queries.Bound] = []
    words: list[str] = []
    for one in (_as_kept(said, scope) for said in filters.conditions):
        if one.field == "text":
            words += text_index.words_in(str(one.values[0]))
        elif one.field.startswith(ATTRIBUTE):
            name = one.field.removeprefix(ATTRIBUTE)
            attributes.append(queries.attribute_condition(name, one.sign, one.values))
        elif given := given_condition(scope, one):
            traces.append(given)
            rows.append(given)
        else:
            traces.append(queries.trace_condition(one.field, one.sign, one.values))
            rows.append(queries.row_condition(one.field, one.sign, one.values))
    told = [row for row in rows if row is not None]
    return Asked(
        traces=traces,
        rows=told if len(told) == len(rows) else None,
        attributes=attributes,
        words=words,
        has_text=any(one.field == "text" for one in filters.conditions),
        has_runs=any(one.field == "run" for one in filters.conditions),
        fields=frozenset(one.field for one in filters.conditions),
        since=plain(filters.since) if filters.since else EARLIEST,
        until=plain(filters.until) if filters.until else LATEST,
    )


_PEOPLE = {"user": "user_id", "session": "session_id"}


def _as_kept(condition: Condition, scope: Scope) -> Condition:
    """A condition on whose a trace is, which also finds what was kept under an alias."""
    name = _PEOPLE.get(condition.field)
    if name is None or condition.sign not in ("=", "!=") or list(condition.values) == [""]:
        return condition
    names = [
        kept
        for value in condition.values
        for kept in privacy.names_kept(scope.store, scope.workspace, name, str(value))
    ]
    return condition.model_copy(update={"values": tuple(names)})


def values_of(bounds: Sequence[queries.Bound]) -> list[Any]:
    return [value for _, values in bounds for value in values]


def plain(moment: datetime) -> datetime:
    """A moment as the lake keeps it."""
    return clock.in_utc(moment).replace(tzinfo=None)


def earlier(moment: datetime, by: timedelta = DAY) -> datetime:
    return moment - by if moment - EARLIEST > by else EARLIEST


def later(moment: datetime) -> datetime:
    return moment + DAY if LATEST - moment > DAY else LATEST
