"""Figures of very many traces, from their sums and from the rows that no sum has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lineside.traces.queries import OF_PART, PART, PLACE, first_of
from lineside.traces.search.queries import Bound, Named, label_of
from lineside.traces.sums.queries import ADDED, FIELDS, SOURCES, ms_of, slot_of

_SHARES = (0.5, 0.95, 0.99)
_COUNTED = tuple(name for name in ADDED if name not in ("count", "errors"))
_FIELDS = (*FIELDS, "model")
_NAMES = tuple(name for name in FIELDS if name != "status")
_HISTOGRAMS = ("slots", "times", "first_slots", "first_times")


class SummedTime(NamedTuple):
    """Some time of a workspace.

    Attributes:
        since: Of what began then or later, `until` then or before; nothing where all is wanted.
        hours: Whole hours in it, the first and the one after the last; nothing where open.
        upto: The last state of the lake whose rows the sums have.
        has_parts: Whether the lake had then traces that are not one row with its root.
        conditions: On the fields that sums are kept apart by, what traces must meet.
    """

    workspace: str
    since: datetime | None
    until: datetime | None
    hours: tuple[datetime | None, datetime | None]
    upto: int
    has_parts: bool
    conditions: tuple[Bound, ...] = ()


class Sums(NamedTuple):
    """Which sums stand for the whole hours of a stretch: wide ones, and at its ends narrow ones.

    Attributes:
        hours: Of the wide ones; they stand for what began from `start` to before `end`.
    """

    hours: int
    start: datetime | None
    end: datetime | None


def apart_query(what: str, where: SummedTime) -> Bound:
    """Set those apart that no sum has, for the queries of this reader."""
    table, columns, condition = SOURCES[what]
    rows, bound = _unsummed(table, where)
    errors = "(status = 'error')::INT AS errors"
    met, of_met = _met(where)
    single = f"""
SELECT *, {errors}
FROM (SELECT {", ".join(FIELDS)}, {columns} FROM unsummed WHERE {condition}{met})
"""
    bound = [*bound, *of_met]
    if what == "traces":
        parts, of_parts = _of_parts(where)
        single += f" UNION ALL BY NAME SELECT *, {errors} {parts}"
        bound = [*bound, *of_parts]
    return (
        f"""
CREATE OR REPLACE TEMP TABLE {_apart(what)} AS
WITH unsummed AS MATERIALIZED ({rows})
SELECT first_at, {", ".join(_FIELDS)}, {", ".join(ADDED)},
    [{slot_of("duration_ms")}] AS slots, [1] AS times,
    [{slot_of("first_chunk_ms")}] AS first_slots, [1] AS first_times
FROM ({single})
""",
        bound,
    )


def names_query(what: str, by: str, where: SummedTime, sums: Sums) -> Bound:
    """By what traces are split, the most frequent first, and when theirs began."""
    of_sums, bound = _of_sums(what, where, sums, f"{by} AS name, count, first_at, last_at")
    return (
        f"""
SELECT name, sum(count) AS count, min(first_at) AS first_at, max(last_at) AS last_at
FROM ({of_sums} UNION ALL SELECT {by}, count, first_at, first_at FROM {_apart(what)})
GROUP BY name ORDER BY sum(count) DESC, name
""",
        bound,
    )


def figures_query(
    what: str,
    by: str,
    where: SummedTime,
    sums: Sums,
    *,
    named: Named,
    names: Sequence[str],
    width: int | None,
) -> Bound:
    """Figures as `search.queries.figures_query` has them, by percentiles that are 1 % off at most.

    By bucket where a width is given, in microseconds; the last row is of all together.
    """
    columns = ", ".join((*ADDED, *_HISTOGRAMS[: 4 if what == "calls" else 2]))
    of_sums, bound = _of_sums(what, where, sums, f"start AS first_at, {by} AS name, {columns}")
    bucket = "NULL::BIGINT" if width is None else f"epoch_us(first_at) // {int(width)}"
    parts = f"""
    SELECT {bucket} AS bucket, {label_of(named)} AS label, {columns} FROM (
        {of_sums} UNION ALL SELECT first_at, {by}, {columns} FROM {_apart(what)}
    )"""
    sql = added_up(parts, has_first=what == "calls", is_bucketed=width is not None)
    return sql, [*([list(names)] if named == "some" else []), *bound]


def added_up(parts: str, *, has_first: bool, is_bucketed: bool) -> str:
    """Figures of parts that have a bucket, a label, sums and histograms; at the end of all of them.

    Args:
        has_first: Whether they have histograms of the first chunk, too.
    """
    added = ", ".join(f"sum({name}) AS {name}" for name in ADDED)
    ranks = ", ".join(
        f"min(slot) FILTER (is_latency AND below >= {share} * whole)" for share in _SHARES
    )
    latencies = "SELECT bucket, label, true AS is_latency, unnest(slots), unnest(times) FROM parts"
    if has_first:
        latencies += """
    UNION ALL SELECT bucket, label, false, unnest(first_slots), unnest(first_times) FROM parts"""
    return f"""
