"""Finding scores again."""

from collections.abc import Sequence
from typing import Any

from lineside.traces import privacy
from lineside.traces.arrivals import trace_key
from lineside.traces.parts import own_words
from lineside.traces.reading import TraceReading, open_reading
from lineside.traces.scores import queries
from lineside.traces.scores.record import TraceScore, score_of_row
from lineside.traces.scores.recording import BEGINNING
from lineside.trust import Scope

SCORES_MAX = 1_000
_FEW_KEYS = 200


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
        if trace_id is not None:
            asked = [scope.workspace, trace_key(trace_id), *wanted]
            rows = reading.rows(queries.LATEST_OF_TRACE, asked)
        elif session_id is not None:
            rows = _of_session(reading, scope, session_id, wanted)
        else:
            rows = reading.rows(queries.LATEST, [scope.workspace, BEGINNING, *wanted])
    return own_words(scope, [score_of_row(row) for row in rows])


def scores_of(
    scope: Scope, trace_ids: Sequence[str], *, session_ids: Sequence[str] = ()
) -> list[TraceScore]:
    """What was scored of these traces and, as a whole, of these sessions, the earliest first."""
    keys = [trace_key(trace_id) for trace_id in trace_ids]
    with open_reading(scope) as reading:
        asked = [scope.workspace, keys, list(trace_ids), list(session_ids)]
        rows = reading.rows(queries.OF_SEVERAL, asked)
    return own_words(scope, [score_of_row(row) for row in rows])


def _of_session(
    reading: TraceReading, scope: Scope, session_id: str, wanted: Sequence[Any]
) -> list[dict[str, Any]]:
    """Scores of a session; first where they are, which is told by few columns, then they whole."""
    workspace, limit = scope.workspace, wanted[-1]
    found: list[dict[str, Any]] = []
    for name in privacy.names_kept(scope.store, workspace, "session_id", session_id):
        places = reading.rows(queries.PLACES_OF_SESSION, [workspace, name])
        if not places or places[0]["since"] is None:
            continue
        keys, *bounds = places[0].values()
        latest = queries.latest_of_session(few=len(keys) <= _FEW_KEYS)
        asked = [workspace, keys, *wanted[:2], name, *wanted[3:], *bounds]
        found += reading.rows(latest, asked)
    return sorted(found, key=lambda row: row["scored_at"], reverse=True)[:limit]
