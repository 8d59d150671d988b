"""Steps that come before what says whose they are: upkeep puts them where they belong."""

import dataclasses
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lineside.store import Store
from lineside.traces import Span, record_spans, rewriting, search, sums
from lineside.traces.rewriting.queries import STEPS_TABLES
from lineside.traces.sums import keeping
from lineside.trust import Scope, local_scope

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TRACE = "a1" * 16
OTHER = "b2" * 16


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def step(
    number: int, parent: int | None, use_case: str | None = None, trace_id: str = TRACE, **more: Any
) -> Span:
    usual: dict[str, Any] = {"name": f"step {number}", "duration_ms": 100.0 - number}
    return Span(
        trace_id=trace_id,
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        use_case=use_case,
        started_at=NOON + timedelta(seconds=number),
        **(usual | more),
    )


def call(number: int, parent: int, **more: Any) -> Span:
    paid: dict[str, Any] = {"kind": "model", "model": "house", "tokens_in": 10, "cost_usd": 0.25}
    return step(number, parent, **(paid | more))


def mixed() -> list[Span]:
    """A root of one use case with steps of none below, some of another, and some of nobody."""
    return [
        step(1, None, "shop"),
        step(2, 1),
        call(3, 2),
        step(4, 3),
        step(5, 1, "mail"),
        call(6, 5),
        step(7, 99),
        call(8, 7),
        # The same id from two: whose the step below is, nobody can tell.
        step(9, 1, "shop"),
        step(9, 5, "mail"),
        call(10, 9),
        step(11, 10),
        step(21, 22, trace_id=OTHER),
        step(22, None, trace_id=OTHER, use_case="shop"),
    ]


def told(scope: Scope) -> Any:
    rows = search.list_traces(scope).traces
    lines = {
        (row.trace_id, row.use_case): row.model_copy(update={"models": sorted(row.models)})
        for row in rows
    }
    assert len(lines) == len(rows)
    figures = [
        sorted(search.figures(scope, by=by), key=lambda one: one.name or "")
        for by in ("use_case", "model")
    ]
    return lines, figures


@pytest.mark.parametrize("seed", range(5))
def test_steps_in_any_order_and_batches_are_those_of_one_batch(scope: Scope, seed: int) -> None:
    whole = dataclasses.replace(scope, workspace=f"{scope.workspace}whole")
    record_spans(whole, mixed()).result()
    dice, spans = random.Random(seed), mixed()  # noqa: S311 # an order
    dice.shuffle(spans)
    while spans:
        size = dice.randint(1, 5)
        record_spans(scope, spans[:size]).result()
        spans = spans[size:]
        scope.store.flusher.flush()
        if dice.random() < 0.3:
            scope.store.upkeep.run()
    scope.store.upkeep.run()

    assert told(scope) == told(whole)
    assert strays(scope.store) == 0


def test_nothing_is_done_where_what_is_above_never_comes(scope: Scope) -> None:
    record_spans(scope, [step(7, 99), step(1, None, "shop")]).result()
    scope.store.flusher.flush()
    record_spans(scope, [call(8, 7), step(2, 1)]).result()
    scope.store.flusher.flush()

    assert strays(scope.store) == 0


def test_sums_say_what_single_traces_say_once_steps_are_placed(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "TRACES_MIN", 1)
    record_spans(scope, [step(2, 1), call(3, 2), call(31, 30, trace_id=OTHER)]).result()
    record_spans(scope, [step(51, None, trace_id="c3" * 16), call(6, 2)]).result()
    scope.store.flusher.flush()
    sums.add_up(scope.store)
    record_spans(scope, [step(1, None, "shop"), step(30, None, "shop", OTHER)]).result()
    scope.store.flusher.flush()
    assert strays(scope.store) == 2
    made = rows_of_sums(scope.store)

    assert rewriting.place_strays(scope.store) == 2

    by_model = {
        name: search.figures(scope, search.read_filters(use_case=name), by="model")
        for name in ("shop", "unclaimed")
    }
    assert rows_of_sums(scope.store) > made
    assert [one.count for one in by_model["shop"]] == [3]
    assert by_model["unclaimed"] == []
    figures = search.figures(scope, by="model")
    assert [(one.count, one.cost_usd) for one in figures] == [(3, 0.75)]
    assert {one.name: one.count for one in search.figures(scope)} == {"shop": 2, None: 1}


def test_what_is_erased_is_no_stray_any_more(installation: Store) -> None:
    scope, gone = local_scope(installation), "d4" * 16
    for spans in ([step(2, 1, None, gone)], [step(1, None, "shop", gone)]):
        record_spans(scope, spans).result()
        scope.store.flusher.flush()
    assert strays(scope.store) == 1

    rewriting.erase(scope, trace=gone)

    assert strays(scope.store) == 0


def strays(store: Store) -> int:
    with store.lake.reading(STEPS_TABLES) as reading:
        (counted,) = reading.rows("SELECT count(*) AS rows FROM {strays}")
    return int(counted["rows"])


def rows_of_sums(store: Store) -> int:
    with store.lake.reading([keeping.queries.TRACE_SUMS]) as reading:
        (counted,) = reading.rows("SELECT count(*) AS rows FROM {trace_sums}")
    return int(counted["rows"])
