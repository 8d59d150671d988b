"""Finding traces: the list, its figures, and the steps of all that was found."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from lineside.core import Invalid, NotFound, now
from lineside.store import LakeTable
from lineside.traces import queries
from lineside.traces.export import otlp_line
from lineside.traces.filters import UNCLAIMED, Filters, parse_query, read_filters
from lineside.traces.record import span_of
from lineside.traces.row import Page, TraceFigures, TraceRow, trace_figures, trace_row
from lineside.traces.span import Span
from lineside.traces.tree import Step, length_ms, tree_of
from lineside.trust import Scope

__all__ = [
    "PAGE_TRACES_MAX",
    "UNCLAIMED",
    "Filters",
    "GroupField",
    "Page",
    "Step",
    "TraceFigures",
    "TraceRow",
    "figures",
    "length_ms",
    "list_traces",
    "otlp_line",
    "parse_query",
    "read_filters",
    "spans_of",
    "tree_of",
    "whole_id",
]

PAGE_TRACES_MAX = 500
FIGURES_TRACES_MAX = 200_000
_ID_DIGITS = 32
_STEPS_PER_TRACE = 20
_WIDE_ROWS = 60_000
_DEEPER = 16
_EARLIEST = datetime(1, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
_LATEST = datetime(9999, 1, 1)  # noqa: DTZ001 # the same
_DAY = timedelta(days=1)

GroupField = Literal["use_case", "release", "model", "service", "arm"]


class _Asked(NamedTuple):
    """Filters as SQL: what one row can meet, and what a trace must meet, each with its values.

    Attributes:
        deep: Of the conditions on rows, those that say how far back it is worth to look at once.
    """

    rows: list[queries.Bound]
    traces: list[queries.Bound]
    deep: list[queries.Bound]
    has_text: bool
    has_runs: bool
    since: datetime
    until: datetime


Read = Callable[[str, Sequence[Any]], list[dict[str, Any]]]


def list_traces(
    scope: Scope, filters: Filters | None = None, *, limit: int = 50, before: str | None = None
) -> Page:
    """The newest traces that the filters let through, newest first.

    Test runs do not count unless a filter names a run. Steps that began more than a day before or
    after the others of their trace are not counted with them. `text` reads every text from the
    newest on until the page is full, so a rare word costs time in proportion to what is kept.

    Args:
        limit: At most 500.
        before: The cursor `older` of the page before.

    Raises:
        Invalid: The cursor is not one of ours.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    read = _reader(scope)
    if read is None:
        return Page(traces=(), older=None)
    limit = max(1, min(limit, PAGE_TRACES_MAX))
    asked = _asked(filters)
    at, last_id = _cursor(before) if before else (asked.until, "")
    rows = _newest(read, scope.workspace, asked, (at, last_id), limit + 1)
    page = rows[:limit]
    found = tuple(trace_row(row) for row in _with_texts(read, scope.workspace, page))
    older = f"{page[-1]['started_at'].isoformat()}~{page[-1]['trace_id']}" if page else None
    return Page(traces=found, older=older if len(rows) > limit else None)


def figures(
    scope: Scope, filters: Filters | None = None, *, by: GroupField = "use_case"
) -> list[TraceFigures]:
    """Count, errors, latency, tokens and cost of the wanted traces, by one of their fields.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    filters = filters or Filters()
    scope.require("read", use_case=filters.use_case)
    read = _reader(scope)
    if read is None:
        return []
    asked = _asked(filters)
    within = [scope.workspace, asked.since, asked.until]
    sql = queries.stats_query(by, runs=asked.has_runs, chosen=bool(filters.conditions))
    if filters.conditions:
        chosen = _newest(read, scope.workspace, asked, (asked.until, ""), FIGURES_TRACES_MAX)
        within.append([row["trace_id"] for row in chosen])
    return [trace_figures(row) for row in read(sql, within)]


def spans_of(
    scope: Scope, filters: Filters | None = None, *, traces_max: int = 1_000_000
) -> Iterator[list[Span]]:
    """All steps of every trace that the filters let through, one trace after the other.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    before, left = None, traces_max
    while left > 0:
        page = list_traces(scope, filters, limit=min(left, 200), before=before)
        yield from _steps(scope, page.traces)
        left -= len(page.traces)
        before = page.older
        if before is None:
            return