WITH parts AS MATERIALIZED (
{parts}
), latencies (bucket, label, is_latency, slot, times) AS (
    {latencies}
), histograms AS MATERIALIZED (
    SELECT bucket, label, is_latency, slot, sum(times) AS times
    FROM latencies WHERE slot IS NOT NULL GROUP BY ALL
), added AS MATERIALIZED (
    SELECT bucket, label, {added} FROM parts GROUP BY bucket, label HAVING sum(count) > 0
), all_added AS (
    SELECT false AS is_all, * FROM added
    UNION ALL SELECT true, NULL, NULL, {added} FROM added HAVING count(*) > 0
), all_histograms AS (
    SELECT false AS is_all, * FROM histograms
    UNION ALL SELECT true, NULL, NULL, is_latency, slot, sum(times) FROM histograms GROUP BY ALL
), shares AS (
    SELECT is_all, bucket, label,
        list_transform([{ranks}], lambda slot: {ms_of("slot")}) AS latency_ms,
        {ms_of("min(slot) FILTER (NOT is_latency AND below >= 0.5 * whole)")} AS first_chunk_ms_p50
    FROM (
        SELECT *, sum(times) OVER (PARTITION BY is_all, bucket, label, is_latency) AS whole,
            sum(times) OVER (
                PARTITION BY is_all, bucket, label, is_latency ORDER BY slot
            ) AS below
        FROM all_histograms
    ) GROUP BY is_all, bucket, label
)
SELECT all_added.is_all, all_added.bucket, all_added.label AS name,
    all_added.* EXCLUDE (is_all, bucket, label, paid), paid AS calls,
    latency_ms, first_chunk_ms_p50
FROM all_added LEFT JOIN shares ON shares.is_all = all_added.is_all
    AND shares.bucket IS NOT DISTINCT FROM all_added.bucket
    AND shares.label IS NOT DISTINCT FROM all_added.label
ORDER BY is_all, {"all_added.bucket, name" if is_bucketed else "count DESC, name"}
"""


def _apart(what: str) -> str:
    return f"{what}_apart"


def _of_sums(what: str, where: SummedTime, sums: Sums, columns: str) -> Bound:
    """Sums of the whole hours of a stretch."""
    wide, of_wide = _within("start", sums.start, sums.end)
    chosen, bound = [f"hours = {sums.hours}{wide}"], of_wide
    for since, until in ((where.hours[0], sums.start), (sums.end, where.hours[1])):
        if since and until:
            narrow, of_narrow = _within("start", since, until)
            chosen.append(f"hours = 1{narrow}")
            bound = [*bound, *of_narrow]
    met, of_met = _met(where)
    sql = f"""
