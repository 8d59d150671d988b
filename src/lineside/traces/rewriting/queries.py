"""Finding the steps of whole traces in the lake, and taking them out of every table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lineside.store import LakeTable
from lineside.traces import queries
from lineside.traces.arrivals import trace_key
from lineside.traces.logs.queries import SPAN_EVENTS
from lineside.traces.scores.queries import SCORES, WAITS
from lineside.traces.strays.queries import STRAYS
from lineside.traces.sums.queries import EMPTY, TRACE_SUMS

STEPS_TABLES = (queries.SPANS, queries.TRACES, queries.MODEL_CALLS, STRAYS)
"""What is made of the steps of a trace."""

TABLES = (*STEPS_TABLES, SCORES, SPAN_EVENTS)
"""What a trace has rows in."""

CHANGED_TABLES = (*TABLES, TRACE_SUMS)
"""What is changed when the rows of a trace are: sums have its figures in them."""

_EXTENT = "trace_id, min(started_at) AS first_at, max(started_at) AS last_at, count(*) AS steps"
_ORDER = "GROUP BY trace_id ORDER BY first_at, trace_id LIMIT ?"

OF_TRACE = f"SELECT {_EXTENT} FROM {{spans}} WHERE workspace = ? AND trace_id = ? {_ORDER}"
# Whole traces, of which a user or a session may have had one step only; under the id itself or
# any of its aliases.
OF_USER = f"""
SELECT {_EXTENT} FROM {{spans}} WHERE workspace = ? AND trace_id IN (
    SELECT trace_id FROM {{spans}} WHERE workspace = ?
      AND (user_id = ? OR starts_with(user_id, '[masked:') AND ends_with(user_id, ?))
) {_ORDER}
"""
OF_SESSION = OF_USER.replace("user_id", "session_id")

OF_USE_CASE = f"""
SELECT {_EXTENT} FROM {{spans}} WHERE workspace = ?1 AND trace_id IN (
    SELECT DISTINCT trace_id FROM {{spans}} WHERE workspace = ?1 AND use_case = ?2
    ORDER BY trace_id LIMIT ?3
) GROUP BY trace_id ORDER BY first_at, trace_id
"""
COUNT_OF_USE_CASE = """
SELECT count(DISTINCT trace_key) AS traces FROM {traces} WHERE workspace = ? AND use_case = ?
"""
# Records of a limited key tell of steps of its use case only, and so of none from now on.
DISOWN_BESIDE = (
    "UPDATE lake.scores SET use_case = NULL WHERE workspace = ? AND use_case = ?",
    """
UPDATE lake.span_events SET use_case = NULL
WHERE workspace = ? AND use_case = ? AND NOT coalesce(is_limited, false)
""",
)

# Parameters: the workspace, a moment, a use case, the id after which to go on, a mapping, a limit.
# Whole traces, of which one step may be as old, or of that use case.
READ_BEFORE = f"""
SELECT {_EXTENT} FROM {{spans}} WHERE workspace = ?1 AND trace_id IN (
    SELECT trace_id FROM {{spans}}
    WHERE workspace = ?1 AND started_at >= ?2 AND (?3::VARCHAR IS NULL OR use_case = ?3)
      AND trace_id > ?4
    GROUP BY trace_id
    HAVING bool_or(mapping BETWEEN 1 AND ?5) OR trace_id NOT IN (
        SELECT trace_id FROM {{traces}} WHERE workspace = ?1
    )
    ORDER BY trace_id LIMIT ?6
) GROUP BY trace_id ORDER BY trace_id
"""
STEPS = """
SELECT * FROM {spans} WHERE workspace = ? AND started_at >= ? AND started_at <= ?
  AND trace_id IN (SELECT unnest(?::VARCHAR[]))
