"""Scores in the lake."""

from collections.abc import Sequence
from typing import Any

from lineside.store import LakeTable
from lineside.traces.queries import PART, PLACE, SERVED, UNIT_SUMS, first_of

SCORES = LakeTable(
    "scores",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "release": "VARCHAR",
        "session_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "trace_key": "BIGINT",
        "span_id": "VARCHAR",
        "response_id": "VARCHAR",
        "identifier": "VARCHAR",
        "metadata": "VARCHAR",
        "name": "VARCHAR",
        "value": "DOUBLE",
        "label": "VARCHAR",
        "explanation": "VARCHAR",
        "source": "VARCHAR",
        "given_by": "VARCHAR",
        "scored_at": "TIMESTAMP",
    },
    sorted_by=("scored_at",),
)

WAITS = -2
"""In place of a trace's key, on a score that names a step whose trace is not known yet."""

_OF_TRACE = ("use_case", "release", "arm", "service", "session_id", "user_id")
_HEADS = ", ".join(f"{first_of(name)} AS {name}" for name in _OF_TRACE)

_CHOSEN = """
    SELECT * FROM {scores}
    WHERE workspace = ?1 AND scored_at >= ?2 AND (?3::VARCHAR IS NULL OR trace_id = ?3)
      AND (?4::VARCHAR IS NULL OR name = ?4)"""
_OF_CHOSEN = "trace_key IN (SELECT DISTINCT trace_key FROM once)"


# Those that may be replaced are one for each identifier, the others one for each moment.
ONE_OF_SEVERAL = """identifier, CASE WHEN identifier IS NULL THEN source END,
            CASE WHEN identifier IS NULL THEN scored_at END"""

# Of scores that may be replaced, as few are: whether a later one has taken its place.
_REPLACED = """identifier IS NOT NULL AND EXISTS (
            SELECT 1 FROM {scores} AS later
            WHERE later.identifier IS NOT NULL AND later.identifier = scores.identifier
              AND later.workspace = scores.workspace AND later.trace_key = scores.trace_key
              AND later.trace_id = scores.trace_id AND later.name = scores.name
              AND later.span_id IS NOT DISTINCT FROM scores.span_id
              AND later.given_by IS NOT DISTINCT FROM scores.given_by
              AND later.scored_at > scores.scored_at
        )"""


# A sender repeats what it is not sure of, so that a score may lie here twice, once before its trace
# came and once with the trace's session. What a score leaves open is what its trace says of itself,
# once that has come; a release of ours goes before that of another program, which a score may have
# been given with. Of a trace in which several use cases have a part, one that says none is of none.
def _found(chosen: str, among: str) -> str:
    return f"""
WITH once AS MATERIALIZED (
    SELECT * FROM ({chosen})
    WHERE trace_id IS NOT NULL OR (response_id IS NULL AND span_id IS NULL)
    QUALIFY row_number() OVER (
        PARTITION BY trace_id, span_id, CASE WHEN trace_id IS NULL THEN session_id END,
            name, given_by, {ONE_OF_SEVERAL}
        ORDER BY scored_at DESC, value
    ) = 1
), heads AS (
    SELECT trace_id, {_HEADS}, count(*) OVER (PARTITION BY trace_id) AS parts FROM {{traces}}
    WHERE workspace = ?1 AND {among}
    GROUP BY trace_id, use_case
), found AS (
    SELECT once.* EXCLUDE (use_case, release, session_id),
        coalesce(once.use_case, heads.use_case) AS use_case,
        CASE WHEN starts_with(heads.release, '{SERVED}')
              AND NOT coalesce(starts_with(once.release, '{SERVED}'), false)
             THEN heads.release ELSE coalesce(once.release, heads.release) END AS release,
        coalesce(once.session_id, heads.session_id) AS session_id,
        heads.arm, heads.service, heads.user_id
    FROM once LEFT JOIN heads ON once.trace_id = heads.trace_id
        AND coalesce(once.use_case = heads.use_case, heads.parts = 1)
    -- Given for one use case before the trace came, which then was another's: of nothing here.
    WHERE once.use_case IS NULL OR heads.trace_id IS NOT NULL
        OR once.trace_id IS NULL OR once.trace_id NOT IN (SELECT trace_id FROM heads)
)
"""


_FOUND = _found(_CHOSEN, _OF_CHOSEN)
_NEWEST = """
SELECT * FROM found
WHERE (?3::VARCHAR IS NULL OR trace_id = ?3) AND (?4::VARCHAR IS NULL OR name = ?4)
  AND (?5::VARCHAR IS NULL OR session_id = ?5) AND (?6::VARCHAR IS NULL OR use_case = ?6)
ORDER BY scored_at DESC, name LIMIT ?7
"""
LATEST = _FOUND + _NEWEST
LATEST_OF_TRACE = (
    _found(
        "SELECT * FROM {scores} WHERE workspace = ?1 AND trace_key = ?2 AND trace_id = ?3",
        "trace_key = ?2",
    )
    + _NEWEST
)

