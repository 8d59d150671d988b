"""What a score comes to over many traces, each of which counts once."""

from lineside.traces.filters import ATTRIBUTE
from lineside.traces.queries import OF_PART, PART, first_of
from lineside.traces.scores.queries import ONE_OF_SEVERAL
from lineside.traces.search.queries import (
    OTHERS,
    PART_BY_ID,
    Named,
    column_of,
    label_of,
    named_as_said,
)

# A sender repeats what it is not sure of. Steps and judges may each say something of one trace: its
# number is their mean, its label the last that was given.
_SAID = f"""
said AS (
    SELECT part, avg(value) AS value, arg_max(label, scored_at) AS label
    FROM (
        SELECT heads.part, value, label, scored_at
        FROM {{scores}} AS scores
        JOIN (SELECT DISTINCT trace_key, use_case, part FROM heads) AS heads
          ON scores.trace_key = heads.trace_key
          AND coalesce(scores.use_case = heads.use_case, scores.use_case IS NULL)
        WHERE workspace = ? AND scores.name = ? AND scored_at >= ? AND scores.trace_key >= 0
        QUALIFY row_number() OVER (
            PARTITION BY heads.part, span_id, given_by, {ONE_OF_SEVERAL}
            ORDER BY scored_at DESC, value
        ) = 1
    ) GROUP BY part
)"""

NAMES = """
SELECT name FROM {scores} WHERE workspace = ? AND scored_at >= ? AND trace_key >= 0
GROUP BY name ORDER BY count(*) DESC, name LIMIT ?
"""


def scored_query(by: str, *, wanted: str, bucketed: bool, named: Named, labels_max: int) -> str:
    """How many traces there are, how many have the score, its mean, and the most frequent labels.

    Parameters: those of `wanted`, again except by model; workspace and name of the score, and since
    when it was given; the width of a bucket in microseconds where they are bucketed; the names that
    stand for themselves where some do.

    Args:
        named: Which names stand for themselves; the rest is one, and with none of them all are.
    """
    place = "epoch_us(first_at) // ?" if bucketed else "0"
    return f"""
WITH heads AS MATERIALIZED ({_heads(by, wanted)}), {_SAID}, found AS (
    SELECT {place} AS bucket, {label_of(named)} AS name, said.part IS NOT NULL AS is_scored,
        value, label
    FROM heads LEFT JOIN said ON heads.part = said.part
), common AS (
    SELECT label FROM found WHERE label IS NOT NULL
    GROUP BY label ORDER BY count(*) DESC, label LIMIT {labels_max}
)
SELECT bucket, name, count(*) AS traces, count(*) FILTER (is_scored) AS scored,
    count(value) AS valued, avg(value) AS mean,
    list(CASE WHEN label IN (SELECT label FROM common) THEN label ELSE '{OTHERS}' END)
        FILTER (label IS NOT NULL) AS labels
FROM found GROUP BY bucket, name ORDER BY bucket, traces DESC, name
"""


def _heads(by: str, wanted: str) -> str:
    """Every trace once, with when it began and its name; by model, once for each of its models."""
    if by == "model":
        return f"""
        SELECT {OF_PART}, {PART} AS part, min(first_at) AS first_at, model AS name
        FROM {{model_calls}} WHERE {wanted} GROUP BY {OF_PART}, model"""
    column = PART_BY_ID if by.startswith(ATTRIBUTE) else column_of(by)
    # As in `figures_query`: nearly all traces are one row with their root.
    traces = f"""
        SELECT {OF_PART}, {PART} AS part, first_at, {column} AS name
        FROM {{traces}} WHERE {wanted} AND has_root AND NOT is_more
        UNION ALL
        SELECT {OF_PART}, {PART}, min(first_at), {first_of(column)}
        FROM {{traces}} WHERE {wanted} AND (is_more OR NOT has_root)
        GROUP BY {OF_PART} HAVING bool_or(NOT is_more)"""
    return named_as_said(traces) if by.startswith(ATTRIBUTE) else traces
