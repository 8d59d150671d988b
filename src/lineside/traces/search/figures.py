"""What many traces come to: counts, errors, latency, tokens and cost, in all or over time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from lineside.core import Invalid, Record, did_you_mean, now
from lineside.traces.filters import ATTRIBUTE, Filters
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.row import TraceFigures, trace_figures
from lineside.traces.search import queries
from lineside.traces.search.asked import EARLIEST, LATEST, Asked, earlier, later, plain
from lineside.traces.search.counted import Counted, asked_of_figures, counted
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
_ADD_UP = (
    *("count", "errors", "calls", "first_chunks", "counted", "priced"),
    *("tokens_in", "tokens_out", "cost_usd"),
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
        is_cut: Whether more traces met the filters than are looked at, the newest 200,000.
        whole: What all of it comes to.
        names: What the figures are split by, the most frequent first, then `All others` where
            there are more than can be told apart; a single nothing where they are not split.
        moments: Buckets in order; those without a trace are left out.
    """

    since: datetime
    until: datetime
    width_seconds: float
    by: str | None
    is_cut: bool
    whole: TraceFigures
    names: tuple[str | None, ...]
    moments: tuple[ChartMoment, ...]


class _Drawn(NamedTuple):
    """What a chart is made of: its bounds, the names it is split by, and rows of figures."""

    since: datetime
    until: datetime
    width: timedelta
    is_cut: bool
    names: list[str | None]
    rows: list[dict[str, Any]]
    whole: dict[str, Any]


def figures(
    scope: Scope, filters: Filters | None = None, *, by: str = "use_case"
) -> list[TraceFigures]:
    """Count, errors, latency, tokens and cost of the wanted traces, by one of their fields.

    Where more than 200,000 traces meet the filters, the newest so many are looked at. Percentiles
    of very many traces are 1 % off at most, as they come from histograms; all else is exact.

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
        if sums := summed(reading, scope.workspace, asked, by=group):
            rows = sums.figures(group, named="all")[:-1]
        else:
            rows = _rows(counted(reading, scope, asked), group, named="all")
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
        is_cut=drawn.is_cut,
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


def _rows(
    found: Counted,
    by: str,
    *,
    named: queries.Named,
    only: Literal["", "names", "shares"] = "",
    width: timedelta | None = None,
    names: Sequence[str | None] = (),
) -> list[dict[str, Any]]:
    sql = queries.figures_query(
        by, wanted=found.wanted, bucketed=width is not None, named=named, only=only
    )
    bound: list[Any] = [] if width is None else [width // timedelta(microseconds=1)]
    if named == "some":
        bound.append([name or "" for name in names if name != OTHERS])
    bound += found.bound if by == "model" else found.bound * 2
    if by.startswith(ATTRIBUTE):
        bound += bound_by_attribute(found, by)
    return found.reading.rows(sql, bound)


def _names(found: Counted, by: str) -> list[str | None]:
    return [row["name"] for row in _rows(found, by, named="all", only="names")]


def bound_by_attribute(found: Counted, by: str) -> list[Any]:
    """What is bound where traces are named by an attribute."""
    _, of_value = queries.attribute_value(by.removeprefix(ATTRIBUTE))
    return [*of_value, found.workspace, earlier(found.asked.since), later(found.asked.until)]


def _drawn(
    reading: TraceReading, scope: Scope, asked: Asked, group: str | None, names_max: int
) -> _Drawn | None:
    """Rows of a chart, from sums where there are any; nothing where there is nothing to draw."""
    by = group or "use_case"
    found = counted(reading, scope, asked)
    sums = summed(reading, scope.workspace, asked, by=by)
    # All of that time, whichever traces of it are wanted.
    every = found._replace(chosen=None)
    stretch = _stretch(asked, lambda: sums.extent(by) if sums else every.extent())
    if stretch is None:
        return None
    since, until = stretch
    width = _width(until - since)
    if width % _HOUR:
        sums = None
    names: list[str | None] = [None]
    if group:
        frequent = sums.names(by) if sums else _names(found, by)
        names = [*frequent[:names_max], *([OTHERS] if len(frequent) > names_max else [])]
    named: queries.Named = "some" if group else ""
    if sums:
        rows = sums.figures(by, named=named, names=names, width=width)
        whole = rows.pop() if rows else {}
    else:
        rows = _rows(found, by, named=named, width=width, names=names)
        whole = _sums(rows) | _rows(found, by, named="", only="shares")[0] if rows else {}
    return _Drawn(since, until, width, found.is_cut, names, rows, whole) if rows else None


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


def _sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the buckets come to together, but for the percentiles, which do not add up."""
    known = {name: [row[name] for row in rows if row[name] is not None] for name in _ADD_UP}
    return {"name": None} | {
        name: sum(values) if values else None for name, values in known.items()
    }


def _width(length: timedelta) -> timedelta:
    """The narrowest round width of a bucket; one wrong clock may stretch it to years."""
    days = timedelta(days=length.days // BUCKETS + 1)
    return next((width for width in _WIDTHS if length <= width * BUCKETS), days)
