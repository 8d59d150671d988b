"""Spans in the lake, feedback in the records."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lineside.store import Document, LakeTable, Moment, metadata

SPANS = LakeTable(
    "spans",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "release": "VARCHAR",
        "arm": "VARCHAR",
        "session_id": "VARCHAR",
        "user_id": "VARCHAR",
        "run_id": "VARCHAR",
        "case_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "parent_span_id": "VARCHAR",
        "name": "VARCHAR",
        "kind": "VARCHAR",
        "status": "VARCHAR",
        "error": "VARCHAR",
        "started_at": "TIMESTAMP",
        "duration_ms": "DOUBLE",
        "service": "VARCHAR",
        "provider": "VARCHAR",
        "model": "VARCHAR",
        "model_asked": "VARCHAR",
        "agent_name": "VARCHAR",
        "tool_name": "VARCHAR",
        "messages_in": "VARCHAR",
        "messages_out": "VARCHAR",
        "tokens_in": "BIGINT",
        "tokens_out": "BIGINT",
        "tokens_cached_in": "BIGINT",
        "tokens_cache_written_in": "BIGINT",
        "tokens_reasoning_out": "BIGINT",
        "first_chunk_ms": "DOUBLE",
        "cost_usd": "DOUBLE",
        "input": "VARCHAR",
        "output": "VARCHAR",
        "attributes": "VARCHAR",
        "raw": "VARCHAR",
        "mapping": "BIGINT",
    },
)

# A row on its way from inbox to lake is seen twice; one per span is kept.
_ONCE = "QUALIFY row_number() OVER (PARTITION BY trace_id, span_id) = 1"
_IS_CALL = "kind = 'app' AND parent_span_id IS NULL AND run_id IS NULL"

TRACE = f"""
SELECT * FROM {{rows}} WHERE workspace = ? AND trace_id = ?
{_ONCE} ORDER BY started_at, span_id
"""

LATEST_CALLS = f"""
SELECT * FROM {{rows}}
WHERE workspace = ? AND (?::VARCHAR IS NULL OR use_case = ?)
  AND (?::VARCHAR IS NULL OR release = ?) AND {_IS_CALL}
{_ONCE} ORDER BY started_at DESC LIMIT ?
"""

TRAFFIC = f"""
WITH calls AS (
    SELECT use_case, release, arm, status, duration_ms, cost_usd, attributes FROM {{rows}}
    WHERE workspace = ? AND (?::VARCHAR IS NULL OR use_case = ?) AND started_at >= ?
      AND {_IS_CALL} {_ONCE}
)
SELECT use_case, release, arm, count(*) AS calls,
       count(*) FILTER (status = 'error') AS errors,
       count(*) FILTER (attributes LIKE '%"hand_off":true%') AS handed_off,
       quantile_cont(duration_ms, 0.5) AS latency_ms_p50,
       quantile_cont(duration_ms, 0.95) AS latency_ms_p95,
       sum(cost_usd) AS cost_usd,
       count(cost_usd) / count(*) AS cost_known
