"""Spans in the lake, feedback in the records."""

from collections.abc import Sequence
from datetime import datetime
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
        "response_id": "VARCHAR",
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
        "cost_source": "VARCHAR",
        "input": "VARCHAR",
        "output": "VARCHAR",
        "tags": "VARCHAR[]",
        "attributes": "VARCHAR",
        "raw": "VARCHAR",
        "mapping": "BIGINT",
        "blobs": "VARCHAR[]",
        "named": "VARCHAR",
        "arrived_at": "TIMESTAMP",
    },
    sorted_by=("started_at",),
    found_by=("workspace", "run_id", "started_at"),
)
"""Steps. `named` is a use case that a step names and nobody knows; see `unclaimed`."""

TRACES = LakeTable(
    "traces",
    {
        "workspace": "VARCHAR",
        "trace_id": "VARCHAR",
        "trace_key": "BIGINT",
        "use_case": "VARCHAR",
        "release": "VARCHAR",
        "arm": "VARCHAR",
        "service": "VARCHAR",
        "session_id": "VARCHAR",
        "user_id": "VARCHAR",
        "run_id": "VARCHAR",
        "name": "VARCHAR",
        "status": "VARCHAR",
        "head_id": "VARCHAR",
        "head_at": "TIMESTAMP",
        "has_root": "BOOLEAN",
        "is_more": "BOOLEAN",
        "first_at": "TIMESTAMP",
        "last_at": "TIMESTAMP",
        "duration_ms": "DOUBLE",
        "steps": "BIGINT",
        "errors": "BIGINT",
        "paid": "BIGINT",
        "tokens_in": "BIGINT",
        "tokens_out": "BIGINT",
        "counted": "BIGINT",
        "first_chunks": "BIGINT",
        "cost_usd": "DOUBLE",
        "priced": "BIGINT",
        "models": "VARCHAR[]",
        "tools": "VARCHAR[]",
        "agents": "VARCHAR[]",
        "tags": "VARCHAR[]",
        "input": "VARCHAR",
        "output": "VARCHAR",
        "named": "VARCHAR",
        "arrived_at": "TIMESTAMP",
        "clocks_off": "BIGINT",
    },
    sorted_by=("first_at",),
    found_by=(
        *("workspace", "run_id", "first_at", "last_at", "has_root", "is_more"),
        *("release", "session_id"),
    ),
)
"""What lists need of traces: one row for the steps of a trace that came together; see `rollup`."""

# The root stands for its trace, whenever it began; where it is missing, the earliest step does.
PLACE = "epoch_us(head_at) + CASE WHEN has_root THEN 0 ELSE 10 ** 17 END"
SERVED = "rel_"
"""What the id of a release of ours begins with."""

# Below the step of another program, whose release may be the version of that program, the step that
# we served says which release and which arm answered.
_SERVED_PLACE = f"{PLACE} - CASE WHEN starts_with(release, '{SERVED}') THEN 2 * 10 ** 17 ELSE 0 END"


def first_of(column: str) -> str:
    """What the rows of a trace say of it in a column."""
    place = _SERVED_PLACE if column in ("release", "arm") else PLACE
    return f"arg_min({column}, {place})"


# What one use case did in a trace is a trace of its own; see decisions/0015.
OF_PART = "trace_key, use_case"
PART = f"hash({OF_PART})"
"""A number for the part that a row is of, by which rows of other tables are found."""

_IS_CALL = "kind = 'app' AND parent_span_id IS NULL AND run_id IS NULL"