"""


# A trace belongs to the use case of its root, or of its first step where the root is missing; where
# others have steps in it as well, it is kept as long as the one that keeps it longest.
# Its age counts from when its last step came, whatever clocks say; steps of before that was noted,
# from when they began. Parameters: the workspace, a moment, a use case, then all that are not kept
# for ever with the moment of each, a limit.
_CAME = "max(coalesce(arrived_at, started_at))"
OLDER_THAN = f"""
SELECT {_EXTENT} FROM {{spans}} LEFT JOIN (
    SELECT unnest(?4::VARCHAR[]) AS owner, unnest(?5::TIMESTAMP[]) AS before
) AS kept ON use_case = owner
WHERE workspace = ?1 GROUP BY trace_id
HAVING {_CAME} < ?2 AND coalesce(
    min_by(coalesce(use_case, ''), (parent_span_id IS NOT NULL, started_at)), ''
) = ?3 AND bool_and(use_case IS NULL OR use_case = ?3 OR before IS NOT NULL)
  AND {_CAME} < coalesce(min(before), ?2)
ORDER BY first_at, trace_id LIMIT ?6
"""

STRAYS_FOUND = """
SELECT workspace, trace_id, min(first_at) AS first_at, max(last_at) AS last_at,
    sum(steps)::BIGINT AS steps
FROM {traces} SEMI JOIN (
    SELECT DISTINCT workspace, trace_key FROM {strays} ORDER BY ALL LIMIT ?
) USING (workspace, trace_key)
GROUP BY workspace, trace_id ORDER BY workspace, first_at, trace_id
"""

# For steps of before arrival was noted, of clocks that are fast: they would be kept for ever.
DATE_FUTURE = """
UPDATE lake.spans SET arrived_at = ?1
WHERE workspace = ?2 AND started_at > ?1 AND arrived_at IS NULL
"""
FUTURE = """
SELECT count(*) AS number FROM {spans}
WHERE workspace = ? AND started_at > ? AND arrived_at IS NULL
"""

SESSIONS_OF_USER = """
SELECT DISTINCT session_id FROM {spans}
WHERE workspace = ? AND session_id IS NOT NULL
  AND (user_id = ? OR starts_with(user_id, '[masked:') AND ends_with(user_id, ?))
"""
# What scores say beside the sessions that steps have: a session of which no step came.
SESSIONS_KEPT = """
SELECT DISTINCT session_id FROM {scores}
WHERE workspace = ? AND starts_with(session_id, '[masked:') AND ends_with(session_id, ?)
"""
SCORES_OF_SESSIONS = (
    "workspace = ? AND trace_id IS NULL AND session_id IN (SELECT unnest(?::VARCHAR[]))"
)
BESIDE_OF_TRACE = "workspace = ? AND trace_key = ? AND trace_id = ?"
# Parameters: the workspace, a moment, a use case or an empty text.
_OLD = "workspace = ?1 AND {moment} < ?2 AND coalesce(use_case, '') = ?3"
_OLD_SCORES, _OLD_EVENTS = (_OLD.format(moment=moment) for moment in ("scored_at", "happened_at"))
_OF_NO_TRACE = "trace_key NOT IN (SELECT trace_key FROM {traces} WHERE workspace = ?1)"
OLD_SCORES = f"{_OLD_SCORES} AND trace_id IS NOT NULL AND {_OF_NO_TRACE}"
OLD_EVENTS = f"{_OLD_EVENTS} AND {_OF_NO_TRACE}"
OLD_EVENTS_OF_TRACES = f"{OLD_EVENTS} AND trace_id IN (SELECT unnest(?4::VARCHAR[]))"
TRACES_OF_OLD_EVENTS = f"""
SELECT trace_id, min(happened_at) AS first_at, max(happened_at) AS last_at, count(*) AS steps
FROM {{span_events}} WHERE {OLD_EVENTS} GROUP BY trace_id ORDER BY first_at, trace_id LIMIT ?4
"""


def _of_no_step(sessions: str) -> str:
    """Of no session that a step is of; only these sessions are looked for, as steps are many."""
    return f"""trace_id IS NULL AND (session_id IS NULL OR session_id NOT IN (
    SELECT session_id FROM {{spans}} WHERE workspace = ?1 AND session_id IN ({sessions})
))"""


_SESSIONS_OF_OLD = f"SELECT session_id FROM {{scores}} WHERE {_OLD_SCORES} AND trace_id IS NULL"
OLD_SCORES_OF_SESSIONS = f"{_OLD_SCORES} AND {_of_no_step(_SESSIONS_OF_OLD)}"
# Scores that say no use case themselves: it was that of the traces, which have gone.
_GIVEN = "SELECT unnest(?3::VARCHAR[])"
SCORES_OF_ENDED_SESSIONS = f"""workspace = ?1 AND scored_at < ?2 AND use_case IS NULL
  AND session_id IN ({_GIVEN}) AND {_of_no_step(_GIVEN)}