FROM calls GROUP BY ALL ORDER BY use_case, calls DESC
"""

# Listing and searching traces. What the list needs is narrow; texts are read for one page only.

_STEP = """trace_id, span_id, parent_span_id, name, kind, status, error, started_at, duration_ms,
    use_case, release, arm, session_id, user_id, run_id, service, model, agent_name, tool_name,
    tokens_in, tokens_out, cost_usd"""
# The root comes first, whenever it began; where it is missing, the earliest step stands for it.
_PLACE = "epoch_us(started_at) + CASE WHEN parent_span_id IS NULL THEN 0 ELSE 10 ** 17 END"
_PAID = "kind IN ('model', 'embedding', 'reranker')"
_TRACE_ROW = f"""
    trace_id,
    arg_min(span_id, place) AS head_id,
    arg_min(started_at, place) AS head_at,
    arg_min(name, place) AS name,
    arg_min(use_case, place) AS use_case,
    arg_min(service, place) AS service,
    arg_min(release, place) AS release,
    arg_min(arm, place) AS arm,
    arg_min(session_id, place) AS session_id,
    arg_min(user_id, place) AS user_id,
    arg_min(run_id, place) AS run_id,
    arg_min(status, place) AS status,
    min(started_at) AS started_at,
    CASE WHEN bool_or(parent_span_id IS NULL) THEN arg_min(duration_ms, place)
         ELSE max(duration_ms) END AS duration_ms,
    bool_or(parent_span_id IS NULL) AS has_root,
    count(*) AS steps,
    count(*) FILTER (status = 'error') AS errors,
    sum(tokens_in) FILTER ({_PAID})::BIGINT AS tokens_in,
    sum(tokens_out) FILTER ({_PAID})::BIGINT AS tokens_out,
    CASE WHEN bool_or({_PAID}) THEN sum(cost_usd) FILTER ({_PAID})
         ELSE arg_min(cost_usd, place) END AS cost_usd,
    CASE WHEN bool_or({_PAID}) THEN count(cost_usd) FILTER ({_PAID}) / count(*) FILTER ({_PAID})
         ELSE (arg_min(cost_usd, place) IS NOT NULL)::INT END AS cost_known,
    list(DISTINCT model ORDER BY model) FILTER (model IS NOT NULL) AS models,
    list(DISTINCT tool_name) FILTER (tool_name IS NOT NULL) AS tools,
    list(DISTINCT agent_name) FILTER (agent_name IS NOT NULL) AS agents
"""
_SEEN = "WITH seen AS NOT MATERIALIZED (SELECT * FROM {rows})"
_TEXTS = ("input", "output", "messages_in", "messages_out")
_TYPED = ("model", "tool", "agent", "text", "errors")

_ROW_COLUMNS = {
    "use_case": "use_case",
    "release": "release",
    "arm": "arm",
    "service": "service",
    "session": "session_id",
    "user": "user_id",
    "model": "model",
    "name": "name",
    "tool": "tool_name",
    "agent": "agent_name",
    "run": "run_id",
    "trace": "trace_id",
    "status": "status",
}
_LIST_COLUMNS = {"model": "models", "tool": "tools", "agent": "agents"}
_TRACE_COLUMNS = {**_ROW_COLUMNS, **_LIST_COLUMNS, "latency_ms": "duration_ms"}
# Twice as quick as ILIKE and as lower(), measured on a million messages.
_CONTAINS = "regexp_matches({}, regexp_escape(?::VARCHAR), 'i')"

Bound = tuple[str, list[Any]]
"""A piece of SQL with the values that are bound in it."""


def is_met_by_any_step(field: str) -> bool:
    """Whether what the field says stands with some step, and not with the first one as well."""
    return field in _TYPED


def row_condition(field: str, sign: str, values: Sequence[Any]) -> Bound | None:
    """What at least one step must fulfil if the trace does; nothing where steps say nothing.

    It may let traces through that `trace_condition` refuses, and never the other way round.
    """
    if field == "text":
        # Texts stand in the lake as JSON, and so must what is looked for.
        needle = json.dumps(str(values[0]), ensure_ascii=False)[1:-1]
        text = " OR ".join(_CONTAINS.format(column) for column in _TEXTS)
        return f"({text})", [needle] * len(_TEXTS)
    if field == "latency_ms" and sign in (">", ">=", "="):
        return f"duration_ms {sign} ?", list(values)
    if field == "errors" and sign in (">", ">=") and values[0] >= 1:
        return "status = 'error'", []
    column = _ROW_COLUMNS.get(field)
    if column is None or sign == "!=":
        return None
    if field == "use_case" and list(values) == ["unclaimed"]:
        return "use_case IS NULL", []
    if sign == "~":
        return _CONTAINS.format(column), [values[0]]
    return f"{column} IN ({', '.join('?' * len(values))})", list(values)


def trace_condition(field: str, sign: str, values: Sequence[Any]) -> Bound | None:
    """What the trace as a whole must fulfil; nothing where the step's condition says it all."""
    if field == "text":
        return None
    column = _TRACE_COLUMNS.get(field, field)
    marks = ", ".join("?" * len(values))
    if field == "use_case" and list(values) == ["unclaimed"]:
        return f"use_case IS {'' if sign == '=' else 'NOT '}NULL", []
    if field in _LIST_COLUMNS:
        if sign == "~":
            return _CONTAINS.format(f"array_to_string({column}, ' ')"), [values[0]]
        has = f"coalesce(list_has_any({column}, [{marks}]::VARCHAR[]), false)"
        return (has if sign == "=" else f"NOT {has}"), list(values)
    if sign == "~":
        return _CONTAINS.format(column), [values[0]]
    if field in _ROW_COLUMNS:
        holds = f"coalesce({column} IN ({marks}), false)"
        return (holds if sign == "=" else f"NOT {holds}"), list(values)
    return f"{column} {sign} ?", list(values)