TRACE_BOUNDS = """
SELECT min(first_at) AS first_at, max(last_at) AS last_at FROM {traces}
WHERE workspace = ? AND trace_key = ?
"""
_OF_TRACE = (
    "FROM {spans} WHERE workspace = ? AND started_at >= ? AND started_at <= ? AND trace_id = ?"
)
_IN_ORDER = "ORDER BY started_at, span_id"
TRACE = f"SELECT * {_OF_TRACE} {_IN_ORDER}"
# One trace without its payloads, which are most of its bytes; then chosen steps whole.
TRACE_OUTLINE = f"""
SELECT span_id, parent_span_id, name, kind, status, left(error, 300) AS error, started_at,
    duration_ms, use_case, service, model, agent_name, tool_name, tokens_in, tokens_out, cost_usd
{_OF_TRACE} {_IN_ORDER}
"""
TRACE_PLACES = f"SELECT span_id, parent_span_id, use_case {_OF_TRACE}"
# DuckDB looks for ids in a list while it reads, and then unpacks no payload but theirs.
TRACE_STEPS = f"SELECT * {_OF_TRACE} AND list_contains(?::VARCHAR[], span_id) {_IN_ORDER}"
TRACE_DIGESTS = f"""
SELECT span_id, use_case, hash(input, output, messages_in, messages_out) AS digest
{_OF_TRACE} {_IN_ORDER}
"""
TRACE_HINTS = f"""
SELECT span_id, use_case, raw {_OF_TRACE}
  AND regexp_matches(raw, 'graph.node|langgraph_node|handoff|from_agent') {_IN_ORDER} LIMIT ?
"""
KNOWN_TRACES = """
SELECT workspace, trace_id, use_case, min(first_at) AS first_at, max(last_at) AS last_at
FROM {traces}
WHERE last_at >= ? AND first_at < ? AND trace_key IN (SELECT unnest(?::BIGINT[]))
GROUP BY workspace, trace_id, use_case
"""
KNOWN_SPANS = """
SELECT workspace, trace_id, use_case, span_id, parent_span_id FROM {spans}
WHERE started_at >= ? AND started_at <= ?
  AND trace_id IN (SELECT unnest(?::VARCHAR[])) AND span_id IN (SELECT unnest(?::VARCHAR[]))
"""

LATEST_CALLS = f"""
SELECT * FROM {{spans}}
WHERE workspace = ? AND (?::VARCHAR IS NULL OR use_case = ?)
  AND (?::VARCHAR IS NULL OR release = ?) AND {_IS_CALL}
ORDER BY started_at DESC LIMIT ?
"""

_KEPT_LIVE = """
    (attributes LIKE '%"kept_live":%'
     AND json_extract_string(attributes, '/kept_live') IS NOT NULL)
"""
_REFUSED = """
    (status = 'error' AND coalesce(attributes LIKE '%"refused":%', false)
     AND json_extract_string(attributes, '/refused') IS NOT NULL)
"""
"""Whether a call failed by what its caller sent or may, which says nothing of its release."""

TRAFFIC = f"""
WITH calls AS (
    SELECT use_case, release, arm, status, duration_ms, cost_usd, attributes,
        {_REFUSED} AS refused
    FROM {{spans}}
    WHERE workspace = ? AND (?::VARCHAR IS NULL OR use_case = ?) AND started_at >= ?
      AND {_IS_CALL}
)
SELECT use_case, release, arm, count(*) AS calls,
       count(*) FILTER (status = 'error' AND NOT refused) AS errors,
       count(*) FILTER (refused) AS refused,
       count(*) FILTER (attributes LIKE '%"hand_off":true%') AS handed_off,
       quantile_cont(duration_ms, 0.5) AS latency_ms_p50,
       quantile_cont(duration_ms, 0.95) AS latency_ms_p95,
       sum(cost_usd) AS cost_usd,
       count(cost_usd) / count(*) AS cost_known
FROM calls GROUP BY ALL ORDER BY use_case, calls DESC
"""

UNIT_SUMS = """
    count(*) AS units, sum(n)::BIGINT AS count, sum(s) AS total, sum(s * s) AS squares,
    sum(s * n) AS cross, sum(n * n)::DOUBLE AS counts
"""
"""What tells the spread between units, each with `n` values that come to `s`."""


def _arm_calls(arm: str, callers: str, served: str) -> str:
    """Calls that some arms answered; one below a step of the caller's own trace is as any other."""
    return f"""
WITH arrived AS (
    SELECT release, {arm} AS arm, coalesce({callers}, trace_id) AS caller, status, duration_ms,
        cost_usd, trace_id, {_REFUSED} AS refused
    FROM {{spans}}
    WHERE workspace = ? AND use_case = ? AND started_at >= ? AND kind = 'app' AND run_id IS NULL
      AND {served}
      AND (NOT ?::BOOLEAN OR json_extract_string(attributes, '/audience') = 'true')
      AND NOT coalesce({_KEPT_LIVE}, false)
), calls AS (SELECT * FROM arrived WHERE NOT refused)
"""


_OF_RELEASES = _arm_calls(
    "NULL::VARCHAR",
    "session_id, user_id",
    "arm IN ('live', 'canary') AND release IN (SELECT unnest(?::VARCHAR[]))",
)
# An experiment gives a user one arm, whatever the session, so that users are its units.
_OF_NAMED = _arm_calls("arm", "user_id, session_id", "arm IN (SELECT unnest(?::VARCHAR[]))")

