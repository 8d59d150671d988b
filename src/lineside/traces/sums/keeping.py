"""Makes sums of the traces that came since the last ones were made."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from lineside.store import Reading, Store
from lineside.traces.sums import queries

TRACES_MIN = 50_000
"""So many new traces are summed up; fewer are read one by one."""

HOURS = (1, 3, 12, 24)
"""Of each sum. The wider ones are for long stretches, the narrower for what begins between."""

_TRACES_AT_ONCE = 500_000
_TRACES_PER_STATEMENT = 150_000
_TURNS_MAX = 10_000
_EARLIEST = datetime(1, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
_LATEST = datetime(9999, 12, 31)  # noqa: DTZ001 # the same
_TABLES = (queries.TRACES, queries.MODEL_CALLS, queries.TRACE_SUMS)


class Made(NamedTuple):
    """What there is of sums.

    Attributes:
        upto: The last state of the lake whose rows are in them.
        has_parts: Whether the lake had then traces that are not one row with its root; they are in
            no sum.
    """

    upto: int
    has_parts: bool


def add_up(store: Store) -> int:
    """Sum up what came since the last time, once that is much; gives how many traces that were.

    Sums say up to which state of the lake they go, and a reader adds what came later. Whoever takes
    rows out of the lake empties them, and this makes all of them again, as it does in a lake that
    an older version has filled. Each half million traces is one transaction under the lake's lock.
    """
    if store.lake.is_untouched:
        return 0
    done = 0
    for _ in range(_TURNS_MAX):
        with store.changing_lake():
            found = _waiting(store)
            if found is None:
                break
            before, upto, traces, days = found
            # Where nothing says how far they go, what is there is of an older version.
            emptied: list[tuple[str, list[Any]]] = [] if before else [(queries.EMPTY, [])]
            store.lake.change(_TABLES, emptied + _statements(before, upto, days))
            done += traces
    return done


def _waiting(store: Store) -> tuple[int, int, int, list[datetime]] | None:
    """After which state of the lake and up to which one to sum up, how many traces, by which days.

    Nothing where too little waits.
    """
    with store.lake.reading(_TABLES) as reading:
        if not reading.has(queries.TRACES):
            return None
        done = made(reading)
        before = done.upto if done else 0
        waiting = reading.rows(queries.WAITING, [before])
        if sum(row["traces"] for row in waiting) < TRACES_MIN:
            return None
        (state,) = reading.rows(queries.SNAPSHOT)
        upto, traces = state["id"], waiting[0]["traces"]
        for row, next_row in pairwise(waiting):
            if traces + next_row["traces"] > _TRACES_AT_ONCE:
                upto = row["snapshot_id"]
                break
            traces += next_row["traces"]
        days = reading.rows(queries.DAYS, [before, upto])
    return before, upto, traces, _parted(days)


def made(reading: Reading) -> Made | None:
    """What there is of sums; nothing where there are none."""
    if not reading.has(queries.TRACE_SUMS):
        return None
    ((upto, has_parts),) = (row.values() for row in reading.rows(queries.MADE))
    return None if upto is None else Made(upto, has_parts)


def taken_out(reading: Reading, workspace: str, keys: Sequence[int]) -> list[tuple[str, list[Any]]]:
    """Statements that take the rows of some traces out of the sums, before they are changed."""
    done = made(reading)
    if done is None:
        return []
    asked = [workspace, list(keys), done.upto]
    return [(queries.taking_out(what, hours), asked) for what in queries.SOURCES for hours in HOURS]


def _parted(days: list[dict[str, Any]]) -> list[datetime]:
    """Moments that part the days so that no part takes much memory."""
    moments, traces = [_EARLIEST], 0
    for row in days:
        if traces and traces + row["traces"] > _TRACES_PER_STATEMENT:
            moments.append(row["day"])
            traces = 0
        traces += row["traces"]
    return [*moments, _LATEST]


def _statements(before: int, upto: int, moments: list[datetime]) -> list[tuple[str, list[Any]]]:
    return [
        (queries.adding(what, hours), [before, upto, since, until])
        for since, until in pairwise(moments)
        for what in queries.SOURCES
        for hours in HOURS
    ] + [(queries.NOTE, [upto, before, upto])]
