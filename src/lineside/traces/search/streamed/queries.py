"""Figures of many traces that are read one by one, in memory that does not grow with them."""

from collections.abc import Sequence

from lineside.traces.queries import OF_PART, PART
from lineside.traces.search.queries import ADDED, WHOLE, Named, label_of
from lineside.traces.search.queries import Bound as Bound
from lineside.traces.search.summed.queries import added_up
from lineside.traces.sums.queries import slot_of

MATCHED = "SELECT * FROM matched"
PARTED = "SELECT count(*) AS traces FROM parted"
_ROW = f"first_at, name, status, duration_ms, traces, {', '.join(ADDED)}, first_chunk_ms"


def parted_query(within: str) -> str:
    """Keep the keys of traces that are not one row with its root; for this reader alone.

    Parameters: those of `within`, twice.
    """
    # As comparisons, they are held against what is known of a file before it is read.
    return f"""
CREATE OR REPLACE TEMP TABLE parted AS
SELECT trace_key FROM {{traces}} WHERE {within} AND is_more > false
UNION SELECT trace_key FROM {{traces}} WHERE {within} AND is_more = false AND has_root < true
"""


def chosen_query(
    column: str, *, within: str, around: str, conditions: Sequence[str], has_parts: bool
) -> str:
    """Each trace once that meets the conditions as a whole, as rows that figures are made of.

    Parameters: those of `within` and of the conditions; where some are not one row, those of
    `around`, two moments between which they began, and those of the conditions again.

    Args:
        within: Which rows are looked at.
        around: The same, and rows of the day before and after, for traces of several rows.
    """
    met = "".join(f" AND {condition}" for condition in conditions)
    added = ", ".join(ADDED)
    simple = f"""
    SELECT trace_key, use_case, trace_id, first_at, {column} AS name, status, duration_ms,
        1 AS traces, {added}, NULL::DOUBLE AS first_chunk_ms
    FROM {{traces}} WHERE {within} AND has_root AND NOT is_more"""
    if not has_parts:
        return simple + met
    rest = ", ".join(f"sum({name}) AS {name}" for name in ADDED if f"AS {name}" not in WHOLE)
    return f"""{simple} AND trace_key NOT IN (SELECT trace_key FROM parted){met}
    UNION ALL
    SELECT trace_key, use_case, trace_id, started_at, {column}, status, duration_ms, 1, {added},
        NULL
    FROM (
        SELECT trace_key, {WHOLE}, {rest} FROM {{traces}}
        WHERE {around} AND trace_key IN (SELECT trace_key FROM parted) GROUP BY {OF_PART}
    ) WHERE started_at >= ? AND started_at <= ?{met}
"""


def set_apart_query(rows: str, conditions: Sequence[str]) -> str:
    """Keep the keys of such rows; for this reader alone. What some step was sent with comes last.

    Parameters: those of the rows and of the conditions.
    """
    met = "".join(f" AND {condition}" for condition in conditions)
    kept = f"SELECT {PART} AS part FROM ({rows}) WHERE true{met}"
    return f"CREATE OR REPLACE TEMP TABLE set_apart AS {kept}"


def matched_query(rows: str, limit: int) -> str:
    """Keep rows that figures are made of, so many at most; for this reader alone."""
    return f"CREATE OR REPLACE TEMP TABLE matched AS SELECT {_ROW} FROM ({rows}) LIMIT {limit}"


def slices_query(rows: str, *, width: int | None, named: Named, has_first: bool) -> str:
    """Add up rows by bucket, name and slots of 2 % of latency; for this reader alone.

    Parameters: the names that stand for themselves where some do, those of the rows.

    Args:
        has_first: Whether rows say when the first chunk came, which is put into slots apart.
    """
    bucket = "NULL::BIGINT" if width is None else f"epoch_us(first_at) // {int(width)}"
    first_slot = slot_of("first_chunk_ms") if has_first else "NULL::BIGINT"
    sums = {"count": "sum(traces)", "errors": "count(*) FILTER (status = 'error')"}
    sums |= {name: f"sum({name})" for name in ADDED}
    once = "CASE WHEN grouping(slot) = 0 THEN {} END" if has_first else "{}"
    added = ", ".join(f"{once.format(sql)} AS {name}" for name, sql in sums.items())
    groups = "bucket, label, slot"
    if has_first:
        groups = f"GROUPING SETS (({groups}), (bucket, label, first_slot))"
        slots = "slot, first_slot"
    else:
        slots = "slot, NULL::BIGINT AS first_slot"
    return f"""
CREATE OR REPLACE TEMP TABLE slices AS
SELECT bucket, label, {slots}, count(*) AS times, {added}
FROM (
    SELECT {bucket} AS bucket, {label_of(named)} AS label, {slot_of("duration_ms")} AS slot,
        {first_slot} AS first_slot, traces, status, {", ".join(ADDED)}
    FROM ({rows})
) GROUP BY {groups}
"""


def figures_query(*, has_first: bool, is_bucketed: bool) -> str:
    """Figures of what `slices_query` has kept, by bucket and name; the last row is of all."""
    parts = f"""
    SELECT bucket, label, count, errors, {", ".join(ADDED)}, [slot] AS slots, [times] AS times,
        [first_slot] AS first_slots, [times] AS first_times
    FROM slices"""
    return added_up(parts, has_first=has_first, is_bucketed=is_bucketed)
