"""Figures from sums say what figures from single traces say, whatever arrived and was taken out."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Settings
from lineside.store import Store, upkeep
from lineside.store import queries as store_queries
from lineside.traces import (
    Span,
    new_span_id,
    new_trace_id,
    record_spans,
    rewriting,
    search,
    sums,
    unclaimed,
)
from lineside.traces.sums import keeping
from lineside.trust import Scope
from traces.conftest import come_when_begun

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = "since 2026-03-01 and until 2026-03-09"
STRETCHES = ("", "since 2026-03-02T12:30 and until 2026-03-06T07:45")
SPLITS = (None, "use_case", "model")
FILTERED = (
    "release = v1",
    "service = desk and since 2026-03-02T12:30 and until 2026-03-06T07:45",
    'use_case != case-1 and release ~ v and arm = ""',
    "use_case = unclaimed and status = ok",
    "status = error",
)


@pytest.fixture
def settings(made_home: Path) -> Settings:
    return Settings(home=made_home)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sums be made of a handful of traces."""
    monkeypatch.setattr(keeping, "TRACES_MIN", 1)


def root_of(at: datetime, **given: Any) -> Span:
    fields: dict[str, Any] = {"name": "answer", "kind": "agent", "duration_ms": 100.0}
    ids = {"trace_id": new_trace_id(), "span_id": new_span_id()}
    return Span(**(fields | ids | given), started_at=at)


def call_of(root: Span, **given: Any) -> Span:
    fields: dict[str, Any] = {"duration_ms": 100.0, "model": "house-model", "tokens_in": 50}
    return Span(
        **(fields | {"use_case": root.use_case, "service": root.service} | given),
        trace_id=root.trace_id,
        span_id=new_span_id(),
        parent_span_id=root.span_id,
        name="chat",
        kind="model",
        started_at=root.started_at + timedelta(milliseconds=5),
    )


def keep(scope: Scope, *spans: Span) -> None:
    """Into the lake, in a batch of their own."""
    record_spans(scope, list(spans)).result()
    scope.store.flusher.flush()


def keep_some(scope: Scope) -> None:
    """Over some days: whole traces, one whose root came last, one that goes on, one without."""
    for number in range(12):
        root = root_of(
            NOON + number * 11 * HOUR,
            use_case=f"case-{number % 3}" if number % 4 else None,
            release=f"v{number % 2}",
            service="shop" if number % 2 else "desk",
            user_id=f"u{number}",
            status="error" if number == 5 else "ok",
        )
        keep(scope, root, call_of(root, cost_usd=0.25 if number % 2 else None))
    late = root_of(NOON + 30 * HOUR, use_case="case-1", status="error")
    keep(scope, call_of(late, model="other-model"))
    keep(scope, late)
    going_on = root_of(NOON + 50 * HOUR, use_case="case-2")
    keep(scope, going_on)
    keep(scope, call_of(going_on, tokens_in=None))
    keep(scope, call_of(root_of(NOON + 70 * HOUR)))
    keep(scope, root_of(NOON + 71 * HOUR, run_id="run-1", use_case="case-1"))


def drawn(
    scope: Scope,
    *,
    about: Callable[[float], Any] = float,
    queries: Sequence[str] = STRETCHES,
) -> list[Any]:
    """Every chart and every figure; all took as long, as percentiles of a few are put otherwise."""

    def told(figures: Any) -> dict[str, Any]:
        values = figures.model_dump(exclude={"latency_ms_p95", "latency_ms_p99"})
        return {
            name: about(value) if isinstance(value, float) else value
            for name, value in values.items()
        }

    found: list[Any] = []
    for query in queries:
        filters = search.parse_query(query)
        for by in SPLITS:
            chart = search.chart(scope, filters, by=by)
            assert chart
            found.append((chart.since, chart.width_seconds, chart.names, told(chart.whole)))
            found += [(one.start, [*map(told, one.of)]) for one in chart.moments]
            figures = search.figures(scope, filters, by=by or "use_case")
            found.append(sorted(map(told, figures), key=lambda one: one["name"] or ""))
    return found


