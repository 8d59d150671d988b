"""Traces whose steps are to be told apart by use case once more."""

from lineside.store import LakeTable

STRAYS = LakeTable(
    "strays",
    {"workspace": "VARCHAR", "trace_id": "VARCHAR", "trace_key": "BIGINT"},
    sorted_by=("trace_key",),
)
"""Written together with the steps that make it necessary; upkeep takes them off again."""

# Steps that name no use case themselves are of what is above them.
STEPS_BELOW = """
SELECT DISTINCT workspace, trace_id, parent_span_id FROM {spans}
WHERE started_at >= ? AND started_at <= ? AND use_case IS NULL
  AND trace_id IN (SELECT unnest(?::VARCHAR[])) AND parent_span_id IN (SELECT unnest(?::VARCHAR[]))
"""