# Parameters: the workspace, keys of traces, their ids, sessions.
OF_SEVERAL = (
    _found(
        """
    SELECT * FROM {scores} WHERE workspace = ?1 AND trace_key IN (SELECT unnest(?2::BIGINT[]))
      AND trace_id IN (SELECT unnest(?3::VARCHAR[]))
    UNION ALL
    SELECT * FROM {scores} WHERE workspace = ?1 AND trace_id IS NULL
      AND session_id IN (SELECT unnest(?4::VARCHAR[]))""",
        "trace_key IN (SELECT unnest(?2::BIGINT[]))",
    )
    + "SELECT * FROM found ORDER BY scored_at, name"
)

# Parameters: the workspace, the session.
PLACES_OF_SESSION = """
SELECT coalesce(list(DISTINCT trace_key), []) AS keys,
    min(scored_at) AS since, max(scored_at) AS until
FROM (
    SELECT trace_key, scored_at FROM {scores} WHERE workspace = ?1 AND session_id = ?2
    UNION ALL
    SELECT trace_key, scored_at FROM {scores}
    WHERE workspace = ?1 AND session_id IS NULL AND trace_key IN (
        SELECT trace_key FROM {traces} WHERE workspace = ?1 AND session_id = ?2
    )
)
"""


def latest_of_session(*, few: bool) -> str:
    """The newest of one session: `?2` are keys of its traces, `?8` and `?9` when it was scored.

    Each of both kinds is looked for while the lake is read, and little else is unpacked.
    """
    among = (
        "list_contains(?2::BIGINT[], trace_key)"
        if few
        else "trace_key IN (SELECT unnest(?2::BIGINT[]))"
    )
    within = "workspace = ?1 AND scored_at >= ?8 AND scored_at <= ?9"
    chosen = f"""
    SELECT * FROM {{scores}} WHERE {within} AND session_id = ?5
    UNION ALL
    SELECT * FROM {{scores}} WHERE {within} AND session_id IS NULL AND {among}"""
    return _found(chosen, among) + _NEWEST


GROUPS = {
    "release": "release",
    "arm": "arm",
    "service": "service",
    "use_case": "use_case",
    "source": "source",
    "user": "user_id",
    "session": "session_id",
    "day": "strftime(scored_at, '%Y-%m-%d')",
}
"""What scores are counted by, and where that stands."""


def figures_by(group: str) -> str:
    """Figures of each score's name for each value of a group, the newest days and largest first."""
    order = '"group" DESC' if group == "day" else "count DESC"
    return f"""
    {_FOUND}
    , counted AS (
        SELECT name, {GROUPS[group]} AS "group", value, label FROM found
        WHERE (?5::VARCHAR IS NULL OR session_id = ?5) AND (?6::VARCHAR IS NULL OR use_case = ?6)
    )
    SELECT name, "group", count(*) AS count, count(value) AS valued, avg(value) AS mean,
        min(value) AS lowest, max(value) AS highest, quantile_cont(value, 0.5) AS median,
        list(label) FILTER (label IS NOT NULL) AS labels
    FROM (SELECT * FROM counted) GROUP BY ALL ORDER BY name, {order}, "group" LIMIT ?7
    """


def _arm_sums(arm: str, callers: str, served: str) -> str:
    return f"""
{_FOUND}
, units AS (
    SELECT release, {arm} AS arm, 'score:' || name AS measure,
        coalesce({callers}, trace_id) AS caller, count(value) AS n, sum(value) AS s
    FROM found
    WHERE use_case = ?5 AND {served} AND value IS NOT NULL AND coalesce(found.arm, '') != 'shadow'
    GROUP BY ALL
)
SELECT release, arm, measure, {UNIT_SUMS} FROM units
GROUP BY release, arm, measure ORDER BY ALL LIMIT ?7
"""


ARM_SUMS = _arm_sums(
    "NULL::VARCHAR", "session_id, user_id", "release IN (SELECT unnest(?6::VARCHAR[]))"
)
NAMED_ARM_SUMS = _arm_sums(
    "arm", "user_id, session_id", "found.arm IN (SELECT unnest(?6::VARCHAR[]))"
)

# Parameters: since and until when steps began, what providers call their answers.
STEPS_OF_ANSWERS = """
SELECT workspace, response_id, trace_id, span_id, use_case, session_id, kind, started_at
FROM {spans} WHERE started_at >= ? AND started_at <= ?
  AND response_id IN (SELECT unnest(?::VARCHAR[]))
"""
# Parameters: since and until when the scores were given, what providers call their answers.
SCORES_OF_ANSWERS = """
SELECT * FROM {scores} WHERE scored_at >= ? AND scored_at <= ?
  AND response_id IN (SELECT unnest(?::VARCHAR[]))
"""

