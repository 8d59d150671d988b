"""Listing, counting and charting traces, over their roll-ups in the lake."""

from collections.abc import Sequence
from typing import Any, Literal

from lineside.traces.filters import ATTRIBUTE, OF_PAYERS
from lineside.traces.queries import OF_PART, PART, PLACE, first_of

_OF_FIRST = (
    "trace_id",
    "head_id",
    "head_at",
    "name",
    "use_case",
    "service",
    "release",
    "arm",
    "session_id",
    "user_id",
    "run_id",
    "status",
    "input",
)
_FIRST = ",\n    ".join(f"{first_of(column)} AS {column}" for column in _OF_FIRST)
# A part of a trace whose steps came in several batches has a row for each; together they are it.
WHOLE = f"""
    {_FIRST},
    coalesce(
        arg_min(output, {PLACE}) FILTER (has_root), arg_max(output, epoch_us(head_at))
    ) AS output,
    min(first_at) AS started_at,
    CASE WHEN bool_or(has_root) THEN arg_min(duration_ms, {PLACE})
         ELSE max(duration_ms) END AS duration_ms,
    bool_or(has_root) AS has_root,
    sum(steps)::BIGINT AS steps,
    sum(errors)::BIGINT AS errors,
    sum(tokens_in)::BIGINT AS tokens_in,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(cost_usd) AS cost_usd,
    sum(priced) / greatest(1, sum(paid)) AS cost_known,
    list_distinct(flatten(list(models))) AS models,
    list_distinct(flatten(list(tools))) AS tools,
    list_distinct(flatten(list(agents))) AS agents,
    list_distinct(flatten(list(tags))) AS tags
"""

_COLUMNS = {
    "use_case": "use_case",
    "release": "release",
    "arm": "arm",
    "service": "service",
    "session": "session_id",
    "user": "user_id",
    "name": "name",
    "run": "run_id",
    "trace": "trace_id",
    "status": "status",
}
_LISTS = {"model": "models", "tool": "tools", "agent": "agents"}
_SUMS = ("tokens_in", "tokens_out", "cost_usd", "steps", "errors")
_NUMBERS = {"latency_ms": "duration_ms"} | {name: name for name in _SUMS}
# Twice as quick as ILIKE and as lower(), measured on a million messages.
_CONTAINS = "regexp_matches({}, regexp_escape(?::VARCHAR), 'i')"

PART_BY_ID = "hash(trace_id, use_case)"
"""A number for the part that a row or a step is of, where steps have to be looked at."""

Bound = tuple[str, list[Any]]
"""A piece of SQL with the values that are bound in it."""

Named = Literal["all", "some", ""]


def row_condition(field: str, sign: str, values: Sequence[Any]) -> Bound | None:
    """What at least one row of a trace must fulfil if the trace does; nothing where rows say none.

    It may let traces through that `trace_condition` refuses, and never the other way round.
    """
    if field == "latency_ms" and sign in (">", ">=", "="):
        return f"duration_ms {sign} ?", list(values)
    if field == "errors" and sign in (">", ">=") and values[0] >= 1:
        return "errors > 0", []
    if sign == "!=" or (field not in _COLUMNS and field not in _LISTS):
        return None
    return _stands(field, sign, values)


def trace_condition(field: str, sign: str, values: Sequence[Any]) -> Bound:
    """What the trace as a whole must fulfil."""
    if field in _NUMBERS:
        return f"{_NUMBERS[field]} {sign} ?", list(values)
    if sign != "!=":
        return _stands(field, sign, values)
    condition, bound = _stands(field, "=", values)
    return f"NOT coalesce({condition}, false)", bound


def attribute_condition(name: str, sign: str, values: Sequence[Any]) -> Bound:
    """What some step of a part of a trace was sent with.

    A workspace and two moments are bound before it.
    """
    value, bound = attribute_value(name)
    compared = _CONTAINS.format(value) if sign == "~" else f"{value} = ?"
    return (
        f"""
    {PART_BY_ID} {"NOT IN" if sign == "!=" else "IN"} (
        SELECT {PART_BY_ID} FROM {{spans}}
        WHERE workspace = ? AND started_at >= ? AND started_at <= ? AND {compared}
    )""",
        [*bound, values[0]],
    )


