"""Figures over time, split and covered; what is not known; and traces as they arrive."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Invalid, Settings, now
from lineside.store import Store
from lineside.traces import (
    Span,
    new_span_id,
    new_trace_id,
    record_spans,
    search,
)
from lineside.traces.search import counted
from lineside.trust import Scope

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(made_home: Path) -> Settings:
    return Settings(home=made_home)


def keep(scope: Scope, at: datetime, *, cost_usd: float | None = None, **root: Any) -> str:
    """A trace of an agent and its model call, which has a cost or not."""
    trace_id = new_trace_id()
    fields: dict[str, Any] = {"trace_id": trace_id, "started_at": at, "duration_ms": 100.0}
    first = Span(**(fields | {"name": "answer", "kind": "agent"} | root), span_id=new_span_id())
    call = Span(
        **fields,
        span_id=new_span_id(),
        parent_span_id=first.span_id,
        name="chat",
        kind="model",
        model="house-model",
        tokens_in=50,
        cost_usd=cost_usd,
    )
    record_spans(scope, [first, call]).result()
    return trace_id


def test_a_chart_counts_each_bucket_and_says_what_its_cost_covers(scope: Scope) -> None:
    for hours, cost in ((0, 0.25), (0, None), (30, 0.5), (59, None)):
        status = "error" if hours == 59 else "ok"
        keep(scope, NOON + hours * HOUR, cost_usd=cost, status=status)

    chart = search.chart(scope, search.parse_query("until 2026-03-05T00:00"))

    assert chart
    assert (chart.width_seconds, chart.names) == (3600, (None,))
    assert [(moment.start, moment.of[0].count) for moment in chart.moments] == [
        (NOON, 2),
        (NOON + 30 * HOUR, 1),
        (NOON + 59 * HOUR, 1),
    ]
    assert (chart.whole.count, chart.whole.errors) == (4, 1)
    assert (chart.whole.cost_usd, chart.whole.cost_known) == (0.75, 0.5)
    assert chart.moments[2].of[0].cost_usd is None, "not known is not free"


def test_a_chart_of_too_many_that_hold_a_word_says_since_when_all_are_in_it(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in range(4):
        keep(scope, NOON + hours * HOUR, input="a kettle")
    monkeypatch.setattr(counted, "WORDS_TRACES_MAX", 3)

    narrowed = search.chart(scope, search.parse_query("text ~ kettle and steps = 2"))
    whole = search.chart(scope, search.parse_query("steps = 2"))

    assert narrowed
    assert (narrowed.read_since, narrowed.whole.count) == (NOON + HOUR, 3)
    assert whole
    assert (whole.read_since, whole.whole.count) == (whole.since, 4)


def test_a_bucket_and_the_list_of_its_bounds_hold_the_same_traces(scope: Scope) -> None:
    inside = keep(scope, NOON)
    keep(scope, NOON + HOUR)
    filters = search.read_filters(since="2026-03-02T12:00", until="2026-03-02T13:00")

    chart = search.chart(scope, filters)

    assert chart
    assert chart.whole.count == 1
    assert [row.trace_id for row in search.list_traces(scope, filters).traces] == [inside]


def test_names_beyond_the_most_frequent_are_one(scope: Scope) -> None:
    for number, count in enumerate((4, 3, 1, 1)):
        for _ in range(count):
            keep(scope, NOON, user_id=f"u{number}")
    keep(scope, NOON)

    chart = search.chart(scope, search.parse_query("since 2026-03-01"), by="user", names_max=2)

    assert chart
    assert chart.names == ("u0", "u1", search.OTHERS)
    assert {one.name: one.count for one in chart.moments[0].of} == {
        "u0": 4,
        "u1": 3,
        search.OTHERS: 3,
    }


def test_an_attribute_splits_and_filters(scope: Scope) -> None:
    raw = {"attributes": {"customer.tier": "gold"}, "resource": {"deployment/zone": "eu"}}
    gold = keep(scope, NOON, raw=raw)
    own = keep(scope, NOON, attributes={"customer.tier": "free"})
    keep(scope, NOON)

    tiers = search.figures(scope, by="attribute.customer.tier")
    zones = search.figures(scope, by="attribute.deployment/zone")
    found = search.list_traces(scope, search.parse_query("attribute.customer.tier = gold"))
    others = search.list_traces(scope, search.parse_query("attribute.customer.tier != gold"))
    similar = search.list_traces(scope, search.parse_query('attribute.customer.tier ~ "FRE"'))

    assert {one.name: one.count for one in tiers} == {"gold": 1, "free": 1, None: 1}
    assert {one.name: one.count for one in zones} == {"eu": 1, None: 2}
    assert [row.trace_id for row in found.traces] == [gold]
    assert len(others.traces) == 2
    assert [row.trace_id for row in similar.traces] == [own]


def test_what_is_not_known_can_be_asked_for(scope: Scope) -> None:
    nobody = keep(scope, NOON)
    keep(scope, NOON, user_id="u1")

    found = search.list_traces(scope, search.parse_query('user = ""'))

    assert [row.trace_id for row in found.traces] == [nobody]


def test_no_chart_is_split_by_what_traces_do_not_have(scope: Scope) -> None:
    with pytest.raises(Invalid, match="Traces cannot be split by `modle`") as refused:
        search.chart(scope, by="modle")

    assert refused.value.hint == "Did you mean `model`?"


def test_a_clock_that_is_wrong_leaves_a_chart_of_few_buckets(scope: Scope) -> None:
    keep(scope, datetime(1970, 1, 1, tzinfo=UTC))
    keep(scope, NOON)

    chart = search.chart(scope)

    assert chart
    assert (chart.until - chart.since).total_seconds() / chart.width_seconds <= 61


def test_what_arrives_is_seen_whenever_it_began_and_after_the_cursor_alone(
    scope: Scope, store: Store
) -> None:
    keep(scope, NOON)
    store.flusher.flush()
    begin = search.arrivals(scope)

    late = keep(scope, NOON - 90 * 24 * HOUR, service="shop")
    waiting = search.arrivals(scope, after=begin.cursor)
    store.flusher.flush()
    moved = search.arrivals(scope, search.parse_query("service = shop"), after=begin.cursor)
    other = search.arrivals(scope, search.parse_query("service = desk"), after=begin.cursor)
    nothing = search.arrivals(scope, after=moved.cursor)

    assert begin.traces == ()
    assert [row.trace_id for row in waiting.traces] == [late], "before it is in the lake"
    assert [row.trace_id for row in moved.traces] == [late]
    assert (other.traces, nothing.traces) == ((), ())
    with pytest.raises(Invalid, match="no place in what arrives"):
        search.arrivals(scope, after="yesterday")


def test_arrivals_are_found_by_their_words(scope: Scope, store: Store) -> None:
    keep(scope, NOON, input="about a kettle")
    parcel = keep(scope, NOON, input="about a parcel")
    store.flusher.flush()

    found = search.arrivals(scope, search.read_filters(text="Parcel"), after="0")

    assert [row.trace_id for row in found.traces] == [parcel]


def test_a_clock_of_another_century_does_not_stretch_the_chart(scope: Scope) -> None:
    keep(scope, now() - HOUR)
    keep(scope, datetime(2500, 1, 1, tzinfo=UTC))

    chart = search.chart(scope, search.parse_query("since 1d"))

    assert chart
    assert (chart.whole.count, chart.ahead) == (1, 1)
    assert chart.until < now() + HOUR
    assert chart.width_seconds <= 1_800
    until = search.chart(scope, search.parse_query("since 2499-01-01 and until 2501-01-01"))
    assert until
    assert (until.whole.count, until.ahead) == (1, 0)


def test_only_clocks_that_are_ahead_leave_nothing_to_draw(scope: Scope) -> None:
    keep(scope, datetime(2500, 1, 1, tzinfo=UTC))

    assert search.chart(scope, search.parse_query("since 1d")) is None
