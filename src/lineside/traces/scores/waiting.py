"""Scores whose step or trace is not here: how many wait, since when, and for what."""

from datetime import datetime, timedelta

from lineside.core import Unavailable, now
from lineside.traces.parts import own_words
from lineside.traces.reading import open_reading
from lineside.traces.scores import queries
from lineside.traces.scores.record import TraceScore, score_of_row
from lineside.traces.scores.steps import WAIT
from lineside.trust import Scope

STRAY_AFTER = timedelta(days=1)
"""What waits for longer is shown as stray: what it is about may never come."""

WAITING_MAX = 100_000
"""Scores of steps that are not here, at once in a workspace."""

LIST_MAX = 1_000


def list_waiting(
    scope: Scope, *, use_case: str | None = None, limit: int = 100
) -> list[TraceScore]:
    """Scores of the last 31 days whose step or trace is not here, newest first; at most 1,000.

    One that waits for longer than a day is a stray.

    Raises:
        Denied: The actor may not read that use case, or not all.
    """
    scope.require("read", use_case=use_case)
    since = now().replace(tzinfo=None) - WAIT
    asked = [scope.workspace, since, use_case, max(1, min(limit, LIST_MAX))]
    with open_reading(scope) as reading:
        rows = reading.rows(queries.WAITING_LIST, asked)
    return own_words(scope, [score_of_row(row) for row in rows])


def is_stray(score: TraceScore, *, at: datetime | None = None) -> bool:
    """Whether a score that waits has waited for more than a day."""
    return (at or now()) - score.at > STRAY_AFTER


def check_room(scope: Scope, count: int) -> None:
    """See to it that so many more scores may wait.

    Raises:
        Unavailable: Too many wait already.
    """
    since = now().replace(tzinfo=None) - WAIT
    with open_reading(scope) as reading:
        # Those that have found their step are counted in the first, which is quick.
        for query in (queries.COUNT_GIVEN, queries.COUNT_WAITING):
            rows = reading.rows(query, [scope.workspace, since])
            there = rows[0]["number"] if rows else 0
            if there + count <= WAITING_MAX:
                return
    raise Unavailable(
        "too_many_waiting",
        f"{there:,} scores wait for steps that are not here, the limit is {WAITING_MAX:,}",
        hint="Send the steps first; `lineside traces scores --waiting` lists what waits.",
    )
