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
        "scale": "BIGINT",
        "first_place": "BIGINT",
        "zero_count": "BIGINT",
        "zero_threshold": "DOUBLE",
    },
    sorted_by=("happened_at",),
)
"""`bounds` are those of an ordinary histogram.

An exponential one has a scale, and `counts` of its buckets from the index `first_place` on.
"""

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


def _attribute(*names: str) -> str:
    found = ", ".join(f"json_extract_string(attributes, '/{name}')" for name in names)
    return f"coalesce({found})"


_SERIES = "use_case, resource, name, attributes, temporality, started_at"
_GROUP = "name, unit, use_case, service, operation, model, token_type"
# A point that was sent twice is one. Delta points add up; of a cumulative series the last counts,
# less the last from before the stretch that is asked for.
_POINTS = f"""
WITH once AS (
    SELECT * FROM {{metrics}}
    WHERE workspace = ?1 AND kind IN ('histogram', 'exponential_histogram')
      AND happened_at >= ?2::TIMESTAMP - INTERVAL 1 DAY
      AND (?3::VARCHAR IS NULL OR use_case = ?3)
    QUALIFY row_number() OVER (PARTITION BY {_SERIES}, happened_at ORDER BY "count" DESC) = 1
), points AS (
    SELECT name, unit, use_case, service,
        {_attribute("gen_ai.operation.name")} AS operation,
        {_attribute("gen_ai.response.model", "gen_ai.request.model")} AS model,
        {_attribute("gen_ai.token.type")} AS token_type,
        CASE WHEN happened_at >= ?2 THEN 1 ELSE -1 END AS sign,
        "count", "sum", bounds, counts, scale, first_place, zero_count, zero_threshold
    FROM once
    QUALIFY CASE WHEN temporality = 'delta' THEN happened_at >= ?2
        ELSE max(happened_at) OVER (PARTITION BY {_SERIES}) >= ?2 AND row_number() OVER (
            PARTITION BY {_SERIES}, happened_at >= ?2 ORDER BY happened_at DESC
        ) = 1 END
)
"""

HISTOGRAMS = f"""
{_POINTS}
SELECT {_GROUP}, sum(sign * "count")::BIGINT AS "count", sum(sign * "sum") AS "sum"
FROM points GROUP BY {_GROUP} HAVING sum(sign * "count") > 0
ORDER BY name, "count" DESC, {_GROUP} LIMIT ?4
"""

# What lies at zero is a bucket of its own in an exponential histogram.
HISTOGRAM_BUCKETS = f"""
{_POINTS}, buckets AS (
    SELECT *, unnest(counts) AS held, generate_subscripts(counts, 1) AS nth FROM points
), placed AS (
    SELECT {_GROUP}, scale, sign * held AS held,
        CASE WHEN scale IS NOT NULL THEN first_place + nth - 1 END AS place,
        CASE WHEN scale IS NULL AND nth > 1 THEN bounds[nth - 1] END AS low,
        CASE WHEN scale IS NULL THEN bounds[nth] END AS high
    FROM buckets
    UNION ALL
    SELECT {_GROUP}, NULL, sign * zero_count, NULL, 0.0, coalesce(zero_threshold, 0.0)
    FROM points WHERE zero_count > 0
)
SELECT {_GROUP}, scale, place, low, high, sum(held)::BIGINT AS "count"
FROM placed GROUP BY {_GROUP}, scale, place, low, high HAVING sum(held) <> 0 LIMIT ?4
"""
