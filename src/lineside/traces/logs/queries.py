"""Events of spans that came beside them, in the lake."""

from lineside.store import LakeTable

SPAN_EVENTS = LakeTable(
    "span_events",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "service": "VARCHAR",
        "trace_id": "VARCHAR",
        "trace_key": "BIGINT",
        "span_id": "VARCHAR",
        "happened_at": "TIMESTAMP",
        "name": "VARCHAR",
        "event": "VARCHAR",
    },
    sorted_by=("happened_at",),
)
"""`event` is the text of a JSON object, as an event of a span has it."""

# Its steps and the records of them come from one clock, so that a day around them is plenty.
OF_TRACE = """
SELECT span_id, event FROM {span_events}
WHERE workspace = ? AND happened_at >= ?::TIMESTAMP - INTERVAL 1 DAY
  AND happened_at <= ?::TIMESTAMP + INTERVAL 1 DAY AND trace_id = ?
ORDER BY happened_at LIMIT ?
"""