def whole_id(scope: Scope, start: str) -> str:
    """The id of the one trace whose id begins so.

    Raises:
        NotFound: There is none.
        Invalid: There are several.
    """
    scope.require("read")
    if len(start) >= _ID_DIGITS:
        return start
    read = _reader(scope)
    rows = read(queries.IDS, [scope.workspace, start.lower()]) if read else []
    if not rows:
        raise NotFound(
            "unknown_trace",
            f"No trace has an id that begins with `{start[:60]}`",
            hint="`lineside traces ls` lists them.",
        )
    if len(rows) > 1:
        raise Invalid(
            "several_traces",
            f"Several traces have an id that begins with `{start}`",
            hint=f"Give more digits, as in `{rows[0]['trace_id']}`.",
        )
    return str(rows[0]["trace_id"])


def _newest(
    read: Read, workspace: str, asked: _Asked, cursor: tuple[datetime, str], wanted: int
) -> list[dict[str, Any]]:
    """Look back in stretches, each deeper than the one before, until enough is found."""
    # Where single rows tell little of what is wanted, much must be read to find a page of it.
    is_wide = asked.has_text or (asked.traces and not asked.rows)
    depth = _WIDE_ROWS if is_wide else wanted * _STEPS_PER_TRACE
    at, last_id = cursor
    found: list[dict[str, Any]] = []
    while True:
        start = _reach(read, workspace, asked, at, depth)
        found += _stretch(read, workspace, asked, (start, at, last_id), wanted - len(found))
        if len(found) >= wanted or start <= asked.since:
            return found
        at, last_id, depth = start, "", depth * _DEEPER


def _reach(read: Read, workspace: str, asked: _Asked, at: datetime, depth: int) -> datetime:
    """How far back the newest `depth` rows reach; to the very beginning if there are fewer."""
    sql = queries.depth_query([sql for sql, _ in asked.deep], runs=asked.has_runs)
    values = [value for _, values in asked.deep for value in values]
    # The last day mostly holds enough; to look there first spares the rest.
    for since in (max(asked.since, _earlier(min(at, _plain(now())))), asked.since):
        (reach,) = read(sql, [workspace, since, at, *values, depth])
        if reach["rows"] == depth:
            start: datetime = reach["since"]
            # Where one moment holds more rows than that, it must not be looked at for ever.
            return start if start < at else max(asked.since, at - timedelta(microseconds=1))
        if since == asked.since:
            break
    return asked.since


def _stretch(
    read: Read,
    workspace: str,
    asked: _Asked,
    stretch: tuple[datetime, datetime, str],
    limit: int,
) -> list[dict[str, Any]]:
    start, end, last_id = stretch
    once = [value for _, values in asked.rows for value in values]
    candidates = read(
        queries.found_query([sql for sql, _ in asked.rows], runs=asked.has_runs),
        # A step that meets a condition may begin long after its trace did.
        [workspace, start, _later(end) if asked.rows else end]
        + once * (2 if len(asked.rows) > 1 else 1),
    )
    if not candidates:
        return []
    bounds = (
        _earlier(min(row["first_at"] for row in candidates)),
        _later(max(row["last_at"] for row in candidates)),
    )
    trace_values = [value for _, values in asked.traces for value in values]
    return read(
        queries.page_query([sql for sql, _ in asked.traces], runs=asked.has_runs),
        [
            workspace,
            *bounds,
            [row["trace_id"] for row in candidates],
            *(start, end, end, last_id),
            *trace_values,
            limit,
        ],
    )