@pytest.fixture
def told_singly(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What figures say without sums."""

    def tell(scope: Scope, queries: Sequence[str] = STRETCHES) -> list[Any]:
        def nearly(value: float) -> Any:
            return pytest.approx(value, rel=0.011)

        with monkeypatch.context() as patch:
            patch.setattr("lineside.traces.reading.made", lambda _: None)
            return drawn(scope, about=nearly, queries=queries)

    return tell


def test_sums_say_what_single_traces_say(scope: Scope, told_singly: Any) -> None:
    keep_some(scope)

    assert sums.add_up(scope.store) > 0

    assert drawn(scope) == told_singly(scope)


def test_filters_on_what_sums_are_kept_apart_by_are_read_from_them(
    scope: Scope, told_singly: Any
) -> None:
    keep_some(scope)
    root = root_of(NOON + 40 * HOUR, use_case="case-1", release="v1", service="desk")
    keep(scope, root)
    # What comes later of it says less than its root did.
    keep(scope, call_of(root, use_case=None))

    sums.add_up(scope.store)

    assert drawn(scope, queries=FILTERED) == told_singly(scope, FILTERED)
    chart = search.chart(scope, search.parse_query("release = v1"))
    assert chart
    listed = search.list_traces(scope, search.parse_query("release = v1")).traces
    assert (chart.is_rounded, chart.whole.count) == (True, len(listed))
    assert chart.whole.tokens_in == sum(row.tokens_in or 0 for row in listed)


def test_what_came_after_the_sums_is_added(scope: Scope, told_singly: Any) -> None:
    keep_some(scope)
    sums.add_up(scope.store)

    keep_some(scope)
    waiting = root_of(NOON + 12 * HOUR, use_case="case-1")
    record_spans(scope, [waiting, call_of(waiting)]).result()

    assert drawn(scope) == told_singly(scope)
    sums.add_up(scope.store)
    assert drawn(scope) == told_singly(scope)


def test_sums_outlive_that_files_are_merged(
    scope: Scope, told_singly: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_some(scope)
    sums.add_up(scope.store)
    out_of_catalogue(scope.store)
    keep(scope, root_of(NOON + 3 * HOUR))
    out_of_catalogue(scope.store)
    monkeypatch.setattr(upkeep, "SMALL_FILES_MAX", 0)
    monkeypatch.setattr(keeping, "TRACES_MIN", 1_000)

    assert scope.store.upkeep.run().merged > 0

    assert drawn(scope) == told_singly(scope)


def test_what_is_erased_is_in_no_sum(scope: Scope, told_singly: Any) -> None:
    keep_some(scope)
    sums.add_up(scope.store)

    rewriting.erase(scope, user="u5")

    assert rows_of_sums(scope.store) == 0
    assert drawn(scope) == told_singly(scope)
    sums.add_up(scope.store)
    keep(scope, root_of(NOON + 3 * HOUR))
    assert drawn(scope) == told_singly(scope)
    assert sum(one.errors for one in search.figures(scope)) == 1, "that of `late` is left"


def test_files_written_anew_leave_no_sum_that_would_count_twice(
    scope: Scope, told_singly: Any
) -> None:
    keep_some(scope)
    rewriting.erase(scope, user="u5", only_look=True)
    sums.add_up(scope.store)

    scope.store.upkeep.run(rewrites=True)

    assert rows_of_sums(scope.store) == 0
    assert drawn(scope) == told_singly(scope)


def test_what_is_kept_no_longer_is_in_no_sum(scope: Scope, told_singly: Any) -> None:
    keep_some(scope)
    keep(scope, root_of(datetime.now(UTC), use_case="case-1"))
    sums.add_up(scope.store)
    come_when_begun(scope.store)
    rewriting.retain(scope, "case-1", days=2)

    assert rewriting.apply_retention(scope)

    sums.add_up(scope.store)
    assert {one.name: one.count for one in search.figures(scope)}["case-1"] == 1
    assert drawn(scope) == told_singly(scope)


def test_claimed_and_mapped_again_traces_are_summed_up_anew(scope: Scope, told_singly: Any) -> None:
    keep_some(scope)
    sums.add_up(scope.store)
    before = {one.name: one.count for one in search.figures(scope)}

    unclaimed.claim_service(scope, "desk", use_case="case-9", use_cases=["case-9"])

    claimed = {one.name: one.count for one in search.figures(scope)}
    assert claimed["case-9"] == 3
    assert sum(claimed.values()) == sum(before.values())
    sums.add_up(scope.store)
    rewriting.remap(scope, everything=True)
    sums.add_up(scope.store)
    assert drawn(scope) == told_singly(scope)


def test_percentiles_of_sums_are_one_percent_off_at_most(scope: Scope) -> None:
    spans = [root_of(NOON, duration_ms=float(ms)) for ms in range(1, 1002)]
    keep(scope, *spans, root_of(NOON + 60 * HOUR, duration_ms=0.0))
    sums.add_up(scope.store)

    chart = search.chart(scope, search.parse_query(DAYS))

    assert chart
    (most,) = chart.moments[0].of
    assert most.latency_ms_p50 == pytest.approx(501, rel=0.01)
    assert most.latency_ms_p95 == pytest.approx(951, rel=0.01)
    assert most.latency_ms_p99 == pytest.approx(991, rel=0.01)
    assert chart.moments[1].of[0].latency_ms_p99 == 0


def test_workspaces_are_summed_up_apart(scope: Scope) -> None:
    other = Scope(scope.store, "other", scope.actor, scope.rights)
    keep(scope, root_of(NOON))
    keep(other, root_of(NOON), root_of(NOON))
    sums.add_up(scope.store)

    assert [one.count for one in search.figures(scope)] == [1]
    assert [one.count for one in search.figures(other)] == [2]


def out_of_catalogue(store: Store) -> None:
    """Have rows of small commits lie in files of their own."""
    for table in store.flusher.tables():
        store.lake.run([table], store_queries.LAKE_OUT_OF_CATALOGUE, [table.name])


def rows_of_sums(store: Store) -> int:
    with store.lake.reading([keeping.queries.TRACE_SUMS]) as reading:
        (counted,) = reading.rows("SELECT count(*) AS rows FROM {trace_sums}")
    return int(counted["rows"])