def attribute_value(name: str) -> Bound:
    """An attribute of a step as text: of the step itself, of its resource, or of our own steps."""
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    if ATTRIBUTE + name in OF_PAYERS.values():  # whatever others say of themselves
        return "json_extract_string(attributes, ?)", [pointer]
    sql = (
        "coalesce(json_extract_string(raw, ?), json_extract_string(raw, ?), "
        "json_extract_string(attributes, ?))"
    )
    return sql, [f"/attributes{pointer}", f"/resource{pointer}", pointer]


def column_of(field: str) -> str:
    """Where a field that traces are split by stands in their rows."""
    return _COLUMNS[field]


def _stands(field: str, sign: str, values: Sequence[Any]) -> Bound:
    if list(values) == [""] and sign == "=":
        column = f"nullif(len({_LISTS[field]}), 0)" if field in _LISTS else _COLUMNS[field]
        return f"({column} IS NULL)", []
    if field == "use_case" and list(values) == ["unclaimed"]:
        return "(use_case IS NULL)", []
    marks = ", ".join("?" * len(values))
    if field in _LISTS:
        column = _LISTS[field]
        if sign == "~":
            return _CONTAINS.format(f"array_to_string({column}, ' ')"), [values[0]]
        return f"list_has_any({column}, [{marks}]::VARCHAR[])", list(values)
    column = _COLUMNS[field]
    if sign == "~":
        return _CONTAINS.format(column), [values[0]]
    return f"{column} IN ({marks})", list(values)


def within(runs: bool, *, since: bool = True, until: bool = True) -> str:
    """The rows of a workspace between two moments; test runs only where they are asked for.

    Args:
        since: Whether there is a first moment, `until` a last one. To hold every row against a
            bound that none of them passes takes as long as to read one of its columns.
    """
    bounds = (" AND first_at >= ?" if since else "") + (" AND first_at <= ?" if until else "")
    others = "" if runs else " AND run_id IS NULL"
    return f"workspace = ?{bounds}{others}"


def candidates_query(traces: Sequence[str], *, runs: bool) -> str:
    """The newest rows that meet what a trace must meet as a whole.

    Nearly all traces are one row; `parts_query` finds the others.
    Parameters: bounds, the values of the conditions, the limit.
    """
    wanted = "".join(f" AND {condition}" for condition in traces)
    return f"""
SELECT trace_key, first_at, last_at FROM {{traces}} WHERE {within(runs)}{wanted}
ORDER BY first_at DESC LIMIT ?
"""


def parts_query(rows: Sequence[str] | None, *, runs: bool) -> str:
    """The newest rows of what came in later batches of traces that may be wanted.

    Of a trace whose steps came in several batches, some row that came later meets what a row must,
    or the first one meets it all. Parameters: bounds, the values of the conditions, the limit.

    Args:
        rows: What at least one row of such a trace meets, or nothing if that cannot be told.
    """
    some_row = f" AND ({' OR '.join(rows)})" if rows else ""
    # As a comparison, it is held against what is known of a part of the lake before that is read.
    return f"""
SELECT trace_key, first_at, last_at FROM {{traces}}
WHERE {within(runs)} AND is_more > false{some_row}
ORDER BY first_at DESC LIMIT ?
"""


def page_query(traces: Sequence[str], *, runs: bool, few: bool = False) -> str:
    """Those of some traces that began in a stretch of time, newest first, from a cursor on.

    Parameters: bounds of the rows, the keys; bounds of the page with the cursor, the conditions
    on the whole trace, the limit.
    """
    # DuckDB looks for few keys while it reads, and unpacks nothing else of where none of them is.
    among = (
        "list_contains(?::BIGINT[], trace_key)"
        if few
        else "trace_key IN (SELECT unnest(?::BIGINT[]))"
    )
    wanted = "".join(f" AND {condition}" for condition in traces)
    return f"""
WITH whole AS (
    SELECT trace_key, {WHOLE}, count(*) OVER (PARTITION BY trace_key) > 1 AS is_parted
    FROM {{traces}} WHERE {within(runs)} AND {among}
    GROUP BY {OF_PART}
)
SELECT * FROM whole
WHERE started_at >= ? AND (started_at < ? OR (started_at = ? AND trace_id < ?)){wanted}
ORDER BY started_at DESC, trace_id DESC LIMIT ?
"""


