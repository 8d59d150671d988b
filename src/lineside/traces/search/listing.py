"""The list of traces, page by page, newest first."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from lineside.core import Invalid, NotFound, now
from lineside.traces.filters import Filters
from lineside.traces.logs.joining import events_of_trace, events_of_traces, with_events
from lineside.traces.logs.previews import with_told
from lineside.traces.parts import Owners, own_steps
from lineside.traces.payloads import Whole
from lineside.traces.reading import TraceReading, of_trace, open_reading
from lineside.traces.record import span_of
from lineside.traces.row import Page, TraceRow, trace_row
from lineside.traces.search import queries
from lineside.traces.search.asked import (
    DAY,
    EARLIEST,
    LATEST,
    Asked,
    asked_of,
    earlier,
    later,
    plain,
    values_of,
)
from lineside.traces.span import Span
from lineside.trust import Scope

PAGE_TRACES_MAX = 500
_ID_DIGITS = 32
_ROWS_PER_TRACE = 2
_WIDE_ROWS = 60_000
_DEEPER = 16
_FEW_KEYS = 200
STEPS_AT_ONCE = 5_000
_CANDIDATES = 400
_CANDIDATES_TURNS_MAX = 50
_DAYS_CHOSEN = timedelta(days=8)
_MICROSECOND = timedelta(microseconds=1)
_AFTER_ALL_IDS = "~"
_NEWEST_FIRST = itemgetter("started_at", "trace_id")

Cursor = tuple[datetime, str]
Rows = list[dict[str, Any]]


def list_traces(
    scope: Scope, filters: Filters | None = None, *, limit: int = 50, before: str | None = None
) -> Page:
    """The newest traces that the filters let through, newest first.

    Test runs do not count unless a filter names a run. `text` finds traces that hold every word of
    it, the last of which may be the beginning of one. Steps that began more than a day before or
    after the others of their trace are not counted with them.

    Args:
        limit: At most 500.
        before: The cursor `older` of the page before.

    Raises:
        Invalid: The cursor is not one of ours.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    page, older = _listed(scope, filters or Filters(), limit, before)
    return Page(traces=tuple(map(trace_row, page)), older=older)


def _listed(
    scope: Scope, filters: Filters, limit: int, before: str | None
) -> tuple[Rows, str | None]:
    scope.require("read", use_case=filters.use_case)
    limit = max(1, min(limit, PAGE_TRACES_MAX))
    asked = asked_of(filters, scope)
    cursor = _cursor(before) if before else (asked.until, "")
    with open_reading(scope) as reading:
        rows = newest(reading, scope.workspace, asked, cursor, limit + 1)
        page = with_told(reading, scope.workspace, rows[:limit])
    older = f"{page[-1]['started_at'].isoformat()}~{page[-1]['trace_id']}" if page else None
    return page, older if len(rows) > limit else None