SELECT {columns} FROM {{trace_sums.kept}}
WHERE workspace = ? AND what = '{what}' AND ({" OR ".join(chosen)}){met}
"""
    return sql, [where.workspace, *bound, *of_met]


def _met(where: SummedTime) -> Bound:
    sql = "".join(f" AND {condition}" for condition, _ in where.conditions)
    return sql, [value for _, bound in where.conditions for value in bound]


def _unsummed(table: str, where: SummedTime) -> Bound:
    """Rows that no sum has: those that came later, and those of the hours that are cut."""
    since, until = where.since, where.until
    start, end = where.hours
    rows = f"SELECT * FROM {{{table}.kept}} WHERE workspace = ? AND run_id IS NULL"
    within, bound = _within("first_at", start, end)
    pieces = [(f"{rows}{within} AND snapshot_id > ?", [where.workspace, *bound, where.upto])]
    within, bound = _through("first_at", since, until)
    waiting = f"FROM {{{table}.waiting}} WHERE workspace = ? AND run_id IS NULL{within}"
    pieces.append((f"SELECT * {waiting}", [where.workspace, *bound]))
    if since and start and since < start:
        within, bound = _within("first_at", since, start)
        pieces.append((f"{rows}{within}", [where.workspace, *bound]))
    if until and end and end <= until:
        within, bound = _through("first_at", end, until)
        pieces.append((f"{rows}{within}", [where.workspace, *bound]))
    found, values = _together(pieces)
    return found.replace("UNION ALL", "UNION ALL BY NAME"), values


def _of_parts(where: SummedTime) -> Bound:
    """Traces that are not one row with its root, put together by their key.

    What came later than a first row with its root only adds to it, without a status and a latency,
    as in `search.queries.figures_query`.
    """
    found, values = _together([("SELECT * FROM unsummed WHERE is_more OR NOT has_root", [])])
    if where.has_parts:
        within, bound = _through("first_at", where.since, where.until)
        rows = f"SELECT * FROM {{traces}} WHERE workspace = ? AND run_id IS NULL{within} AND"
        # As comparisons, they are held against what is known of a file before it is read.
        kinds = ("is_more > false", "is_more = false AND has_root < true")
        found, values = _together([(f"{rows} {kind}", [where.workspace, *bound]) for kind in kinds])
    fields = ", ".join(f"{first_of(field)} AS {field}" for field in _NAMES)
    summed = ", ".join(f"sum({name}) AS {name}" for name in _COUNTED)
    if where.conditions:
        found, values = _of_wanted(where, found, values)
    return (
        f"""
FROM (
    SELECT min(first_at) AS first_at, {fields}, NULL::VARCHAR AS model,
        CASE WHEN bool_or(NOT is_more) THEN arg_min(status, {PLACE}) END AS status,
        CASE WHEN NOT bool_or(NOT is_more) THEN NULL
             WHEN bool_or(has_root) THEN arg_min(duration_ms, {PLACE})
             ELSE max(duration_ms) END AS duration_ms,
        NULL::DOUBLE AS first_chunk_ms, bool_or(NOT is_more)::INT AS count, {summed}
    FROM ({found}) GROUP BY {OF_PART}
)
""",
        values,
    )


def _of_wanted(where: SummedTime, found: str, values: list[Any]) -> Bound:
    """Those rows whose traces meet the conditions, with what their traces say of themselves.

    What came later may say less than its first step did.
    """
    fields = ", ".join(f"{first_of(field)} AS {field}" for field in FIELDS)
    whole = ", ".join(f"whole.{field} AS {field}" for field in _NAMES)
    within, of_within = _through("first_at", where.since, where.until)
    met, of_met = _met(where)
    return (
        f"""
SELECT parts.* REPLACE ({whole}) FROM ({found}) AS parts JOIN (
    SELECT * FROM (
        SELECT {PART} AS part, {fields} FROM {{traces}}
        WHERE workspace = ? AND run_id IS NULL{within}
          AND trace_key IN (SELECT trace_key FROM ({found}))
        GROUP BY {OF_PART}
    ) WHERE true{met}
) AS whole ON whole.part = hash(parts.trace_key, parts.use_case)
""",
        [*values, where.workspace, *of_within, *values, *of_met],
    )


def _within(column: str, since: datetime | None, until: datetime | None) -> Bound:
    sql = (f" AND {column} >= ?" if since else "") + (f" AND {column} < ?" if until else "")
    return sql, [moment for moment in (since, until) if moment]


def _through(column: str, since: datetime | None, until: datetime | None) -> Bound:
    sql = (f" AND {column} >= ?" if since else "") + (f" AND {column} <= ?" if until else "")
    return sql, [moment for moment in (since, until) if moment]


def _together(pieces: Sequence[Bound]) -> Bound:
    values: list[Any] = [value for _, bound in pieces for value in bound]
    return "\nUNION ALL ".join(sql for sql, _ in pieces), values