def _within(runs: bool) -> str:
    """The rows of a workspace between two moments; test runs only where they are asked for."""
    others = "" if runs else " AND run_id IS NULL"
    return f"workspace = ? AND started_at >= ? AND started_at <= ?{others}"


def depth_query(conditions: Sequence[str], *, runs: bool) -> str:
    """How far back the newest so many rows reach that meet all that one row can meet.

    Only the lake is asked: what waits in the inbox is new, and does not change how deep to look.
    """
    wanted = "".join(f" AND {condition}" for condition in conditions)
    return f"""
WITH newest AS (
    SELECT started_at FROM lake.{SPANS.name} WHERE {_within(runs)}{wanted}
    ORDER BY started_at DESC LIMIT ?
)
SELECT min(started_at) AS since, count(*) AS rows FROM newest
"""


def found_query(rows: Sequence[str], *, runs: bool) -> str:
    """Ids of the traces whose rows in a stretch of time may meet all conditions.

    Parameters: bounds, the conditions, and again the conditions where they are several.
    """
    any_row = f" AND ({' OR '.join(rows)})" if rows else ""
    every = " AND ".join(f"bool_or({row})" for row in rows) if len(rows) > 1 else ""
    return f"""
{_SEEN}
SELECT trace_id, min(started_at) AS first_at, max(started_at) AS last_at
FROM seen WHERE {_within(runs)}{any_row} GROUP BY trace_id {f"HAVING {every}" if every else ""}
"""


def page_query(traces: Sequence[str], *, runs: bool) -> str:
    """Those of some traces that began in a stretch of time, newest first, from a cursor on.

    Parameters: bounds of the steps, the ids; bounds of the page with the cursor, the conditions
    on the whole trace, the limit.
    """
    wanted = "".join(f" AND {condition}" for condition in traces)
    return f"""
{_SEEN}, steps AS (
    SELECT {_STEP}, {_PLACE} AS place FROM seen
    WHERE {_within(runs)} AND trace_id IN (SELECT unnest(?::VARCHAR[]))
    {_ONCE}
), traces AS (SELECT {_TRACE_ROW} FROM steps GROUP BY trace_id)
SELECT * FROM traces
WHERE started_at >= ? AND (started_at < ? OR (started_at = ? AND trace_id < ?)){wanted}
ORDER BY started_at DESC, trace_id DESC LIMIT ?
"""


def texts_query(columns: Sequence[str], count: int) -> str:
    """The start of some text columns of so many steps.

    Parameters: the workspace, the moments the steps began, their ids. The moments stand one by
    one: that lets DuckDB skip all row groups but theirs, which a list or a join does not.
    """
    marks = ", ".join("?" * count)
    starts = ", ".join(f"left({column}, {TEXT_CHARACTERS}) AS {column}" for column in columns)
    return f"""
{_SEEN}
SELECT trace_id, span_id, {starts} FROM seen
WHERE workspace = ? AND started_at IN ({marks}) AND span_id IN ({marks})
{_ONCE}
"""


TEXT_CHARACTERS = 20_000

IDS = f"""
{_SEEN}
SELECT DISTINCT trace_id FROM seen WHERE workspace = ? AND starts_with(trace_id, ?) LIMIT 2
"""

STEPS_OF = f"""
{_SEEN}
SELECT * FROM seen
WHERE workspace = ? AND started_at >= ? AND started_at <= ?
  AND trace_id IN (SELECT unnest(?::VARCHAR[]))
{_ONCE} ORDER BY trace_id, started_at, span_id
"""

