"""Events of spans that came beside them, in the lake."""

from lineside.store import LakeTable

SPAN_EVENTS = LakeTable(
    "span_events",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "is_limited": "BOOLEAN",
        "service": "VARCHAR",
        "trace_id": "VARCHAR",
        "trace_key": "BIGINT",
        "span_id": "VARCHAR",
        "happened_at": "TIMESTAMP",
        "name": "VARCHAR",
        "event": "VARCHAR",
        "input": "VARCHAR",
        "output": "VARCHAR",
    },
    sorted_by=("happened_at",),
)
"""`event` is the text of a JSON object, as an event of a span has it.

`input` and `output` are how what it says that was asked and answered begins. Where its sender
may write to some use cases only, `is_limited`, it tells of steps of its `use_case` alone.
"""

# Its steps and the records of them come from one clock, so that a day around them is plenty.
_ONLY = "CASE WHEN is_limited THEN use_case END AS only"
OF_TRACE = f"""
SELECT span_id, event, {_ONLY} FROM {{span_events}}
WHERE workspace = ? AND happened_at >= ?::TIMESTAMP - INTERVAL 1 DAY
  AND happened_at <= ?::TIMESTAMP + INTERVAL 1 DAY AND trace_id = ?
ORDER BY happened_at LIMIT ?
"""

# Without their moments, and each once: equal is what says the same.
DIGESTS = """
SELECT span_id, hash(list_sort(list_distinct(list(said)))) AS digest
FROM (
    SELECT span_id, name || json_extract_string(event, '$.attributes') AS said FROM {span_events}
    WHERE workspace = ? AND happened_at >= ?::TIMESTAMP - INTERVAL 1 DAY
      AND happened_at <= ?::TIMESTAMP + INTERVAL 1 DAY AND trace_id = ?
)
GROUP BY span_id
"""

TOLD = """
SELECT trace_id, use_case, is_limited,
    arg_min(input, first_at) AS input, arg_max(output, first_at) AS output
FROM (
    SELECT trace_id, use_case, coalesce(is_limited, false) AS is_limited, span_id,
        min(happened_at) AS first_at,
        arg_max(input, happened_at) AS input, arg_max(output, happened_at) AS output
    FROM {span_events}
    WHERE workspace = ? AND happened_at >= ? AND happened_at <= ?
      AND trace_key IN (SELECT unnest(?::BIGINT[]))
      AND (input IS NOT NULL OR output IS NOT NULL)
    GROUP BY ALL
)
GROUP BY trace_id, use_case, is_limited
"""

SEVERAL_PARTS = """
SELECT trace_key FROM {traces}
WHERE workspace = ? AND first_at >= ? AND first_at <= ?
  AND trace_key IN (SELECT unnest(?::BIGINT[]))
GROUP BY trace_key HAVING count(DISTINCT coalesce(use_case, '')) > 1
"""

OF_TRACES = f"""
SELECT trace_id, span_id, event, {_ONLY} FROM {{span_events}}
WHERE workspace = ? AND happened_at >= ? AND happened_at <= ?
  AND trace_id IN (SELECT unnest(?::VARCHAR[]))
ORDER BY happened_at LIMIT ?
"""