ARRIVED = """
SELECT trace_key, min(first_at) AS first_at, max(last_at) AS last_at FROM (
    SELECT trace_key, first_at, last_at FROM lake.traces
    WHERE workspace = ? AND snapshot_id > ? AND snapshot_id <= ?
    UNION ALL SELECT trace_key, first_at, last_at FROM {traces.waiting} WHERE workspace = ?
) GROUP BY trace_key ORDER BY max(last_at) DESC LIMIT ?
"""

SNAPSHOT = "SELECT id FROM ducklake_current_snapshot('lake')"

IDS = """
SELECT DISTINCT trace_id FROM {traces} WHERE workspace = ? AND starts_with(trace_id, ?) LIMIT 2
"""

STEPS_OF = """
SELECT * FROM {spans}
WHERE workspace = ? AND started_at >= ? AND started_at <= ?
  AND trace_id IN (SELECT unnest(?::VARCHAR[]))
ORDER BY trace_id, started_at, span_id
"""

STEPS_AFTER = """
SELECT * FROM {spans}
WHERE workspace = ? AND started_at >= ? AND started_at <= ? AND trace_id = ?
  AND (started_at > ? OR (started_at = ? AND span_id > ?))
ORDER BY started_at, span_id LIMIT ?
"""


SET_APART = f" AND {PART} IN (SELECT part FROM set_apart)"
"""Of a reader that has set traces apart, only those; see `streamed.set_apart`."""


def extent_query(wanted: str) -> str:
    """When the first and the last of some traces began."""
    return f"""
SELECT min(first_at) AS first_at, max(first_at) AS last_at FROM {{traces}} WHERE {wanted}
"""


_FIGURES = """
    quantile_cont(duration_ms, [0.5, 0.95, 0.99]) AS latency_ms,
    quantile_cont(first_chunk_ms, 0.5) AS first_chunk_ms_p50,
    sum(traces)::BIGINT AS count,
    count(*) FILTER (status = 'error') AS errors,
    sum(first_chunks)::BIGINT AS first_chunks, sum(counted)::BIGINT AS counted,
    sum(tokens_in)::BIGINT AS tokens_in, sum(tokens_out)::BIGINT AS tokens_out,
    sum(cost_usd) AS cost_usd, sum(priced)::BIGINT AS priced, sum(paid)::BIGINT AS calls
"""
ADDED = ("paid", "tokens_in", "tokens_out", "counted", "first_chunks", "cost_usd", "priced")
OTHERS = "All others"


def figures_query(
    rows: str, *, bucketed: bool, named: Named, only: Literal["", "names"] = ""
) -> str:
    """Figures of rows such as `rows_of` gives, by their name.

    Parameters: the width of a bucket in microseconds where they are bucketed; the names that stand
    for themselves where some do; those of the rows.

    Args:
        named: Which names stand for themselves; the rest is one, and with none of them all are.
        only: The names alone, the most frequent first.
    """
    place = "epoch_us(first_at) // ? AS bucket, " if bucketed else ""
    groups = "bucket, label" if bucketed else "label"
    order = groups if bucketed else "sum(traces) DESC, label"
    figures = "" if only else f", {_FIGURES}"
    return f"""
SELECT * RENAME (label AS name) FROM (
    SELECT {place}{label_of(named)} AS label{figures} FROM ({rows}) GROUP BY {groups}
    HAVING sum(traces) > 0 ORDER BY {order}
)
"""


def label_of(named: Named) -> str:
    """What a row is counted under; its parameter are the names, where some stand for themselves."""
    return {
        "all": "name",
        "some": "CASE WHEN coalesce(name, '') IN (SELECT unnest(?::VARCHAR[])) "
        f"THEN name ELSE '{OTHERS}' END",
        "": "NULL::VARCHAR",
    }[named]


