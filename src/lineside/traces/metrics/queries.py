"""Data points of metrics in the lake."""

from lineside.store import LakeTable

METRICS = LakeTable(
    "metrics",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "service": "VARCHAR",
        "resource": "VARCHAR",
        "name": "VARCHAR",
        "kind": "VARCHAR",
        "unit": "VARCHAR",
        "temporality": "VARCHAR",
        "attributes": "VARCHAR",
        "error_type": "VARCHAR",
        "started_at": "TIMESTAMP",
        "happened_at": "TIMESTAMP",
        "count": "BIGINT",
        "sum": "DOUBLE",
        "value": "DOUBLE",
        "bounds": "DOUBLE[]",
        "counts": "BIGINT[]",
    },
    sorted_by=("happened_at",),
)

# A point that was sent twice is one. Delta points add up. Of a cumulative series the last counts,
# less what it had come to before the stretch that is asked for; one process is one start.
LOSSES = """
WITH once AS (
    SELECT * FROM {metrics}
    WHERE workspace = ?1 AND name IN (SELECT unnest(?3::VARCHAR[]))
      AND (?4::VARCHAR IS NULL OR use_case = ?4)
    QUALIFY row_number() OVER (
        PARTITION BY use_case, resource, name, attributes, temporality, started_at, happened_at
        ORDER BY value DESC
    ) = 1
), series AS (
    SELECT use_case, service, name, error_type, max(happened_at) AS last_at,
        CASE WHEN temporality = 'delta' THEN sum(value) FILTER (happened_at >= ?2)
             ELSE max(value) FILTER (happened_at >= ?2)
                - coalesce(max(value) FILTER (happened_at < ?2), 0) END AS spans
    FROM once
    GROUP BY use_case, service, resource, name, attributes, error_type, temporality, started_at
)
SELECT use_case, service, name, error_type, sum(spans)::BIGINT AS spans, max(last_at) AS last_at
FROM series WHERE spans IS NOT NULL
GROUP BY use_case, service, name, error_type ORDER BY use_case, service, spans DESC LIMIT ?5
"""
