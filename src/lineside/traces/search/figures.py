"""What many traces come to: counts, errors, latency, tokens and cost, in all or over time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from lineside.core import Invalid, Record, did_you_mean, now
from lineside.traces.filters import ATTRIBUTE, OF_PAYERS, Filters
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.row import TraceFigures, trace_figures
from lineside.traces.search import queries
from lineside.traces.search.asked import EARLIEST, LATEST, Asked, plain
from lineside.traces.search.counted import Counted, asked_of_figures, counted
from lineside.traces.search.streamed import Streamed
from lineside.traces.search.summed import summed
from lineside.trust import Scope

BUCKETS = 60
OTHERS = queries.OTHERS
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
_WIDTHS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600),
        *(7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000),
    )
)

_HOUR = timedelta(hours=1)
_AHEAD = timedelta(minutes=5)
GROUPS = (
    *("use_case", "release", "model", "service", "arm", "name", "user", "session"),
    *OF_PAYERS,
)


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
        read_since: Since when all is in it: `since`, or later where more than 200,000 traces hold
            the words asked for, of which the newest so many are looked at.
        ahead: Traces that a wrong clock dates more than five minutes after now. They are left out
            where no `until` is given, so that one of them does not stretch the chart over years.
        is_rounded: Whether percentiles come from histograms, and are 1 % off at most.
        whole: What all of it comes to.
        names: What the figures are split by, the most frequent first, then `All others` where
            there are more than can be told apart; a single nothing where they are not split.
        moments: Buckets in order; those without a trace are left out.
    """

    since: datetime
    until: datetime
    width_seconds: float
    by: str | None
    read_since: datetime
    ahead: int = 0
    is_rounded: bool
    whole: TraceFigures
    names: tuple[str | None, ...]
    moments: tuple[ChartMoment, ...]


class _Drawn(NamedTuple):
    """What a chart is made of: its bounds, the names it is split by, and rows of figures."""

    since: datetime
    until: datetime
    read_since: datetime
    width: timedelta
    is_rounded: bool
    names: list[str | None]
    rows: list[dict[str, Any]]
    whole: dict[str, Any]
    ahead: int = 0


def figures(
    scope: Scope, filters: Filters | None = None, *, by: str = "use_case"
) -> list[TraceFigures]:
    """Count, errors, latency, tokens and cost of the wanted traces, by one of their fields.

    Where more than 200,000 traces hold the words asked for, the newest so many are looked at.
    Percentiles of very many traces are 1 % off at most, as they come from histograms; all else is
    exact.

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
        asked = asked_of_figures(filters, scope)
        sums = summed(reading, scope.workspace, asked, by=group)
        source = sums or Streamed(counted(reading, scope, asked))
        rows = source.figures(group, named="all")[:-1]
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
    with open_reading(scope) as reading:
        drawn = _drawn(reading, scope, asked_of_figures(filters, scope), group, names_max)
    if drawn is None:
        return None
    moments: dict[int, list[TraceFigures]] = {}
    for row in drawn.rows:
        moments.setdefault(row["bucket"], []).append(trace_figures(row))
    return Chart(
        since=drawn.since.replace(tzinfo=UTC),
        until=drawn.until.replace(tzinfo=UTC),
        width_seconds=drawn.width.total_seconds(),
        by=group,
        read_since=drawn.read_since.replace(tzinfo=UTC),
        ahead=drawn.ahead,
        is_rounded=drawn.is_rounded,
        whole=trace_figures(drawn.whole),
        names=tuple(drawn.names),
        moments=tuple(
            ChartMoment(start=(_EPOCH + bucket * drawn.width).replace(tzinfo=UTC), of=tuple(of))
            for bucket, of in sorted(moments.items())
        ),
    )


def checked_group(by: str) -> str:
    """The field that figures are split by, if traces have it.

    Raises:
        Invalid: They have not.
    """
    if by in OF_PAYERS:
        return OF_PAYERS[by]
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


def _drawn(
    reading: TraceReading, scope: Scope, asked: Asked, group: str | None, names_max: int
) -> _Drawn | None:
    """Rows of a chart, from sums where there are any; nothing where there is nothing to draw."""
    by = group or "use_case"
    found = counted(reading, scope, asked)
    sums = summed(reading, scope.workspace, asked, by=by)

    def extent() -> tuple[datetime, datetime] | None:
        # All of that time, whichever traces of it are wanted.
        every = sums
        if asked.is_choosy:
            every = summed(reading, scope.workspace, asked.of_time, by=by)
        return every.extent(by) if every else found.extent()

    stretch = _stretch(asked, extent)
    if stretch is None:
        return None
    since, until = stretch
    soon = plain(now()) + _AHEAD
    if asked.until >= LATEST and until > soon:
        by_now = _drawn(reading, scope, asked._replace(until=soon), group, names_max)
        ahead = _count(counted(reading, scope, asked._replace(since=max(asked.since, soon))))
        return by_now and by_now._replace(ahead=ahead)
    width = _width(until - since)
    source = Streamed(found) if sums is None or width % _HOUR else sums
    names: list[str | None] = [None]
    if group:
        frequent = source.names(by)
        names = [*frequent[:names_max], *([OTHERS] if len(frequent) > names_max else [])]
    rows = source.figures(by, named="some" if group else "", names=names, width=width)
    whole = rows.pop() if rows else {}
    if not rows:
        return None
    read_since = max(since, found.read_since)
    return _Drawn(since, until, read_since, width, source.is_rounded, names, rows, whole)


def _count(found: Counted) -> int:
    rows = Streamed(found).figures("use_case", named="")
    return int(rows[-1]["count"]) if rows else 0


def _stretch(
    asked: Asked, extent: Callable[[], tuple[datetime, datetime] | None]
) -> tuple[datetime, datetime] | None:
    """From when to when there is something to draw."""
    since, until = asked.since, asked.until
    if since <= EARLIEST or until >= LATEST:
        found = extent()
        if found is None:
            return None
        since, until = max(since, found[0]), min(until, max(found[1], plain(now())))
    return since, until


def _width(length: timedelta) -> timedelta:
    """The narrowest round width of a bucket; one wrong clock may stretch it to years."""
    days = timedelta(days=length.days // BUCKETS + 1)
    return next((width for width in _WIDTHS if length <= width * BUCKETS), days)
