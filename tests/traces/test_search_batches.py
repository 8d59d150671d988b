"""Filters find the same traces, whatever batches their steps arrived in."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lineside.core import now
from lineside.traces import Span, new_span_id, new_trace_id, record_spans, search
from lineside.trust import Scope

TRACES = 60
BATCHES = 3
START = now().replace(microsecond=0) - timedelta(days=6)
Trace = list[Span]


def _trace(dice: random.Random, number: int) -> Trace:
    """A root with up to three calls below it, some of which begin hours after it did."""
    trace_id = new_trace_id()
    # Every seventh begins together with its neighbours.
    began = START + timedelta(hours=number // 7 if number % 7 < 3 else number)
    common: dict[str, Any] = {"trace_id": trace_id, "release": dice.choice(["v1", "v2", None])}
    root = Span(
        **common,
        span_id=new_span_id(),
        name="answer",
        kind="agent",
        user_id=dice.choice(["ann", "bob", None]),
        status=dice.choice(["ok", "ok", "error"]),
        started_at=began,
        duration_ms=dice.choice([100.0, 900.0]),
    )
    below = [
        Span(
            **common,
            span_id=new_span_id(),
            parent_span_id=root.span_id,
            name="chat",
            kind="model",
            model=dice.choice(["small", "large"]),
            status=dice.choice(["ok", "ok", "ok", "error"]),
            started_at=began + timedelta(minutes=dice.choice([0, 1, 300])),
            duration_ms=50.0,
            tokens_in=dice.choice([None, 10, 40]),
        )
        for _ in range(dice.randint(0, 3))
    ]
    return [root, *below]


@pytest.fixture(scope="module")
def kept() -> list[Trace]:
    dice = random.Random(7)  # noqa: S311 # the same traces each time
    return [_trace(dice, number) for number in range(TRACES)]


@pytest.fixture
def asked(apart: Scope, kept: list[Trace]) -> Scope:
    """Most traces come at once, of the others any step may come in any batch."""
    dice = random.Random(11)  # noqa: S311 # the same batches each time
    batches: list[list[Span]] = [[] for _ in range(BATCHES)]
    for trace in kept:
        whole = dice.randrange(BATCHES) if dice.random() < 0.5 else None
        for span in trace:
            batches[dice.randrange(BATCHES) if whole is None else whole].append(span)
    for batch in batches:
        dice.shuffle(batch)
        record_spans(apart, batch).result()
        apart.store.flusher.flush()
    return apart


def _tokens(trace: Trace) -> int:
    return sum(span.tokens_in or 0 for span in trace)


QUERIES: dict[str, Callable[[Trace], bool]] = {
    "": lambda _: True,
    "release = v1": lambda trace: trace[0].release == "v1",
    "release != v1": lambda trace: trace[0].release != "v1",
    "user = ann": lambda trace: trace[0].user_id == "ann",
    'user = ""': lambda trace: trace[0].user_id is None,
    "user ~ nn and status = error": lambda trace: (
        trace[0].user_id == "ann" and trace[0].status == "error"
    ),
    "model = large": lambda trace: any(span.model == "large" for span in trace),
    "model = large and model = small": lambda trace: (
        {"large", "small"} <= {span.model for span in trace}
    ),
    "model != large": lambda trace: all(span.model != "large" for span in trace),
    "errors > 1": lambda trace: sum(span.status == "error" for span in trace) > 1,
    "errors = 0 and release = v2": lambda trace: (
        all(span.status == "ok" for span in trace) and trace[0].release == "v2"
    ),
    "tokens_in > 45": lambda trace: _tokens(trace) > 45,
    "tokens_in > 45 and model = small and user != bob": lambda trace: (
        _tokens(trace) > 45
        and any(span.model == "small" for span in trace)
        and trace[0].user_id != "bob"
    ),
    "steps = 4": lambda trace: len(trace) == 4,
    "latency_ms > 500": lambda trace: trace[0].duration_ms > 500,
    "latency_ms < 500 and status = ok": lambda trace: (
        trace[0].duration_ms < 500 and trace[0].status == "ok"
    ),
}


def test_every_page_of_every_filter_is_what_reading_all_traces_gives(
    asked: Scope, kept: list[Trace]
) -> None:
    newest_first = sorted(
        kept, key=lambda trace: (trace[0].started_at, trace[0].trace_id), reverse=True
    )
    for query, meets in QUERIES.items():
        expected = [trace[0].trace_id for trace in newest_first if meets(trace)]
        assert expected, query
        found: list[str] = []
        before = None
        for _ in range(TRACES):
            page = search.list_traces(asked, search.parse_query(query), limit=9, before=before)
            found += [row.trace_id for row in page.traces]
            before = page.older
            if before is None:
                break
        assert found == expected, query
