"""Ten million spans over 30 days, generated straight into a lake, for benchmarks that need many.

    .venv/bin/python benchmarks/lake.py --home FOLDER [--spans 10000000]

Five steps a trace, of about 2 kB each: an agent, a retriever, a model with its conversation, a
tool and a second model; in batches of 20,000, with roll-ups and the index of words, as the flusher
writes them. Beside those: one trace of 50,000 steps (`WIDE`), and one session of 20,000 traces
(`CROWD`).
"""

import argparse
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from report import progress

from lineside.core import Settings, now
from lineside.store import Store, open_store, text_index
from lineside.traces import open_traces
from lineside.traces.queries import MODEL_CALLS, SPANS, TRACES

WIDE = "f" * 32
WIDE_SPANS = 50_000
CROWD = "crowd"
CROWD_TRACES = 20_000
RARE = "refund-7731"
DAYS = 30
_BATCH_SPANS = 20_000
_MEMORY_MB = 1_024

_STEPS = """
CREATE OR REPLACE TEMP TABLE made AS
SELECT 'default' AS workspace,
    CASE trace % 7 WHEN 0 THEN NULL ELSE 'case-' || trace % 7 END AS use_case,
    'v' || (1 + trace * 4 // ?) AS release, 'live' AS arm,
    CASE WHEN trace % ? = 0 THEN 'crowd' ELSE 's' || trace // 6 END AS session_id,
    'u' || hash(trace // 6) % 5000 AS user_id,
    md5(trace::VARCHAR) AS trace_id, left(md5('s' || id), 16) AS span_id,
    CASE step WHEN 0 THEN NULL ELSE left(md5('s' || (id - step)), 16) END AS parent_span_id,
    ['answer', 'search', 'chat', 'lookup', 'chat'][step + 1] AS name,
    ['agent', 'retriever', 'model', 'tool', 'model'][step + 1] AS kind,
    CASE WHEN hash(id) % 100 = 0 THEN 'error' ELSE 'ok' END AS status,
    ?::TIMESTAMP + to_microseconds((trace * ?)::BIGINT + step * 20_000) AS started_at,
    exp((hash(id + 1) % 1000) / 250.0) * [120, 10, 60, 5, 60][step + 1] AS duration_ms,
    'svc-' || trace % 5 AS service,
    CASE WHEN step IN (2, 4) THEN ['gpt-4o', 'gpt-4o-mini', 'sonnet'][1 + trace % 3] END AS model,
    CASE WHEN step = 3 THEN 'lookup_order' END AS tool_name,
    CASE WHEN step IN (2, 4) THEN 300 + hash(id) % 3000 END AS tokens_in,
    CASE WHEN step IN (2, 4) THEN 20 + hash(id) % 400 END AS tokens_out,
    CASE WHEN step IN (2, 4) AND trace % 3 < 2 THEN (hash(id) % 1000) / 1e5 END AS cost_usd,
    CASE WHEN step IN (2, 4) THEN '[{"role":"user","parts":[{"type":"text","content":"' || words
        || '"}],"finish_reason":null}]' END AS messages_in,
    CASE WHEN step IN (2, 4) THEN '[{"role":"assistant","parts":[{"type":"text","content":"'
        || left(words, 240) || '"}],"finish_reason":"stop"}]' END AS messages_out,
    CASE WHEN step NOT IN (2, 4) THEN '{"question":"' || left(words, 200) || '"}' END AS input,
    CASE WHEN step NOT IN (2, 4) THEN '{"answer":"' || right(words, 200) || '"}' END AS output,
    '{}' AS attributes,
    '{"attributes":{"gen_ai.prompt":"' || words || '"}}' AS raw, 1 AS mapping
FROM (
    SELECT id, id // 5 AS trace, id % 5 AS step,
        array_to_string(list_transform(range(100), i ->
            ['order', 'parcel', 'invoice', 'account', 'password', 'delivery', 'card', 'limit',
             'transfer', 'please', 'when', 'address', 'the', 'my', 'is', 'not'][
                1 + (hash(id * 131 + i) % 16)::BIGINT]
            || CASE WHEN i % 7 = 0 THEN (hash(id + i) % 10000)::VARCHAR ELSE '' END), ' ')
            || CASE WHEN id % 50_000 = 2 THEN ' refund-7731' ELSE '' END AS words
    FROM range(?, ?) AS numbers (id)
)
"""
_WIDE_STEPS = """
CREATE OR REPLACE TEMP TABLE made AS
SELECT 'default' AS workspace, 'case-1' AS use_case, 'v4' AS release, 'live' AS arm,
    ? AS trace_id, left(md5('w' || id), 16) AS span_id,
    CASE id WHEN 0 THEN NULL ELSE left(md5('w' || (id - 1) // 8), 16) END AS parent_span_id,
    CASE WHEN id % 8 = 3 THEN 'chat' ELSE 'step ' || id END AS name,
    CASE WHEN id = 0 THEN 'agent' WHEN id % 8 = 3 THEN 'model' ELSE 'tool' END AS kind,
    CASE WHEN id % 999 = 5 THEN 'error' ELSE 'ok' END AS status,
    ?::TIMESTAMP + to_milliseconds(id) AS started_at,
    CASE id WHEN 0 THEN 60_000 ELSE 5 + hash(id) % 900 END AS duration_ms, 'svc-1' AS service,
    '{"question":"' || repeat('a step among many ', 20) || id || '"}' AS input,
    '{"answer":"done ' || id || '"}' AS output, '{}' AS attributes, 1 AS mapping,
    NULL::VARCHAR AS session_id, NULL::VARCHAR AS user_id, NULL::VARCHAR AS model,
    NULL::VARCHAR AS tool_name, NULL::BIGINT AS tokens_in, NULL::BIGINT AS tokens_out,
    NULL::DOUBLE AS cost_usd, NULL::VARCHAR AS messages_in, NULL::VARCHAR AS messages_out
FROM range(?) AS numbers (id)
"""
_KEEP = "INSERT INTO lake.spans BY NAME SELECT * FROM made"
_ROLL_UPS = """
INSERT INTO lake.traces BY NAME
SELECT workspace, trace_id, ('0x' || left(trace_id, 15))::BIGINT AS trace_key,
    arg_min(use_case, place) AS use_case, arg_min(release, place) AS release,
    arg_min(arm, place) AS arm, arg_min(service, place) AS service,
    arg_min(session_id, place) AS session_id, arg_min(user_id, place) AS user_id,
    arg_min(name, place) AS name, arg_min(status, place) AS status,
    arg_min(span_id, place) AS head_id, arg_min(started_at, place) AS head_at,
    bool_or(parent_span_id IS NULL) AS has_root, false AS is_more,
    min(started_at) AS first_at, max(started_at) AS last_at,
    arg_min(duration_ms, place) AS duration_ms, count(*) AS steps,
    count(*) FILTER (status = 'error') AS errors, count(*) FILTER (kind = 'model') AS paid,
    sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out, count(tokens_in) AS counted,
    0 AS first_chunks, sum(cost_usd) AS cost_usd, count(cost_usd) AS priced,
    coalesce(list_sort(list(DISTINCT model) FILTER (model IS NOT NULL)), []) AS models,
    coalesce(list_sort(list(DISTINCT tool_name) FILTER (tool_name IS NOT NULL)), []) AS tools,
    []::VARCHAR[] AS agents,
    left(arg_min(input, place)->>'question', 200) AS input,
    left(arg_min(output, place)->>'answer', 200) AS output
FROM (
    SELECT *, epoch_us(started_at)
        + CASE WHEN parent_span_id IS NULL THEN 0 ELSE 10**17 END AS place
    FROM made
)
GROUP BY workspace, trace_id
"""
_CALLS = """
INSERT INTO lake.model_calls BY NAME
SELECT workspace, use_case, release, arm, service,
    ('0x' || left(trace_id, 15))::BIGINT AS trace_key, kind, model, status,
    started_at AS first_at, duration_ms, tokens_in, tokens_out, cost_usd
FROM made WHERE kind = 'model'
"""
_WORDS = """
SELECT trace_id, min(started_at) AS moment,
    array_to_string(list_distinct(flatten(list(string_split(lower(concat_ws(' ',
        coalesce(messages_in, input), coalesce(messages_out, output))), ' ')))), ' ') AS words
FROM made GROUP BY trace_id
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--spans", type=int, default=10_000_000)
    given = parser.parse_args()
    generate(given.home, given.spans)


def generate(home: Path, spans: int) -> float:
    """Make the lake in a new state folder; gives the seconds that took."""
    started = time.perf_counter()
    store = open_store(Settings(home=home, lake_memory_mb=_MEMORY_MB))
    open_traces(store)
    try:
        _generate(store, spans)
    finally:
        store.close()
    return time.perf_counter() - started


def _generate(store: Store, spans: int) -> None:
    traces = max(1, spans // 5)
    gap = timedelta(days=DAYS) / traces
    begin = now().replace(tzinfo=None) - timedelta(days=DAYS)
    crowd_every = max(1, traces // CROWD_TRACES)
    microseconds = gap / timedelta(microseconds=1)
    for first in range(0, spans, _BATCH_SPANS):
        last = min(spans, first + _BATCH_SPANS)
        _keep(store, _STEPS, [traces, crowd_every, begin, microseconds, first, last])
        if first % (50 * _BATCH_SPANS) == 0:
            progress(f"{last:,} of {spans:,} spans")
    _keep(store, _WIDE_STEPS, [WIDE, now().replace(tzinfo=None) - timedelta(hours=3), WIDE_SPANS])
    store.upkeep.run()


def _keep(store: Store, steps: str, parameters: list[Any]) -> None:
    with store.lake._writing((SPANS, TRACES, MODEL_CALLS)) as cursor:
        cursor.execute(steps, parameters)
        for statement in (_KEEP, _ROLL_UPS, _CALLS):
            cursor.execute(statement)
        words = cursor.execute(_WORDS).fetchall()
    store.texts.add([text_index.Indexed("default", *row) for row in words])


if __name__ == "__main__":
    main()