"""


class Meant(NamedTuple):
    """Rows of a table that stands beside the steps, by a condition and its values."""

    table: LakeTable
    condition: str
    asked: list[Any]

    @property
    def counted(self) -> str:
        return f"SELECT count(*) AS number FROM {{{self.table.name}}} WHERE {self.condition}"

    @property
    def events(self) -> str:
        columns = "trace_id, use_case, happened_at, event"
        return f"SELECT {columns} FROM {{{self.table.name}}} WHERE {self.condition}"

    @property
    def deleted(self) -> str:
        places = {table.name: f"lake.{table.name}" for table in TABLES}
        placed = self.condition.format(**places)
        return f"DELETE FROM lake.{self.table.name} WHERE {placed}"


_DELETE_STEPS = """
DELETE FROM lake.spans WHERE workspace = ? AND started_at >= ? AND started_at <= ?
  AND trace_id IN (SELECT unnest(?::VARCHAR[]))
"""
# What waited for a step of theirs under the id of an answer.
_DELETE_WAITING = """
DELETE FROM lake.scores WHERE workspace = ? AND trace_id IS NULL AND response_id IN (
    SELECT response_id FROM lake.spans WHERE workspace = ? AND response_id IS NOT NULL
      AND trace_id IN (SELECT unnest(?::VARCHAR[]))
)
"""
# The same for scores that named a step of theirs before it came.
_DELETE_WAITING_FOR_STEPS = f"""
DELETE FROM lake.scores WHERE workspace = ? AND trace_key = {WAITS} AND span_id IN (
    SELECT span_id FROM lake.spans WHERE workspace = ? AND trace_id IN (SELECT unnest(?::VARCHAR[]))
)
"""
EVENTS = """
SELECT trace_id, use_case, event FROM {span_events}
WHERE workspace = ? AND trace_key IN (SELECT unnest(?::BIGINT[]))
"""
STILL_NAMED = """
SELECT DISTINCT digest FROM (SELECT unnest(blobs) AS digest FROM {spans} WHERE blobs IS NOT NULL)
WHERE digest IN (SELECT unnest(?::VARCHAR[]))
"""


def deletions(
    workspace: str,
    trace_ids: Sequence[str],
    keys: Sequence[int],
    bounds: tuple[datetime, datetime],
    tables: Sequence[LakeTable],
) -> list[tuple[str, list[Any]]]:
    """Statements that take traces out of these tables; `keys` are those of the ids.

    Sums are emptied, and made again by the next upkeep.
    """
    others = [table for table in tables if table is not queries.SPANS]
    return [
        *(
            (statement, [workspace, workspace, list(trace_ids)])
            for statement in (_DELETE_WAITING, _DELETE_WAITING_FOR_STEPS)
            if SCORES in tables
        ),
        (_DELETE_STEPS, [workspace, *bounds, list(trace_ids)]),
        *_deletions_by_key(workspace, keys, others),
        (EMPTY, []),
    ]


def rolled_up_deletions(workspace: str, keys: Sequence[int]) -> list[tuple[str, list[Any]]]:
    """Statements that take out what was made of the steps of traces, and leave the steps."""
    return _deletions_by_key(workspace, keys, STEPS_TABLES[1:])


def stray_deletion(
    workspace: str, trace_id: str
) -> tuple[tuple[LakeTable], list[tuple[str, list[Any]]]]:
    """What takes a trace off those that are to be put in order."""
    return (STRAYS,), _deletions_by_key(workspace, [trace_key(trace_id)], (STRAYS,))


def _deletions_by_key(
    workspace: str, keys: Sequence[int], tables: Sequence[LakeTable]
) -> list[tuple[str, list[Any]]]:
    by_key = "workspace = ? AND trace_key IN (SELECT unnest(?::BIGINT[]))"
    return [
        (f"DELETE FROM lake.{table.name} WHERE {by_key}", [workspace, list(keys)])
        for table in tables
    ]
