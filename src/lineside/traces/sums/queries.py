"""Sums of traces by the hour and by the half day: made by upkeep, read by figures over time."""

from typing import Literal, NamedTuple

from lineside.store import LakeTable
from lineside.traces.queries import MODEL_CALLS as MODEL_CALLS
from lineside.traces.queries import TRACES as TRACES

FIELDS = ("use_case", "release", "arm", "service", "status")
"""What sums are kept apart by; those of calls also by their model."""

ADDED = (
    *("count", "errors", "paid", "tokens_in", "tokens_out", "counted", "first_chunks"),
    *("cost_usd", "priced"),
)

TRACE_SUMS = LakeTable(
    "trace_sums",
    {
        "workspace": "VARCHAR",
        "what": "VARCHAR",
        "hours": "BIGINT",
        "start": "TIMESTAMP",
        **dict.fromkeys((*FIELDS, "model"), "VARCHAR"),
        "first_at": "TIMESTAMP",
        "last_at": "TIMESTAMP",
        **dict.fromkeys(ADDED, "BIGINT"),
        "cost_usd": "DOUBLE",
        "slots": "SMALLINT[]",
        "times": "INTEGER[]",
        "first_slots": "SMALLINT[]",
        "first_times": "INTEGER[]",
        "upto": "BIGINT",
    },
    sorted_by=("hours", "what", "start"),
    found_by=("workspace", "hours", "what", "start"),
    is_derived=True,
)
"""What the traces, or the calls, that began in some hours come to.

`slots` and `times` are a histogram of latency: how often it fell into which slot, each 2 % wide.
Several rows of one hour add up. A row of no hours says in `upto` up to which state of the lake the
rows of traces are in.
"""

GROWTH = 1.02
"""From one slot of a histogram to the next: what stands for all in a slot is within 1 % of each."""

_LEAST_MS = 1e-6
_SLOT_OF_NOTHING = -1_000


def slot_of(column: str) -> str:
    """The slot that a number of milliseconds falls into; nothing where there is none."""
    return (
        f"CASE WHEN {column} IS NULL THEN NULL WHEN {column} < {_LEAST_MS} THEN {_SLOT_OF_NOTHING} "
        f"ELSE ceil(ln({column}) / ln({GROWTH}))::BIGINT END"
    )


def ms_of(slot: str) -> str:
    """What stands for all numbers of milliseconds in a slot."""
    return (
        f"CASE WHEN {slot} = {_SLOT_OF_NOTHING} THEN 0.0 "
        f"ELSE 2 * pow({GROWTH}, {slot}) / {1 + GROWTH} END"
    )


# Traces that are one row with their root; the others are put together whenever figures are read.
_SIMPLE = "run_id IS NULL AND has_root AND NOT is_more"
_TRACE_COLUMNS = """
    first_at, duration_ms, NULL::DOUBLE AS first_chunk_ms, NULL::VARCHAR AS model,
    1 AS count, paid, tokens_in, tokens_out, counted, first_chunks, cost_usd, priced
"""
_CALL_COLUMNS = """
    first_at, duration_ms, first_chunk_ms, model,
    1 AS count, 1 AS paid, tokens_in, tokens_out, (tokens_in IS NOT NULL)::INT AS counted,
    (first_chunk_ms IS NOT NULL)::INT AS first_chunks, cost_usd,
    (cost_usd IS NOT NULL)::INT AS priced
"""
_FIELDS = ", ".join(FIELDS)


class RowsToSum(NamedTuple):
    """Rows that are summed up: of which table, what they come to, and which of them."""

    table: str
    columns: str
    condition: str


SOURCES = {
    "traces": RowsToSum(TRACES.name, _TRACE_COLUMNS, _SIMPLE),
    "calls": RowsToSum(MODEL_CALLS.name, _CALL_COLUMNS, "run_id IS NULL"),
}

EMPTY = f"DELETE FROM lake.{TRACE_SUMS.name}"
"""For whoever changes rows that are summed up; upkeep makes the sums again."""

# Each time sums are made, a row of no hours says up to where, and how many rows are in none: those
# of traces that are not one row with their root.
# Those of an older version are not kept apart by status, and are made again.
_NOTE = "note by status"
MADE = f"""
SELECT max(upto) AS upto, sum(count) > 0 AS has_parts FROM {{trace_sums.kept}}
WHERE hours = 0 AND what = '{_NOTE}'
"""
NOTE = f"""
INSERT INTO lake.{TRACE_SUMS.name} BY NAME
SELECT '' AS workspace, '{_NOTE}' AS what, 0 AS hours, make_timestamp(0) AS start,
    count(*) AS count, ?::BIGINT AS upto
FROM lake.traces WHERE snapshot_id > ? AND snapshot_id <= ? AND (is_more OR NOT has_root)
"""
WAITING = """
SELECT snapshot_id, count(*) AS traces FROM lake.traces WHERE snapshot_id > ?
GROUP BY snapshot_id ORDER BY snapshot_id
"""
SNAPSHOT = "SELECT id FROM ducklake_current_snapshot('lake')"
DAYS = """
SELECT date_trunc('day', first_at)::TIMESTAMP AS day, count(*) AS traces FROM lake.traces
WHERE snapshot_id > ? AND snapshot_id <= ? GROUP BY day ORDER BY day
"""


def adding(what: str, hours: int) -> str:
    """Sums of rows that came between two states of the lake.

    Parameters: after which state, up to which one; since when they began, and before when.

    Args:
        what: `traces` or `calls`.
        hours: Of each sum, counted from 1970.
    """
    rows = "snapshot_id > ? AND snapshot_id <= ? AND first_at >= ? AND first_at < ?"
    return _summing(what, hours, rows, "")


def taking_out(what: str, hours: int) -> str:
    """The same less than nothing, of rows that are in the sums and are about to go.

    Parameters: the workspace, the keys of their traces, the state up to which sums are made.
    """
    rows = "workspace = ? AND trace_key IN (SELECT unnest(?::BIGINT[])) AND snapshot_id <= ?"
    return _summing(what, hours, rows, "-")


def _summing(what: str, hours: int, rows: str, sign: Literal["", "-"]) -> str:
    table, columns, condition = SOURCES[what]
    summed = ", ".join(f"sum({name}) AS {name}" for name in ADDED if name != "errors")
    again = ", ".join(f"{sign}sum({name}) AS {name}" for name in ADDED)
    width = hours * 3_600_000_000
    return f"""
INSERT INTO lake.trace_sums BY NAME
SELECT workspace, '{what}' AS what, {hours} AS hours, start, {_FIELDS}, model,
    min(first_at) AS first_at, max(last_at) AS last_at, {again},
    list(slot) FILTER (slot IS NOT NULL) AS slots,
    list({sign}rows) FILTER (slot IS NOT NULL) AS times,
    list(first_slot) FILTER (first_slot IS NOT NULL) AS first_slots,
    list({sign}rows) FILTER (first_slot IS NOT NULL) AS first_times
FROM (
    SELECT workspace, make_timestamp((epoch_us(first_at) // {width} * {width})::BIGINT) AS start,
        {_FIELDS}, model, {slot_of("duration_ms")} AS slot,
        {slot_of("first_chunk_ms")} AS first_slot,
        min(first_at) AS first_at, max(first_at) AS last_at, count(*) AS rows,
        count(*) FILTER (status = 'error') AS errors, {summed}
    FROM (
        SELECT workspace, {_FIELDS}, {columns} FROM lake.{table} WHERE {rows} AND {condition}
    )
    GROUP BY ALL
)
GROUP BY workspace, start, {_FIELDS}, model
"""