def _texts(
    read: Read, workspace: str, rows: Sequence[dict[str, Any]], columns: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """The start of text columns of the first steps of traces, by trace id."""
    if not rows:
        return {}
    found = read(
        queries.texts_query(columns, len(rows)),
        [workspace, *(row["head_at"] for row in rows), *(row["head_id"] for row in rows)],
    )
    return {row["trace_id"]: row for row in found}


def _with_texts(
    read: Read, workspace: str, rows: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Rows with what came in and went out; messages are read only where there is neither."""
    plain = _texts(read, workspace, rows, ("input", "output"))
    silent = [row for row in rows if _is_silent(plain.get(row["trace_id"], {}))]
    said = _texts(read, workspace, silent, ("messages_in", "messages_out"))
    for row in rows:
        yield row | plain.get(row["trace_id"], {}) | said.get(row["trace_id"], {})


def _is_silent(texts: dict[str, Any]) -> bool:
    return any(texts.get(name) in (None, "null") for name in ("input", "output"))


def _steps(scope: Scope, traces: Sequence[TraceRow]) -> Iterator[list[Span]]:
    read = _reader(scope)
    if read is None or not traces:
        return
    moments = [row.started_at.replace(tzinfo=None) for row in traces]
    ids = [row.trace_id for row in traces]
    bounds = [_earlier(min(moments)), _later(max(moments))]
    by_trace: dict[str, list[Span]] = {}
    for row in read(queries.STEPS_OF, [scope.workspace, *bounds, ids]):
        by_trace.setdefault(row["trace_id"], []).append(span_of(row))
    yield from (by_trace[id_] for id_ in ids if id_ in by_trace)


def _reader(scope: Scope) -> Read | None:
    """Reads lake and inbox as they are now; nothing where nothing was ever kept."""
    table: LakeTable = queries.SPANS
    waiting = scope.store.inbox.waiting(table.name, workspace=scope.workspace)
    if not waiting and scope.store.lake.is_untouched:
        return None

    def read(sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        return scope.store.lake.read(table, sql, parameters, waiting=waiting)

    return read


def _asked(filters: Filters) -> _Asked:
    rows: dict[str, list[queries.Bound]] = {}
    traces: list[queries.Bound] = []
    for one in filters.conditions:
        row = queries.row_condition(one.field, one.sign, one.values)
        trace = queries.trace_condition(one.field, one.sign, one.values)
        if row:
            rows.setdefault(one.field, []).append(row)
        traces += [trace] if trace else []
    of_first = [
        bound for field in rows for bound in rows[field] if not queries.is_met_by_any_step(field)
    ]
    of_any = [bound for field in rows for bound in rows[field][:1] if field != "text"]
    return _Asked(
        rows=[bound for field in rows for bound in rows[field]],
        traces=traces,
        deep=of_first or of_any[:1],
        has_text="text" in rows,
        has_runs=any(one.field == "run" for one in filters.conditions),
        since=_plain(filters.since) if filters.since else _EARLIEST,
        until=_plain(filters.until) if filters.until else _LATEST,
    )


def _cursor(text: str) -> tuple[datetime, str]:
    moment, _, trace_id = text.partition("~")
    try:
        return _plain(datetime.fromisoformat(moment)), trace_id
    except ValueError:
        raise Invalid(
            "bad_cursor",
            f"`{text[:60]}` is no place in the list of traces",
            hint="Use `older` of the page before, or leave it out to begin at the newest.",
        ) from None


def _plain(moment: datetime) -> datetime:
    """A moment as the lake keeps it."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _earlier(moment: datetime) -> datetime:
    return moment - _DAY if moment - _EARLIEST > _DAY else _EARLIEST


def _later(moment: datetime) -> datetime:
    return moment + _DAY if _LATEST - moment > _DAY else _LATEST
