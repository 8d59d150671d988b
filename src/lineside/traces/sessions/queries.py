"""Sessions and users out of the roll-ups of traces: who was seen last, sums, and one page each."""

from typing import Literal

from lineside.traces.queries import OF_PART, PART, PLACE
from lineside.traces.search.queries import WHOLE

Column = Literal["session_id", "user_id"]

_OF_PEOPLE = "workspace = ? AND run_id IS NULL AND (?::VARCHAR IS NULL OR use_case = ?)"


def newest_query(column: Column) -> str:
    """Whoever was seen between two moments, the latest first, from a cursor on.

    Parameters: the workspace, a use case twice, names of a user twice, two moments; the cursor's
    moment twice and its name; a limit.
    """
    return f"""
SELECT {column} AS name, max(first_at) AS seen_at FROM {{traces}}
WHERE {_OF_PEOPLE} AND {column} <> ''
  AND (?::VARCHAR[] IS NULL OR list_contains(?::VARCHAR[], user_id))
  AND first_at >= ? AND first_at <= ?
GROUP BY {column}
HAVING max(first_at) < ? OR (max(first_at) = ? AND {column} < ?)
ORDER BY seen_at DESC, {column} DESC LIMIT ?
"""


def sums_query(column: Column, names: int) -> str:
    """The traces of so many names added up, whichever batch of a trace says whose it is.

    Parameters: those of `_rows`, the names.
    """
    return f"WITH {_whole(column, names)} {_sums(names)}"


def session_query() -> str:
    """One session added up, beside keys of a page of its traces in order, from a cursor on.

    Both in one query, because to find the traces of a session is most of the work. Parameters:
    those of `_rows`, the name; again the name, the cursor's moment twice and its key, a limit.
    """
    return f"""
WITH {_whole("session_id", 1)}, totals AS ({_sums(1)}), page AS (
    SELECT trace_key AS page_key, {PART} AS page_part, first_at AS page_at, last_at AS page_end
    FROM whole
    WHERE name = ? AND (first_at > ? OR (first_at = ? AND trace_key > ?))
    ORDER BY page_at, page_key LIMIT ?
)
SELECT * FROM totals LEFT JOIN page ON true ORDER BY page_at, page_key
"""


def _whole(column: Column, names: int) -> str:
    return f"""{_rows(column, names)}, whole AS MATERIALIZED (
    SELECT {OF_PART}, arg_min({column}, {PLACE}) AS name,
        arg_min(status, {PLACE}) AS status,
        arg_min(user_id, {PLACE}) AS user_id,
        arg_min(session_id, {PLACE}) AS session_id,
        min(first_at) AS first_at, max(last_at) AS last_at,
        sum(steps) AS steps, sum(errors) AS failed_steps, sum(paid) AS paid,
        sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, sum(counted) AS counted,
        sum(cost_usd) AS cost_usd, sum(priced) AS priced
    FROM rows GROUP BY {OF_PART}
)"""


def _sums(names: int) -> str:
    return f"""
SELECT name, count(*) AS traces, count(*) FILTER (status = 'error') AS errors,
    sum(failed_steps)::BIGINT AS failed_steps, sum(steps)::BIGINT AS steps,
    sum(tokens_in)::BIGINT AS tokens_in, sum(tokens_out)::BIGINT AS tokens_out,
    sum(counted) / greatest(1, sum(paid)) AS tokens_known,
    sum(cost_usd) AS cost_usd, least(1, sum(priced) / greatest(1, sum(paid))) AS cost_known,
    min(first_at) AS first_at, max(last_at) AS last_at,
    arg_min(user_id, first_at) AS user_id, count(DISTINCT user_id) AS users,
    count(DISTINCT session_id) AS sessions
FROM whole WHERE name IN ({_marks(names)}) GROUP BY name
"""


# Without the id of the trace: to read that column would take as long as all the others.
_NARROW = """trace_key, use_case, session_id, user_id, status, head_at, has_root, first_at, last_at,
        steps, errors, paid, tokens_in, tokens_out, counted, cost_usd, priced"""


def _rows(column: Column, names: int) -> str:
    """Rows of the traces of so many names: those that say so, and what came beside those.

    Only a trace that came in several batches can have a row that does not repeat the name, and such
    a row has no root or is not the first: so few are looked at twice. Parameters: the workspace, a
    use case twice, the names, two moments; the workspace, two moments, the names, all of these four
    twice.
    """
    # As comparisons, both are held against what is known of a file before it is read.
    beside = "".join(
        f"""
    UNION ALL SELECT {_NARROW} FROM {{traces}}
    WHERE workspace = ? AND run_id IS NULL AND first_at >= ? AND first_at <= ?
      AND {parts} AND ({column} IS NULL OR {column} NOT IN ({_marks(names)}))
      AND {PART} IN (SELECT {PART} FROM mine)"""
        for parts in ("is_more > false", "is_more = false AND has_root < true")
    )
    return f"""mine AS MATERIALIZED (
    SELECT {_NARROW} FROM {{traces}}
    WHERE {_OF_PEOPLE} AND {column} IN ({_marks(names)}) AND first_at >= ? AND first_at <= ?
), rows AS (
    FROM mine{beside}
)"""


def _marks(names: int) -> str:
    # A list of parameters and not an array, which DuckDB would join instead of skipping by it.
    return ", ".join("?" * names)


TRACES_OF_PAGE = f"""
SELECT {WHOLE} FROM {{traces}}
WHERE workspace = ? AND run_id IS NULL AND first_at >= ? AND first_at <= ?
  AND trace_key IN (SELECT unnest(?::BIGINT[]))
  AND {PART} IN (SELECT unnest(?::UBIGINT[]))
GROUP BY {OF_PART} ORDER BY started_at, trace_key
"""
