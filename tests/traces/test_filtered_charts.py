"""Charts of what meets a filter: all of it, however it came, in little memory."""

from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Settings, Unavailable
from lineside.store import open_store
from lineside.traces import Span, new_span_id, new_trace_id, record_spans, search
from lineside.traces.search import streamed
from lineside.trust import Scope

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUERIES = (
    "",
    "status = error",
    "latency_ms >= 300 and latency_ms < 900",
    "model = small",
    "tokens_in > 60",
    "steps > 1 and errors = 0",
    "name ~ ANS and user != u1",
    "attribute.tier = gold",
    "attribute.tier != gold and latency_ms > 100",
    "text ~ kettle",
    "text ~ kettle and status = ok",
    "since 2026-03-02T13:00 and until 2026-03-04 and latency_ms > 100",
)
SPLITS = (None, "user", "use_case", "model", "attribute.tier")


@pytest.fixture
def settings(made_home: Path) -> Settings:
    return Settings(home=made_home)


@pytest.fixture
def traces(scope: Scope) -> Scope:
    """Some whole, one whose steps came one by one, one without a root, one that still waits."""
    for number in range(9):
        root = root_of(number)
        keep(scope, root, call_of(root, model="small" if number % 2 else "big"))
    late = root_of(20, name="late answer", status="error")
    for step in (call_of(late, tokens_in=30, model="small"), late, call_of(late, tokens_in=40)):
        keep(scope, step)
    keep(scope, call_of(root_of(30), model="small", user_id="u1"))
    waiting = root_of(40)
    record_spans(scope, [waiting, call_of(waiting)]).result()
    return scope


def root_of(number: int, **given: Any) -> Span:
    fields: dict[str, Any] = {
        "name": "answer",
        "kind": "agent",
        "use_case": "desk" if number % 3 else None,
        "user_id": f"u{number % 3}",
        "status": "error" if number == 4 else "ok",
        "duration_ms": 100.0 * (number + 1),
        "input": "where is my kettle" if number % 2 else "a parcel",
        "attributes": {"tier": "gold"} if number % 4 == 0 else {},
    }
    ids = {"trace_id": new_trace_id(), "span_id": new_span_id()}
    return Span(**(fields | ids | given), started_at=NOON + number * HOUR)


def call_of(root: Span, **given: Any) -> Span:
    fields: dict[str, Any] = {"duration_ms": 50.0, "model": "big", "tokens_in": 50}
    fields["use_case"] = root.use_case
    return Span(
        **(fields | given),
        trace_id=root.trace_id,
        span_id=new_span_id(),
        parent_span_id=root.span_id,
        name="chat",
        kind="model",
        first_chunk_ms=20.0,
        started_at=root.started_at + timedelta(milliseconds=5),
    )


def keep(scope: Scope, *spans: Span) -> None:
    """Into the lake, in a batch of their own."""
    record_spans(scope, list(spans)).result()
    scope.store.flusher.flush()


def told(figures: search.TraceFigures) -> dict[str, Any]:
    """Without percentiles, as exact ones of a few are between two of them."""
    names = ("latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "first_chunk_ms_p50")
    return figures.model_dump(exclude=set(names))


def drawn(scope: Scope) -> list[Any]:
    found: list[Any] = []
    for query, by in zip(QUERIES, cycle(SPLITS), strict=False):
        chart = search.chart(scope, search.parse_query(query), by=by, names_max=2)
        assert chart, query
        found.append((query, by, chart.names, told(chart.whole)))
        found += [(one.start, [*map(told, one.of)]) for one in chart.moments]
    for by in SPLITS[1:]:
        figures = search.figures(scope, search.parse_query("latency_ms > 100"), by=by or "")
        found.append(sorted(map(told, figures), key=lambda one: one["name"] or ""))
    return found


def test_a_filtered_chart_is_of_the_traces_that_the_list_shows(traces: Scope) -> None:
    for query in QUERIES:
        filters = search.parse_query(query)
        chart = search.chart(traces, filters)
        listed = search.list_traces(traces, filters).traces

        assert chart, query
        assert chart.whole.count == len(listed) > 0, query
        assert chart.whole.errors == sum(row.status == "error" for row in listed), query
        assert chart.whole.tokens_in == sum(row.tokens_in or 0 for row in listed), query
        assert not chart.is_rounded


def test_what_is_added_up_while_it_is_read_says_what_single_traces_say(
    traces: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    singly = drawn(traces)

    monkeypatch.setattr(streamed, "EXACT_MAX", 0)

    assert drawn(traces) == singly


def test_percentiles_of_many_are_one_percent_off_at_most_and_the_chart_says_so(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(scope, *(root_of(0, duration_ms=float(ms)) for ms in range(1, 1_002)))
    filters = search.parse_query("latency_ms > 500")
    exact = search.chart(scope, filters)
    monkeypatch.setattr(streamed, "EXACT_MAX", 100)

    rounded = search.chart(scope, filters)

    assert exact
    assert rounded
    assert (exact.is_rounded, rounded.is_rounded) == (False, True)
    assert rounded.whole.count == exact.whole.count == 501
    assert exact.whole.latency_ms_p95 == 976
    assert rounded.whole.latency_ms_p95 == pytest.approx(976, rel=0.01)


def test_too_little_memory_is_said_and_what_to_do_about_it(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path / "home", lake_memory_mb=24))
    try:
        with (
            pytest.raises(Unavailable, match="24 MB") as refused,
            store.lake.reading(()) as reading,
        ):
            reading.rows("SELECT length(list(range)) FROM range(20_000_000)")
    finally:
        store.close()

    assert refused.value.code == "lake_out_of_memory"
    assert "LINESIDE_LAKE_MEMORY_MB" in (refused.value.hint or "")