def spans_of(
    scope: Scope,
    filters: Filters | None = None,
    *,
    traces_max: int = 1_000_000,
    in_parts: bool = False,
) -> Iterator[list[Span]]:
    """All steps of every trace that the filters let through, one trace after the other.

    Of a trace in which several use cases have a part, a limited actor gets the steps of those
    within the limit; it comes once, whichever parts of it the filters let through.

    Args:
        in_parts: Give a trace of more than 5,000 steps in several lists, so that no more than
            some thousands of steps are held at a time; else a trace is one list.

    Raises:
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    before, left = None, traces_max
    parted: set[str] = set()
    while left > 0:
        rows, before = _listed(scope, filters or Filters(), min(left, 200), before)
        fresh = [row for row in rows if row["trace_id"] not in parted]
        parted.update(row["trace_id"] for row in fresh if row["is_parted"])
        once = {row["trace_id"]: trace_row(row) for row in fresh}
        for some in _a_few(list(once.values())):
            if in_parts and some[0].steps > STEPS_AT_ONCE:
                yield from parts_of_trace(scope, some[0].trace_id)
            else:
                yield from _steps(scope, some)
        left -= len(rows)
        if before is None:
            return


def parts_of_trace(scope: Scope, trace_id: str) -> Iterator[list[Span]]:
    """All steps of one trace, at most 5,000 at a time, in the order they began; none if it is away.

    Raises:
        Denied: The right `read` is missing on its use case.
    """
    whole = Whole(scope.store.payloads.get)
    after: Cursor = (EARLIEST, "")
    owners = Owners()
    while True:
        with open_reading(scope) as reading:
            cursor = (*after[:1], *after, STEPS_AT_ONCE)
            rows = of_trace(reading, queries.STEPS_AFTER, scope.workspace, trace_id, cursor)
            events = events_of_trace(reading, scope.workspace, trace_id) if rows else {}
        if not rows:
            return
        after = (rows[-1]["started_at"], rows[-1]["span_id"])
        spans = [with_events(span_of(whole.row(row)), events) for row in rows]
        yield own_steps(scope, spans, owners)
        if len(rows) < STEPS_AT_ONCE:
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
    with open_reading(scope) as reading:
        rows = reading.rows(queries.IDS, [scope.workspace, start.lower()])
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


def newest(
    reading: TraceReading, workspace: str, asked: Asked, cursor: Cursor, wanted: int
) -> Rows:
    """The newest so many traces before a cursor that meet all that is asked."""
    if reading.is_empty:
        return []
    if asked.has_text:
        return _by_words(reading, workspace, asked, cursor, wanted)
    # Where single rows tell nothing of what is wanted, much must be read to find a page of it.
    depth = _WIDE_ROWS if asked.attributes else wanted * _ROWS_PER_TRACE
    at, last_id = cursor
    found: Rows = []
    while True:
        rows, start = _candidates(reading, workspace, asked, at, depth)
        stretch = (start, at, last_id)
        found += _page(reading, workspace, asked, rows, stretch, wanted - len(found))
        if len(found) >= wanted or start <= asked.since:
            return found
        if start <= at:
            at, last_id = start - _MICROSECOND, _AFTER_ALL_IDS
        # Where one moment holds more rows than that, only more of them lead past it.
        depth *= _DEEPER


def _by_words(
    reading: TraceReading, workspace: str, asked: Asked, cursor: Cursor, wanted: int
) -> Rows:
    """Look through the traces that hold the words, newest first, until enough meet the rest."""
    before = later(cursor[0])
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for _ in range(_CANDIDATES_TURNS_MAX):
        held = reading.find_words(
            workspace, asked.words, before=before, after=earlier(asked.since), limit=_CANDIDATES
        )
        if not held:
            break
        rows = [
            {"trace_key": key, "first_at": moment, "last_at": moment} for (key, _), moment in held
        ]
        stretch = (asked.since, *cursor)
        of_words = asked.among(part for part, _ in held)
        for row in _page(reading, workspace, of_words, rows, stretch, wanted):
            found.setdefault((row["trace_id"], row["use_case"]), row)
        if len(found) >= wanted or len(held) < _CANDIDATES:
            break
        before = min(moment for _, moment in held)
    return sorted(found.values(), key=_NEWEST_FIRST, reverse=True)[:wanted]


def _candidates(
    reading: TraceReading, workspace: str, asked: Asked, at: datetime, depth: int
) -> tuple[Rows, datetime]:
    """The newest so many rows of traces that may be wanted, and since when they are all of them."""
    sql = queries.candidates_query([sql for sql, _ in asked.traces], runs=asked.has_runs)
    values = values_of(asked.traces)
    found: Rows = []
    until = at
    # The last days mostly hold enough; to look there first spares the rest.
    recent = earlier(min(at, plain(now())), _DAYS_CHOSEN if asked.traces else DAY)
    for since in sorted({max(asked.since, recent), asked.since})[::-1]:
        found += reading.rows(sql, [workspace, since, until, *values, depth - len(found)])
        start = _start_of(found, depth, since)
        if start > since:
            break
        until = max(since, EARLIEST + _MICROSECOND) - _MICROSECOND
    if not asked.traces:
        return found, start
    of_rows = None if asked.rows is None else [sql for sql, _ in asked.rows]
    sql = queries.parts_query(of_rows, runs=asked.has_runs)
    # A row that meets a condition may begin long after its trace did.
    until = at if at >= LATEST else later(at)
    values = values_of(asked.rows or [])
    parts = reading.rows(sql, [workspace, start, until, *values, depth])
    return found + parts, _start_of(parts, depth, start)


def _start_of(rows: Rows, limit: int, since: datetime) -> datetime:
    """Since when newest rows are all there are; of the last moment others may be left out."""
    start: datetime = rows[-1]["first_at"] + _MICROSECOND if len(rows) >= limit else since
    return start


def _page(
    reading: TraceReading,
    workspace: str,
    asked: Asked,
    candidates: Rows,
    stretch: tuple[datetime, datetime, str],
    limit: int,
) -> Rows:
    """Those of the candidates that meet all that is asked, the newest ones read first."""
    newest_at: dict[int, datetime] = {}
    ends: dict[int, tuple[datetime, datetime]] = {}
    for row in sorted(candidates, key=lambda row: row["first_at"], reverse=True):
        key, first, last = row["trace_key"], row["first_at"], row["last_at"]
        newest_at.setdefault(key, first)
        ends[key] = (first, max(last, ends.get(key, (first, last))[1]))
    keys, size, done = list(newest_at), limit, 0
    found: Rows = []
    while done < len(keys):
        some = keys[done : done + size]
        done += len(some)
        bounds = (
            earlier(min(ends[key][0] for key in some)),
            later(max(ends[key][1] for key in some)),
        )
        found += page_rows(reading, workspace, asked, (bounds, some, stretch), limit)
        # What is still unread began no later than its newest row did.
        unread = newest_at[keys[done]] if done < len(keys) else EARLIEST
        if sum(row["started_at"] > unread for row in found) >= limit:
            break
        size *= _DEEPER
    return sorted(found, key=_NEWEST_FIRST, reverse=True)[:limit]


def page_rows(
    reading: TraceReading,
    workspace: str,
    asked: Asked,
    where: tuple[tuple[datetime, datetime], list[int], tuple[datetime, datetime, str]],
    limit: int,
) -> Rows:
    """Those of some traces, in a stretch of time, that meet all that is asked, newest first."""
    bounds, keys, (start, end, last_id) = where
    conditions = [*asked.traces, *asked.attributes]
    sql = queries.page_query(
        [sql for sql, _ in conditions], runs=asked.has_runs, few=len(keys) <= _FEW_KEYS
    )
    once = values_of(asked.traces)
    for _, values in asked.attributes:
        once += [workspace, *bounds, *values]
    return reading.rows(sql, [workspace, *bounds, keys, start, end, end, last_id, *once, limit])


def _a_few(traces: Sequence[TraceRow]) -> Iterator[list[TraceRow]]:
    """The traces in parts, none of which has many more steps than fit into memory with ease."""
    some: list[TraceRow] = []
    steps = 0
    for row in traces:
        if some and steps + row.steps > STEPS_AT_ONCE:
            yield some
            some, steps = [], 0
        some.append(row)
        steps += row.steps
    if some:
        yield some


def _steps(scope: Scope, traces: Sequence[TraceRow]) -> Iterator[list[Span]]:
    moments = [plain(row.started_at) for row in traces]
    ids = [row.trace_id for row in traces]
    by_trace: dict[str, Rows] = {}
    with open_reading(scope) as reading:
        bounds = [earlier(min(moments)), later(max(moments))]
        for row in reading.rows(queries.STEPS_OF, [scope.workspace, *bounds, ids]):
            by_trace.setdefault(row["trace_id"], []).append(row)
        events = events_of_traces(reading, scope.workspace, bounds, ids)
    for id_ in ids:
        if id_ in by_trace:
            whole = Whole(scope.store.payloads.get)
            spans = [span_of(whole.row(row)) for row in by_trace.pop(id_)]
            own = own_steps(scope, spans)
            yield [with_events(span, events.get(id_, {})) for span in own]


def _cursor(text: str) -> Cursor:
    moment, _, trace_id = text.partition("~")
    try:
        return plain(datetime.fromisoformat(moment)), trace_id
    except ValueError:
        raise Invalid(
            "bad_cursor",
            f"`{text[:60]}` is no place in the list of traces",
            hint="Use `older` of the page before, or leave it out to begin at the newest.",
        ) from None