def said_query(by: str) -> Bound:
    """Keep what the first step of each part that has an attribute says; for this reader alone.

    It is read once, as nothing takes longer than to look into the attributes of every step.
    Workspace and bounds are bound after it.
    """
    value, bound = attribute_value(by.removeprefix(ATTRIBUTE))
    return (
        f"""
CREATE OR REPLACE TEMP TABLE said_of AS
SELECT part, arg_min(said, started_at) AS said
FROM (SELECT {PART_BY_ID} AS part, started_at, {value} AS said FROM {{spans}}
      WHERE workspace = ? AND started_at >= ? AND started_at <= ?)
WHERE said IS NOT NULL GROUP BY part
""",
        bound,
    )


def named_as_said(traces: str) -> str:
    """Rows of traces, named by `PART_BY_ID`, with what `said_query` kept as their name instead."""
    return f"""
    SELECT of_traces.* EXCLUDE (name), said AS name
    FROM ({traces}) AS of_traces LEFT JOIN said_of ON name = said_of.part
"""


def rows_of(by: str, wanted: str) -> str:
    """Rows that figures are made of: of traces; by model, of their single calls.

    Parameters: those of `wanted`, again except by model.

    Args:
        by: A field of traces; or an attribute, by which the first step that was sent with it
            counts, as `said_query` has kept it.
    """
    if by == "model":
        return _calls(wanted)
    if by.startswith(ATTRIBUTE):
        return named_as_said(_traces(PART_BY_ID, wanted))
    return _traces(_COLUMNS[by], wanted)


def _traces(column: str, wanted: str) -> str:
    """Each trace once, and what later batches add to it.

    Nearly all traces are one row with their root. The others are put together by their key: what
    came later than such a row only adds to it, without a status and a latency; the rest has a first
    row of its own.
    """
    added = ", ".join(ADDED)
    summed = ", ".join(f"sum({name}) AS {name}" for name in ADDED)
    return f"""
    SELECT first_at, {column} AS name, status, duration_ms, 1 AS traces, {added},
        NULL::DOUBLE AS first_chunk_ms
    FROM {{traces}} WHERE {wanted} AND has_root AND NOT is_more
    UNION ALL
    SELECT min(first_at), {first_of(column)},
        CASE WHEN bool_or(NOT is_more) THEN arg_min(status, {PLACE}) END,
        CASE WHEN NOT bool_or(NOT is_more) THEN NULL
             WHEN bool_or(has_root) THEN arg_min(duration_ms, {PLACE})
             ELSE max(duration_ms) END,
        bool_or(NOT is_more)::INT, {summed}, NULL
    FROM {{traces}} WHERE {wanted} AND (is_more OR NOT has_root) GROUP BY {OF_PART}
"""


def _calls(wanted: str) -> str:
    return f"""
    SELECT first_at, model AS name, status, duration_ms, 1 AS traces, 1 AS paid,
        tokens_in, tokens_out, (tokens_in IS NOT NULL)::INT AS counted,
        (first_chunk_ms IS NOT NULL)::INT AS first_chunks, cost_usd,
        (cost_usd IS NOT NULL)::INT AS priced, first_chunk_ms
    FROM {{model_calls}} WHERE {wanted}
"""


def tagged(sign: str, text: str, *, has: bool) -> Bound:
    """Whether a part of a trace was sent with a tag; an empty one stands for any at all.

    A workspace is bound before.
    """
    met, bound = "list_contains(list_transform(tags, lambda one: lower(one)), lower(?))", [text]
    if not text:
        met, bound = "len(tags) > 0", []
    elif sign == "~":
        met = _CONTAINS.format("array_to_string(tags, chr(10))")
    sent = f"SELECT {PART} FROM {{traces}} WHERE workspace = ? AND {met}"
    return f"{'' if has else 'NOT '}({PART} IN ({sent}))", bound


TAGS_OF_TRACE = """
SELECT use_case, tags FROM {traces}
WHERE workspace = ? AND trace_key = ? AND trace_id = ? AND len(tags) > 0 LIMIT 1000
"""