# Scores that name a step alone. Parameters: since when they were given; the ids of steps.
ANY_WAITING = f"SELECT 1 FROM {{scores}} WHERE trace_key = {WAITS} AND scored_at >= ? LIMIT 1"
WAITING_FOR_STEPS = f"""
SELECT * FROM {{scores}} WHERE trace_key = {WAITS} AND scored_at >= ?
  AND span_id IN (SELECT unnest(?::VARCHAR[]))
"""
PLACED_ON_STEPS = """
SELECT workspace, span_id, name, source, given_by, scored_at FROM {scores}
WHERE trace_key >= 0 AND scored_at >= ? AND span_id IN (SELECT unnest(?::VARCHAR[]))
"""
# Parameters: since and until when the steps began, their ids.
STEPS_NAMED = """
SELECT workspace, trace_id, span_id, use_case, session_id FROM {spans}
WHERE started_at >= ? AND started_at <= ? AND span_id IN (SELECT unnest(?::VARCHAR[]))
"""

# Scores of the last days whose step or trace is not here, once each.
_WAITING = """
    SELECT any_value(scores) AS score FROM {scores} AS scores
    WHERE workspace = ?1 AND scored_at >= ?2 AND (response_id IS NOT NULL OR span_id IS NOT NULL)
    GROUP BY response_id, CASE WHEN response_id IS NULL THEN span_id END,
        name, source, given_by, scored_at
    HAVING count(trace_id) = 0
    UNION ALL
    SELECT any_value(scores) AS score FROM {scores} AS scores
    WHERE workspace = ?1 AND scored_at >= ?2 AND trace_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM {traces} AS known
        WHERE known.workspace = ?1 AND known.trace_key = scores.trace_key
          AND known.trace_id = scores.trace_id
          AND coalesce(known.use_case = scores.use_case, true)
    )
    GROUP BY trace_id, span_id, name, source, given_by, scored_at"""
# Those that wait since before the fourth parameter are strays.
WAITING = f"""
SELECT use_case, count(*) AS waiting, count(*) FILTER (scored_at < ?4) AS strays
FROM (SELECT unnest(score) FROM ({_WAITING}))
WHERE ?3::VARCHAR IS NULL OR use_case = ?3 GROUP BY use_case
"""
WAITING_LIST = f"""
SELECT * FROM (SELECT unnest(score) FROM ({_WAITING}))
WHERE ?3::VARCHAR IS NULL OR use_case = ?3 ORDER BY scored_at DESC, name LIMIT ?4
"""
COUNT_GIVEN = f"""
SELECT count(*) AS number FROM {{scores}}
WHERE workspace = ? AND trace_key = {WAITS} AND scored_at >= ?
"""
COUNT_WAITING = """
SELECT count(*) AS number FROM (
    SELECT 1 FROM {scores}
    WHERE workspace = ? AND scored_at >= ? AND span_id IS NOT NULL AND response_id IS NULL
    GROUP BY span_id, name, source, given_by, scored_at HAVING count(trace_id) = 0
)
"""

TRACES_OF_STEPS = """
SELECT DISTINCT span_id, trace_id FROM {spans}
WHERE workspace = ?1 AND span_id IN (SELECT unnest(?2::VARCHAR[])) AND started_at >= ?4
  AND (?5::VARCHAR[] IS NULL OR list_contains(?5, use_case))
LIMIT ?3
"""

# The part whose root came first is the last.
TRACES_KNOWN = f"""
SELECT trace_id, {_HEADS} FROM {{traces}}
WHERE workspace = ? AND trace_key IN (SELECT unnest(?::BIGINT[]))
GROUP BY trace_id, use_case ORDER BY min({PLACE}) DESC
"""

# A session is of the use case that its first trace is of.
SESSIONS_KNOWN = """
SELECT session_id, arg_min(use_case, first_at) AS use_case FROM {traces}
WHERE workspace = ? AND session_id IN (SELECT unnest(?::VARCHAR[])) AND run_id IS NULL
GROUP BY session_id
"""


def compared(sign: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """A condition on one score, and the values that are bound in it.

    An empty label stands for any score at all, and `!=` for what `=` must not find.
    """
    if sign not in ("=", "!="):
        return f"value {sign} ?", list(values)
    if values[0] == "":
        return "true", []
    numbers = [value for value in values if not isinstance(value, str)]
    by_number = " OR value = ?" if numbers else ""
    return f"(label = ?{by_number})", [values[0], *numbers]


def scored(condition: str, *, has: bool) -> str:
    """Whether a part of a trace has a score that meets a condition.

    A workspace and a name are bound first, and all of that twice: for scores of the part's use
    case, and for those that say none. Scores of whole sessions are of no trace, and have no key
    of one.
    """
    of_one = f"""workspace = ? AND name = ? AND trace_key >= 0 AND {condition}
        AND NOT ({_REPLACED})"""
    return f"""
    {"" if has else "NOT "}({PART} IN (
        SELECT {PART} FROM {{scores}} AS scores WHERE {of_one} AND use_case IS NOT NULL
    ) OR trace_key IN (
        SELECT trace_key FROM {{scores}} AS scores WHERE {of_one} AND use_case IS NULL
    ))"""
