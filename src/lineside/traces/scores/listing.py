"""Finding scores again."""

from datetime import datetime
from typing import Any

from lineside.traces.arrivals import trace_key
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.scores import queries
from lineside.traces.scores.record import TraceScore, score_of_row
from lineside.trust import Scope

SCORES_MAX = 1_000
BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001 # moments in the lake are UTC without saying so


def list_scores(
    scope: Scope,
    *,
    trace_id: str | None = None,
    session_id: str | None = None,
    use_case: str | None = None,
    name: str | None = None,
    limit: int = 100,
) -> list[TraceScore]:
    """What was scored, newest first; each score once, however often it arrived.

    Args:
        session_id: Scores of the session and of every trace in it.
        limit: At most 1,000.

    Raises:
        Denied: The actor may not read what the scores are about.
    """
    of_one = trace_id is not None or session_id is not None
    if not of_one or use_case is not None:
        scope.require("read", use_case=use_case)
    wanted = [trace_id, name, session_id, use_case, max(1, min(limit, SCORES_MAX))]
    with open_reading(scope) as reading:
        latest, chosen = _chosen(reading, scope, trace_id, session_id)
        rows = reading.rows(latest, [scope.workspace, chosen, *wanted])
    scores = [score_of_row(row) for row in rows]
    for found in {score.use_case for score in scores}:
        scope.require("read", use_case=found)
    return scores


def _chosen(
    reading: TraceReading, scope: Scope, trace_id: str | None, session_id: str | None
) -> tuple[str, Any]:
    """Which query to ask, and what it chooses by before anything else."""
    if trace_id is not None:
        return queries.LATEST_OF_TRACE, trace_key(trace_id)
    if session_id is not None:
        rows = reading.rows(queries.TRACES_OF_SESSION, [scope.workspace, session_id])
        return queries.LATEST_OF_SESSION, [row["trace_key"] for row in rows]
    return queries.LATEST, BEGINNING
