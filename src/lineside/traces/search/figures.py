"""What many traces come to: counts, errors, latency, tokens and cost, in all or over time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from lineside.core import Invalid, Record, did_you_mean, now
from lineside.traces.arrivals import trace_key
from lineside.traces.filters import ATTRIBUTE, Filters
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.row import TraceFigures, trace_figures
from lineside.traces.search import queries
from lineside.traces.search.asked import (
    EARLIEST,
    LATEST,
    Asked,
    asked_of,
    earlier,
    later,
    plain,
)
from lineside.traces.search.listing import newest
from lineside.trust import Scope

FIGURES_TRACES_MAX = 200_000
BUCKETS = 60
OTHERS = queries.OTHERS
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
_WIDTHS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600),
        *(7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000),
    )
)

GROUPS = ("use_case", "release", "model", "service", "arm", "name", "user", "session")


class ChartMoment(Record):
    """One bucket of a chart.

    Attributes:
        start: When it begins, in UTC.
        of: Figures by what the chart is split by; only names that occur in it.
    """

    start: datetime
    of: tuple[TraceFigures, ...]


class Chart(Record):
    """Figures over time.

    Attributes:
        width_seconds: Of one bucket.
        by: What the figures are split by.
        whole: What all of it comes to.
        names: What the figures are split by, the most frequent first, then `All others` where
            there are more than can be told apart; a single nothing where they are not split.
        moments: Buckets in order; those without a trace are left out.
    """

    since: datetime
    until: datetime
    width_seconds: float
    by: str | None
    whole: TraceFigures
    names: tuple[str | None, ...]
    moments: tuple[ChartMoment, ...]


def figures(
    scope: Scope, filters: Filters | None = None, *, by: str = "use_case"
) -> list[TraceFigures]:
    """Count, errors, latency, tokens and cost of the wanted traces, by one of their fields.

    Args:
        by: One of `GROUPS`, or an attribute that steps were sent with, as in
            `attribute.customer.tier`; the first step that has it counts.

    Raises:
        Invalid: Traces have no such field.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    group = checked_group(by)
    with open_reading(scope) as reading:
        asked = _asked(filters, scope)
        counted = _Counted(reading, scope.workspace, asked, _chosen(reading, scope, asked))
        rows = counted.rows(group, named="all")
    return [trace_figures(row) for row in rows]


def chart(
    scope: Scope, filters: Filters | None = None, *, by: str | None = None, names_max: int = 6
) -> Chart | None:
    """The same over time, in at most 61 buckets; nothing where there is no trace.

    Args:
        by: What the figures are split by, as in `figures`; nothing leaves them whole.
        names_max: The most frequent so many are told apart.

    Raises:
        Invalid: Traces have no such field.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    group = checked_group(by) if by else None
    asked = _asked(filters, scope)
    with open_reading(scope) as reading:
        since, until = _span(reading, scope.workspace, asked)
        if since is None or until is None:
            return None
        width = _width(until - since)
        asked = asked._replace(since=since, until=until)
        counted = _Counted(reading, scope.workspace, asked, _chosen(reading, scope, asked))
        whole = counted.rows(group or "use_case", named="")
        if not whole:
            return None
        names: list[str | None] = [None]
        if group:
            totals = counted.rows(group, named="all")
            names = [row["name"] for row in totals[:names_max]]
            if len(totals) > names_max:
                names.append(OTHERS)
        rows = counted.rows(
            group or "use_case", named="some" if group else "", width=width, names=names
        )
    moments: dict[int, list[TraceFigures]] = {}
    for row in rows:
        found = trace_figures({name: value for name, value in row.items() if name != "bucket"})
        moments.setdefault(row["bucket"], []).append(found)
    return Chart(
        since=since.replace(tzinfo=UTC),
        until=until.replace(tzinfo=UTC),
        width_seconds=width.total_seconds(),
        by=group,
        whole=trace_figures(whole[0]),
        names=tuple(names),
        moments=tuple(
            ChartMoment(start=(_EPOCH + bucket * width).replace(tzinfo=UTC), of=tuple(of))
            for bucket, of in sorted(moments.items())
        ),
    )


def checked_group(by: str) -> str:
    """The field that figures are split by, if traces have it.

    Raises:
        Invalid: They have not.
    """
    if by in GROUPS or (by.startswith(ATTRIBUTE) and by != ATTRIBUTE):
        return by
    near = did_you_mean(by, GROUPS)
    raise Invalid(
        "unknown_group",
        f"Traces cannot be split by `{by[:60]}`",
        hint=f"Did you mean `{near}`?"
        if near
        else f"Fields are: {', '.join(GROUPS)}, attribute.NAME.",
    )


class _Counted(NamedTuple):
    """Traces whose figures are asked for, in one state of the lake."""

    reading: TraceReading
    workspace: str
    asked: Asked
    chosen: list[int] | None

    def rows(
        self,
        by: str,
        *,
        named: queries.Named,
        width: timedelta | None = None,
        names: Sequence[str | None] = (),
    ) -> list[dict[str, Any]]:
        bound: list[Any] = [] if width is None else [width // timedelta(microseconds=1)]
        if named == "some":
            bound.append([name or "" for name in names if name != OTHERS])
        bounds = [self.workspace, self.asked.since, self.asked.until]
        within: list[Any] = bounds + ([] if self.chosen is None else [self.chosen])
        bound += within if by == "model" else within * 2
        runs, chosen, bucketed = (
            self.asked.has_runs,
            self.chosen is not None,
            width is not None,
        )
        if not by.startswith(ATTRIBUTE):
            sql = queries.figures_query(
                by, runs=runs, chosen=chosen, bucketed=bucketed, named=named
            )
            return self.reading.rows(sql, bound)
        value, of_value = queries.attribute_value(by.removeprefix(ATTRIBUTE))
        sql = queries.attribute_figures_query(
            value, runs=runs, chosen=chosen, bucketed=bucketed, named=named
        )
        around = [self.workspace, earlier(self.asked.since), later(self.asked.until)]
        return self.reading.rows(sql, bound + of_value + around)


def _asked(filters: Filters, scope: Scope) -> Asked:
    asked = asked_of(filters, scope)
    # What begins at the moment where a stretch ends belongs to the next one, as in the list.
    return asked._replace(until=asked.until - _MICROSECOND) if filters.until else asked


def _chosen(reading: TraceReading, scope: Scope, asked: Asked) -> list[int] | None:
    """Keys of the traces that meet all that is asked; nothing where only time is."""
    if not asked.is_choosy:
        return None
    found = newest(reading, scope.workspace, asked, (asked.until, "~"), FIGURES_TRACES_MAX)
    return [trace_key(row["trace_id"]) for row in found]


def _span(
    reading: TraceReading, workspace: str, asked: Asked
) -> tuple[datetime | None, datetime | None]:
    """From when to when there is something to draw."""
    since, until = asked.since, asked.until
    if since <= EARLIEST or until >= LATEST:
        found = reading.rows(queries.extent_query(runs=asked.has_runs), [workspace, since, until])
        if not found or found[0]["first_at"] is None:
            return None, None
        since = max(since, found[0]["first_at"])
        until = min(until, max(found[0]["last_at"], plain(now())))
    return since, until


def _width(length: timedelta) -> timedelta:
    """The narrowest round width of a bucket; one wrong clock may stretch it to years."""
    days = timedelta(days=length.days // BUCKETS + 1)
    return next((width for width in _WIDTHS if length <= width * BUCKETS), days)
