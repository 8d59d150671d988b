"""What spans say of themselves, counted by use case."""

# A share of traces counts each trace once, whichever of its batches says it.
BY_USE_CASE = """
SELECT use_case, count(DISTINCT trace_key) AS traces,
    sum(steps)::BIGINT AS spans, sum(paid)::BIGINT AS model_steps,
    sum(counted)::BIGINT AS counted,
    (sum(priced) FILTER (paid > 0))::BIGINT AS priced,
    sum(first_chunks)::BIGINT AS first_chunks,
    count(DISTINCT trace_key) FILTER (user_id IS NOT NULL) AS with_user,
    count(DISTINCT trace_key) FILTER (session_id IS NOT NULL) AS with_session,
    count(DISTINCT trace_key) FILTER (release IS NOT NULL) AS with_release,
    count(DISTINCT trace_key) FILTER (has_root) AS with_root
FROM {traces}
WHERE workspace = ? AND run_id IS NULL AND first_at >= ?
  AND (?::VARCHAR IS NULL OR use_case = ?)
GROUP BY use_case ORDER BY spans DESC, use_case
"""

# By arrival: what is dated by a clock that is off began in no days that anybody asks for.
CLOCKS_OFF = """
SELECT use_case, sum(clocks_off)::BIGINT AS spans FROM {traces}
WHERE workspace = ? AND run_id IS NULL AND arrived_at >= ? AND clocks_off > 0
  AND (?::VARCHAR IS NULL OR use_case = ?)
GROUP BY use_case ORDER BY spans DESC, use_case
"""

# Parents are looked for in one of so many traces, all of it: to join every span with every other
# would take minutes where there are many. A parent may have begun before the days did.
PARENTS = """
WITH chosen AS (
    SELECT use_case, trace_id, span_id, parent_span_id, started_at FROM {spans}
    WHERE workspace = ? AND run_id IS NULL AND started_at >= ? AND hash(trace_id) % ? = 0
), parents AS (SELECT DISTINCT trace_id, span_id FROM chosen)
SELECT use_case, count(*) AS children, count(parents.span_id) AS found
FROM chosen LEFT JOIN parents
  ON parents.trace_id = chosen.trace_id AND parents.span_id = chosen.parent_span_id
WHERE parent_span_id IS NOT NULL AND started_at >= ?
  AND (?::VARCHAR IS NULL OR use_case = ?)
GROUP BY use_case
"""
