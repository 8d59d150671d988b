"""What many traces come to: counts, errors, latency, tokens and cost, in all or over time."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from lineside.core import Record, now
from lineside.traces.arrivals import trace_key
from lineside.traces.filters import Filters
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.row import TraceFigures, trace_figures
from lineside.traces.search import queries
from lineside.traces.search.asked import EARLIEST, LATEST, Asked, asked_of, plain
from lineside.traces.search.listing import newest
from lineside.trust import Scope

FIGURES_TRACES_MAX = 200_000
BUCKETS = 60
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
_WIDTHS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600),
        *(7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000),
    )
)

GroupField = Literal["use_case", "release", "model", "service", "arm", "name", "user", "session"]


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
        names: What the figures are split by, the most frequent first.
        moments: Buckets in order; those without a trace are left out.
    """

    since: datetime
    until: datetime
    width_seconds: float
    names: tuple[str | None, ...]
    moments: tuple[ChartMoment, ...]


def figures(
    scope: Scope, filters: Filters | None = None, *, by: GroupField = "use_case"
) -> list[TraceFigures]:
    """Count, errors, latency, tokens and cost of the wanted traces, by one of their fields.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    asked = asked_of(filters)
    with open_reading(scope) as reading:
        rows = _figures(reading, scope.workspace, asked, by, ())
    return [trace_figures(row) for row in rows]


def chart(
    scope: Scope, filters: Filters | None = None, *, by: GroupField = "use_case"
) -> Chart | None:
    """The same over time, in at most 60 buckets; nothing where there is no trace.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    asked = asked_of(filters)
    with open_reading(scope) as reading:
        since, until = _span(reading, scope.workspace, asked)
        if since is None or until is None:
            return None
        width = _width(until - since)
        micros = width // timedelta(microseconds=1)
        asked = asked._replace(since=since, until=until)
        rows = _figures(reading, scope.workspace, asked, by, (micros,))
    moments: dict[int, list[TraceFigures]] = {}
    totals: dict[str | None, int] = {}
    for row in rows:
        found = trace_figures({name: value for name, value in row.items() if name != "bucket"})
        moments.setdefault(row["bucket"], []).append(found)
        totals[found.name] = totals.get(found.name, 0) + found.count
    names = sorted(totals, key=lambda name: (-totals[name], name or ""))
    return Chart(
        since=since.replace(tzinfo=UTC),
        until=until.replace(tzinfo=UTC),
        width_seconds=width.total_seconds(),
        names=tuple(names),
        moments=tuple(
            ChartMoment(start=(_EPOCH + bucket * width).replace(tzinfo=UTC), of=tuple(of))
            for bucket, of in sorted(moments.items())
        ),
    )


def _figures(
    reading: TraceReading, workspace: str, asked: Asked, by: GroupField, bucket: tuple[int, ...]
) -> list[dict[str, Any]]:
    within: list[Any] = [workspace, asked.since, asked.until]
    is_chosen = bool(asked.rows or asked.sums or asked.traces or asked.has_text)
    if is_chosen:
        chosen = newest(reading, workspace, asked, (asked.until, ""), FIGURES_TRACES_MAX)
        within.append([trace_key(row["trace_id"]) for row in chosen])
    sql = queries.figures_query(by, runs=asked.has_runs, chosen=is_chosen, bucketed=bool(bucket))
    return reading.rows(sql, [*bucket, *within, *(() if by == "model" else within)])


def _span(
    reading: TraceReading, workspace: str, asked: Asked
) -> tuple[datetime | None, datetime | None]:
    """From when to when there is something to draw."""
    since, until = asked.since, asked.until
    if since == EARLIEST or until == LATEST:
        found = reading.rows(queries.extent_query(runs=asked.has_runs), [workspace, since, until])
        if not found or found[0]["first_at"] is None:
            return None, None
        since = max(since, found[0]["first_at"])
        until = min(until, max(found[0]["last_at"], plain(now())))
    return since, until


def _width(length: timedelta) -> timedelta:
    return next((width for width in _WIDTHS if length <= width * BUCKETS), _WIDTHS[-1])
