"""To read history anew gives what receiving it anew would, and to do so twice changes nothing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Settings
from lineside.store import Store, open_store
from lineside.traces import (
    Span,
    marks,
    open_traces,
    payloads,
    record_spans,
    rewriting,
    search,
    unclaimed,
)
from lineside.traces.queries import MODEL_CALLS, SPANS, TRACES
from lineside.traces.rewriting import batches
from lineside.traces.scores import list_scores
from lineside.trust import Scope, local_scope
from traces.otlp_messages import attributes, message, take

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TABLES = (SPANS, TRACES, MODEL_CALLS)


@pytest.fixture
def scope(installation: Store) -> Scope:
    return local_scope(installation)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Scope]:
    """An installation in which services are claimed before anything comes."""
    store = open_store(Settings(home=tmp_path / "fresh"))
    open_traces(store)
    yield local_scope(store)
    store.close()


def sent(number: int, parent: int | None, trace: int = 1, **named: str) -> dict[str, Any]:
    """A call as other programs send it, with a score and a cost in it."""
    nanoseconds = str(int((NOON + timedelta(seconds=number)).timestamp()) * 10**9)
    score = attributes(gen_ai__evaluation__name="grounded")
    score.append({"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}})
    event = {"name": "gen_ai.evaluation.result", "timeUnixNano": nanoseconds, "attributes": score}
    usage = {"key": "gen_ai.usage.input_tokens", "value": {"intValue": str(100 * number)}}
    usual = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "gpt-4o"}
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": "" if parent is None else f"{parent:016x}",
        "startTimeUnixNano": nanoseconds,
        "endTimeUnixNano": nanoseconds,
        "attributes": [*attributes(**(usual | named)), usage],
        "events": [event],
    }


def own(number: int, parent: int | None, use_case: str | None, trace: int) -> Span:
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        use_case=use_case,
        name="own",
        started_at=NOON + timedelta(seconds=number),
        duration_ms=5.0,
    )


BODIES = (
    # One trace of two services, of which one is claimed later, and of a third that has none.
    message(sent(1, None), sent(2, 1), service__name="desk"),
    message(sent(3, 2), sent(4, 9), service__name="mail"),
    message(sent(5, 3), sent(6, 1)),
    # One that names its use case at the root only, and a step below that is claimed.
    message(sent(11, None, 2, lineside__usecase="shop"), sent(12, 11, 2)),
    message(sent(13, 12, 2), service__name="desk"),
    message(sent(21, None, 3), service__name="mail"),
    message(sent(22, 21, 3), service__name="desk"),
)


def receive(scope: Scope, *, flushes: bool) -> None:
    for body in BODIES:
        take(scope, body, use_cases=("shop", "orders"))
        if flushes:
            scope.store.flusher.flush()
    record_spans(scope, [own(31, 30, None, 4)]).result()
    if flushes:
        scope.store.flusher.flush()
    record_spans(scope, [own(30, None, "shop", 4), own(32, None, "orders", 1)]).result()
    scope.store.flusher.flush()


def claim(scope: Scope) -> None:
    unclaimed.claim_service(scope, "desk", use_case="orders", use_cases=["orders", "shop"])


def rows(scope: Scope) -> dict[str, list[str]]:
    """All rows that are made of steps, but when those came."""
    with scope.store.lake.reading(TABLES) as reading:
        return {
            table.name: sorted(
                json.dumps(row | {"arrived_at": None}, default=str, sort_keys=True)
                for row in reading.rows(f"SELECT * FROM {{{table.name}}}")  # noqa: S608 # our own name
            )
            for table in TABLES
        }


def told(scope: Scope) -> Any:
    listed = {(one.trace_id, one.use_case): one for one in search.list_traces(scope).traces}
    figures = [
        sorted(search.figures(scope, by=by), key=lambda one: one.name or "")
        for by in ("use_case", "model", "service")
    ]
    scores = [(one.trace_id, one.span_id, one.use_case) for one in list_scores(scope)]
    return listed, figures, sorted(scores, key=str)


def test_what_was_claimed_or_read_anew_is_what_is_received_anew(scope: Scope, fresh: Scope) -> None:
    claim(fresh)
    receive(fresh, flushes=False)
    receive(scope, flushes=True)
    trace_id = f"{1:032x}"
    marks.tag_trace(scope, trace_id, "odd")
    claim(scope)
    scope.store.upkeep.run()

    claimed = told(scope)
    rewriting.remap(scope, everything=True)
    again = rows(scope), told(scope)
    rewriting.remap(scope, everything=True)

    assert claimed == told(fresh)
    assert again == (rows(scope), told(scope))
    assert again[0] == rows(fresh)
    assert [one.text for one in marks.marks_on(scope, trace_id)] == ["odd"]


def test_long_texts_of_many_traces_are_read_anew_a_few_at_a_time(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "Whole", partial(payloads.Whole, bytes_max=300_000))
    words = [f"parcel {number} " + f"aardvark{number} " * 10_000 for number in range(5)]
    for number, said in enumerate(words):
        span = own(1, None, None, 50 + number)
        record_spans(scope, [span.model_copy(update={"input": said})]).result()
    scope.store.flusher.flush()

    done = rewriting.remap(scope, everything=True)

    lines = [row.input or "" for row in search.list_traces(scope).traces]
    assert sum(line.startswith("parcel") for line in lines) == 5
    assert done.traces_left == 0