GROUPS = ("use_case", "release", "model", "service", "arm")
_FIGURES = """
    count(*) AS count, count(*) FILTER (status = 'error') AS errors,
    quantile_cont(duration_ms, [0.5, 0.95, 0.99]) AS latency_ms,
    sum(tokens_in)::BIGINT AS tokens_in, sum(tokens_out)::BIGINT AS tokens_out,
    sum(cost_usd) AS cost_usd, coalesce(sum(cost_count) / nullif(sum(paid), 0), 0) AS cost_known
"""
# One of each step, as `_ONCE`, at half its price: a group for a hash of 64 bits of the two ids.
_COUNTED = f"""
    any_value(trace_id) AS trace_id, any_value(status) AS status,
    any_value(duration_ms) AS duration_ms, min({_PLACE}) AS place,
    any_value(parent_span_id) IS NULL AS is_root, any_value({_PAID}) AS is_paid,
    any_value(tokens_in) AS tokens_in, any_value(tokens_out) AS tokens_out,
    any_value(cost_usd) AS cost_usd
"""


def stats_query(by: str, *, runs: bool, chosen: bool) -> str:
    """Figures of traces by a field of theirs; by model, of their single steps.

    Parameters: bounds, and the ids of the traces where they were chosen.
    """
    if by not in GROUPS:
        raise AssertionError(f"traces are not counted by {by!r}")
    only = " AND trace_id IN (SELECT unnest(?::VARCHAR[]))" if chosen else ""
    paid = f" AND {_PAID}" if by == "model" else ""
    steps = f"""
{_SEEN}, steps AS (
    SELECT {_COUNTED}, any_value({by}) AS name FROM seen
    WHERE {_within(runs)}{only}{paid} GROUP BY hash(trace_id, span_id)
)"""
    if by == "model":
        return f"""{steps}, counted AS (
    SELECT *, 1 AS paid, (cost_usd IS NOT NULL)::INT AS cost_count FROM steps
)
SELECT name, {_FIGURES} FROM counted GROUP BY name ORDER BY count DESC, name
"""
    return f"""{steps}, traces AS (
    SELECT arg_min(name, place) AS name, arg_min(status, place) AS status,
        CASE WHEN bool_or(is_root) THEN arg_min(duration_ms, place)
             ELSE max(duration_ms) END AS duration_ms,
        sum(tokens_in) FILTER (is_paid) AS tokens_in,
        sum(tokens_out) FILTER (is_paid) AS tokens_out,
        CASE WHEN bool_or(is_paid) THEN sum(cost_usd) FILTER (is_paid)
             ELSE arg_min(cost_usd, place) END AS cost_usd,
        greatest(1, count(*) FILTER (is_paid)) AS paid,
        CASE WHEN bool_or(is_paid) THEN count(cost_usd) FILTER (is_paid)
             ELSE (arg_min(cost_usd, place) IS NOT NULL)::INT END AS cost_count
    FROM steps GROUP BY trace_id
)
SELECT name, {_FIGURES} FROM traces GROUP BY name ORDER BY count DESC, name
"""


feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("use_case", sa.Text),
    sa.Column("release", sa.Text),
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("thumb", sa.Text),
    sa.Column("correction", Document),
    sa.Column("comment", sa.Text),
    sa.Column("given_by", sa.Text, nullable=False),
    sa.Column("given_at", Moment, nullable=False),
)
sa.Index(None, feedback.c.workspace, feedback.c.use_case, feedback.c.id)


def insert_feedback(connection: sa.Connection, workspace: str, values: dict[str, Any]) -> None:
    connection.execute(feedback.insert().values(workspace=workspace, **values))


def latest_feedback(
    connection: sa.Connection,
    workspace: str,
    *,
    use_case: str | None,
    trace_id: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    columns = [column for column in feedback.c if column.name != "workspace"]
    query = sa.select(*columns).where(feedback.c.workspace == workspace)
    if use_case is not None:
        query = query.where(feedback.c.use_case == use_case)
    if trace_id is not None:
        query = query.where(feedback.c.trace_id == trace_id)
    rows = connection.execute(query.order_by(feedback.c.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]