_SUMS = f"""
, measured AS (
    SELECT release, arm, caller, 'error_rate' AS measure, (status = 'error')::DOUBLE AS value
    FROM calls
    UNION ALL
    SELECT release, arm, caller, 'latency', ln(greatest(duration_ms, 0.1)) FROM calls
    UNION ALL
    SELECT release, arm, caller, 'cost_usd', cost_usd FROM calls WHERE cost_usd IS NOT NULL
    UNION ALL
    SELECT release, arm, caller, 'over:' || printf('%g', ms), (duration_ms > ms)::DOUBLE
    FROM calls, (SELECT unnest(?::DOUBLE[]) AS ms)
    UNION ALL
    SELECT release, arm, caller, 'feedback', said.up
    FROM calls JOIN (SELECT unnest(?::VARCHAR[]) AS trace_id, unnest(?::DOUBLE[]) AS up) AS said
    USING (trace_id)
), units AS (
    SELECT release, arm, measure, caller, count(*) AS n, sum(value) AS s FROM measured GROUP BY ALL
)
SELECT release, arm, measure, {UNIT_SUMS} FROM units
GROUP BY release, arm, measure ORDER BY ALL
"""
ARM_SUMS = _OF_RELEASES + _SUMS
NAMED_ARM_SUMS = _OF_NAMED + _SUMS

_FIGURES = """
, turned_away AS (
    SELECT release, arm, count(*) AS refused FROM arrived WHERE refused GROUP BY release, arm
)
SELECT release, arm, count(*) AS calls, count(*) FILTER (status = 'error') AS errors,
    quantile_cont(duration_ms, 0.5) AS latency_ms_p50,
    quantile_cont(duration_ms, 0.95) AS latency_ms_p95, avg(cost_usd) AS cost_usd,
    count(DISTINCT caller) AS callers, coalesce(any_value(refused_calls), 0) AS refused
FROM (
    SELECT calls.*, turned_away.refused AS refused_calls FROM calls LEFT JOIN turned_away
    ON calls.release IS NOT DISTINCT FROM turned_away.release
       AND calls.arm IS NOT DISTINCT FROM turned_away.arm
)
GROUP BY release, arm ORDER BY release, arm
"""
ARM_FIGURES = _OF_RELEASES + _FIGURES
NAMED_ARM_FIGURES = _OF_NAMED + _FIGURES

MODEL_CALLS = LakeTable(
    "model_calls",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "release": "VARCHAR",
        "arm": "VARCHAR",
        "service": "VARCHAR",
        "run_id": "VARCHAR",
        "trace_key": "BIGINT",
        "kind": "VARCHAR",
        "provider": "VARCHAR",
        "model": "VARCHAR",
        "status": "VARCHAR",
        "first_at": "TIMESTAMP",
        "duration_ms": "DOUBLE",
        "first_chunk_ms": "DOUBLE",
        "tokens_in": "BIGINT",
        "tokens_out": "BIGINT",
        "cost_usd": "DOUBLE",
        "named": "VARCHAR",
    },
    sorted_by=("first_at",),
    found_by=("workspace", "run_id", "first_at", "release"),
)
"""The narrow part of the steps that cost tokens, so that charts by model read little."""

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


def feedback_on(
    connection: sa.Connection, workspace: str, trace_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """What was said of these traces, in the order it was."""
    columns = [column for column in feedback.c if column.name != "workspace"]
    is_theirs = feedback.c.trace_id.in_(trace_ids)
    query = sa.select(*columns).where(feedback.c.workspace == workspace, is_theirs)
    return [dict(row._mapping) for row in connection.execute(query.order_by(feedback.c.id))]


def thumbs_since(
    connection: sa.Connection, workspace: str, use_case: str, *, since: datetime, limit: int
) -> dict[str, float]:
    """The last thumb that each answer got, 1 for up and 0 for down, by its trace."""
    query = sa.select(feedback.c.trace_id, feedback.c.thumb).where(
        feedback.c.workspace == workspace,
        feedback.c.use_case == use_case,
        feedback.c.thumb.is_not(None),
        feedback.c.given_at >= since,
    )
    rows = connection.execute(query.order_by(feedback.c.id.desc()).limit(limit)).all()
    return {trace_id: float(thumb == "up") for trace_id, thumb in reversed(rows)}


def count_feedback(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> int:
    return connection.execute(
        sa.select(sa.func.count()).where(
            feedback.c.workspace == workspace, feedback.c.trace_id.in_(trace_ids)
        )
    ).scalar_one()


def delete_feedback(connection: sa.Connection, workspace: str, trace_ids: Sequence[str]) -> int:
    return connection.execute(
        feedback.delete().where(
            feedback.c.workspace == workspace, feedback.c.trace_id.in_(trace_ids)
        )
    ).rowcount
