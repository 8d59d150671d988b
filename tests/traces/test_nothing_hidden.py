"""What happens to some traces hides none of the others, whatever they are looked for by."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from lineside.core import now
from lineside.store import upkeep
from lineside.traces import (
    Span,
    get_trace,
    mapping,
    new_span_id,
    new_trace_id,
    record_spans,
    rewriting,
    search,
    sessions,
)
from lineside.traces.reading import open_reading
from lineside.trust import Scope
from traces.conftest import come_when_begun

START = (now() - timedelta(days=20)).replace(hour=12)
FLUSHES, EACH = 3, 12  # as many as are worth a file


class Kept:
    """Traces as they were sent, in flushes that differ in all that can be asked for."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.all: dict[str, dict[str, Any]] = {}
        for number in range(FLUSHES):
            self.flush(number)
        files = scope.store.home / "lake" / "data" / "main" / "traces"
        assert len(list(files.iterdir())) == FLUSHES

    def flush(self, number: int) -> None:
        for place in range(EACH):
            is_last = number == FLUSHES - 1
            user = "ann" if is_last and place == 0 else f"u{number}"
            self._keep(number, place, user, "brief" if is_last and place == 1 else "lasting")
        self.scope.store.flusher.flush()
        self.scope.store.upkeep.run()

    def _keep(self, number: int, place: int, user: str, use_case: str) -> None:
        trace_id, root_id = new_trace_id(), new_span_id()
        at = START + timedelta(days=number, minutes=place)
        root = Span(
            trace_id=trace_id,
            span_id=root_id,
            name="answer",
            kind="agent",
            use_case=use_case,
            user_id=user,
            session_id=f"session {number}" if number else None,
            status="error" if number == 1 else "ok",
            started_at=at,
            duration_ms=1_000.0 * (number + 1),
        )
        call = Span(
            trace_id=trace_id,
            span_id=new_span_id(),
            parent_span_id=root_id,
            name="chat",
            kind="model",
            model="house-model",
            started_at=at,
            duration_ms=5.0,
            tokens_in=100 * number if number else None,
            cost_usd=0.5 * number if number else None,
        )
        record_spans(self.scope, [root, call]).result()
        self.all[trace_id] = {
            "number": number,
            "started_at": at,
            "user": user,
            "use_case": use_case,
            "latency_ms": root.duration_ms,
            "tokens_in": call.tokens_in,
            "cost_usd": call.cost_usd,
            "errors": int(number == 1),
        }

    def lose(self, field: str, value: str) -> None:
        self.all = {key: one for key, one in self.all.items() if one[field] != value}

    def those(self, condition: Callable[[dict[str, Any]], bool]) -> set[str]:
        return {trace_id for trace_id, one in self.all.items() if condition(one)}

    def all_are_found(self) -> None:
        scope = self.scope
        with open_reading(scope) as reading:
            missed = [one for one in self.all if not reading.stretch(scope.workspace, one)]
        assert missed == []
        for trace_id in {one["number"]: trace_id for trace_id, one in self.all.items()}.values():
            assert len(get_trace(scope, trace_id)) == 2
        assert found(scope, "") == set(self.all)
        assert found(scope, "errors > 0") == self.those(lambda one: one["errors"] > 0)
        assert found(scope, "errors = 0") == self.those(lambda one: one["errors"] == 0)
        for field, bound in (("tokens_in", 150), ("cost_usd", 0.6), ("latency_ms", 2_500)):
            above = self.those(lambda one, f=field, b=bound: (one[f] or 0) > b)
            below = self.those(lambda one, f=field, b=bound: one[f] is not None and one[f] <= b)
            assert found(scope, f"{field} > {bound}") == above, field
            assert found(scope, f"{field} <= {bound}") == below, field
        for number in {one["number"] for one in self.all.values()}:
            start = START.replace(hour=0) + timedelta(days=number)
            day = f"since {plain(start)} and until {plain(start + timedelta(days=1))}"
            sent = self.those(lambda one, n=number: one["number"] == n)
            assert found(scope, day) == sent
            user = f"user = u{number}"
            assert found(scope, user) == self.those(lambda one, n=number: one["user"] == f"u{n}")
            if number:
                session = sessions.get_session(scope, f"session {number}")
                assert {row.trace_id for row in session.traces} == sent
        self._all_are_counted()

    def _all_are_counted(self) -> None:
        chart = search.chart(self.scope)
        assert chart
        (whole,) = search.figures(self.scope, by="service")
        for figures in (chart.whole, whole):
            assert figures.count == len(self.all)
            assert figures.errors == len(self.those(lambda one: one["errors"] > 0))
            assert figures.tokens_in == sum(one["tokens_in"] or 0 for one in self.all.values())
            assert figures.cost_usd == sum(one["cost_usd"] or 0 for one in self.all.values())


def found(scope: Scope, query: str) -> set[str]:
    page = search.list_traces(scope, search.parse_query(query), limit=200)
    return {row.trace_id for row in page.traces}


def plain(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M")


def erase(kept: Kept) -> None:
    assert rewriting.erase(kept.scope, user="ann").traces == 1
    kept.lose("user", "ann")


def retain(kept: Kept) -> None:
    come_when_begun(kept.scope.store)
    rewriting.retain(kept.scope, "brief", days=1)
    kept.scope.store.upkeep.run()
    kept.lose("use_case", "brief")


def remap(kept: Kept) -> None:
    at = START + timedelta(days=1, hours=2)
    begins = int(at.timestamp()) * 10**9
    raw = mapping.RawSpan(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="chat",
        start_ns=begins,
        end_ns=begins + 10**9,
        attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"},
    )
    badly = mapping.map_span(raw).model_copy(update={"kind": "step", "mapping": 1})
    record_spans(kept.scope, [badly]).result()
    kept.scope.store.flusher.flush()
    assert rewriting.remap(kept.scope).changed == 1
    assert rewriting.erase(kept.scope, trace=raw.trace_id).traces == 1


def test_no_trace_is_hidden_by_what_happens_to_others(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(scope)

    for way in (erase, retain, remap):
        way(kept)
        kept.all_are_found()
    kept.flush(FLUSHES)
    kept.all_are_found()

    monkeypatch.setattr(upkeep, "SMALL_FILES_MAX", 1)
    assert scope.store.upkeep.run().merged
    kept.flush(FLUSHES + 1)
    kept.all_are_found()
