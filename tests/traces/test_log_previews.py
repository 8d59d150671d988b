"""Lists, sessions, search and exports know what only log records beside a call say of it."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from lineside.store import Store
from lineside.traces import logs, open_traces, receive, search, sessions, views
from lineside.trust import Scope, local_scope
from traces.otlp_messages import MIB, attributes, message, take

SECOND_NS = 10**9
ORDERS = [
    ("span", "asked", "answered"),
    ("asked", "span", "answered"),
    ("answered", "asked", "span"),
]


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def call(trace_id: str, span_id: str, at_ns: int, **more: Any) -> bytes:
    named = attributes(gen_ai__operation__name="chat", session__id="talk")
    times = {"startTimeUnixNano": str(at_ns), "endTimeUnixNano": str(at_ns + SECOND_NS)}
    return message(
        {"traceId": trace_id, "spanId": span_id, "name": "chat", "attributes": named, **times}
        | more
    )


def tell(scope: Scope, trace_id: str, span_id: str, at_ns: int, name: str, content: str) -> None:
    record = {
        "timeUnixNano": str(at_ns),
        "traceId": trace_id,
        "spanId": span_id,
        "eventName": name,
        "body": {"kvlistValue": {"values": attributes(content=content)}},
    }
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    logs.receive_logs(
        scope, body, media_type=receive.JSON, encoding="", bytes_max=MIB, use_cases=()
    ).durable.result()


@pytest.mark.parametrize("is_flushed", [True, False], ids=["in batches", "in one batch"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_call_told_of_by_log_records_is_shown_and_found_in_whatever_order_it_came(
    scope: Scope, order: tuple[str, ...], is_flushed: bool
) -> None:
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    at_ns = time.time_ns() - 60 * SECOND_NS
    send: dict[str, Callable[[], object]] = {
        "span": lambda: take(scope, call(trace_id, span_id, at_ns)),
        "asked": lambda: tell(
            scope, trace_id, span_id, at_ns + 1_000, "gen_ai.user.message", "Where is my parcel?"
        ),
        "answered": lambda: tell(
            scope, trace_id, span_id, at_ns + 2_000, "gen_ai.choice", "Near the zebra"
        ),
    }
    for part in (*order, *order):
        send[part]()
        if is_flushed:
            scope.store.flusher.flush()

    expected = (trace_id, "Where is my parcel?", "Near the zebra", 1)
    listed = search.list_traces(scope).traces
    session = sessions.get_session(scope, "talk").traces
    split = search.list_traces(scope, search.parse_query('text ~ "parcel zeb"')).traces
    for rows in (listed, session, split):
        assert [(row.trace_id, row.input, row.output, row.steps) for row in rows] == [expected]
    [[step]] = search.spans_of(scope)
    assert (step.input, step.output) == expected[1:3]


def test_the_first_question_and_the_last_answer_stand_for_a_trace_unless_its_steps_say_so(
    scope: Scope,
) -> None:
    trace_id = secrets.token_hex(16)
    root_id, first_id, last_id = (secrets.token_hex(8) for _ in range(3))
    at_ns = time.time_ns() - 60 * SECOND_NS
    for place, (span_id, question, answer) in enumerate(
        [(first_id, "Which one?", "This"), (last_id, "And then?", "That")]
    ):
        began_ns = at_ns + place * SECOND_NS
        take(scope, call(trace_id, span_id, began_ns, parentSpanId=root_id))
        tell(scope, trace_id, span_id, began_ns + 1_000, "gen_ai.system.message", "Be brief")
        tell(scope, trace_id, span_id, began_ns + 2_000, "gen_ai.user.message", question)
        tell(scope, trace_id, span_id, began_ns + 3_000, "gen_ai.choice", answer)
    [row] = search.list_traces(scope).traces
    assert (row.input, row.output) == ("Which one?", "That")

    take(scope, call(trace_id, root_id, at_ns, attributes=attributes(lineside__output="Both")))

    [row] = search.list_traces(scope).traces
    assert (row.input, row.output) == ("Which one?", "Both")


def test_traces_that_differ_only_in_what_log_records_say_differ_beside_each_other(
    scope: Scope,
) -> None:
    at_ns = time.time_ns() - 60 * SECOND_NS
    ids = [secrets.token_hex(16) for _ in range(3)]
    for place, (trace_id, answer) in enumerate(zip(ids, ["Here", "Here", "There"], strict=True)):
        span_id, began_ns = secrets.token_hex(8), at_ns + place * SECOND_NS
        take(scope, call(trace_id, span_id, began_ns))
        for _ in range(1 + place):
            tell(scope, trace_id, span_id, began_ns, "gen_ai.choice", answer)

    same, changed = (views.diff_traces(scope, ids[0], other) for other in ids[1:])

    assert (same.number_of("same"), changed.number_of("changed")) == (1, 1)
    [parts] = changed.parts.values()
    assert "There" in repr(parts)


def test_records_of_a_call_that_has_not_come_are_no_trace_yet(scope: Scope) -> None:
    tell(scope, secrets.token_hex(16), "b" * 16, time.time_ns(), "gen_ai.user.message", "Hello")
    scope.store.flusher.flush()

    assert search.list_traces(scope).traces == ()
    assert search.list_traces(scope, search.parse_query("text ~ hello")).traces == ()


def test_words_that_came_in_different_batches_are_found_together_on_each_database(
    store: Store,
) -> None:
    open_traces(store)
    scope = local_scope(store)
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    at_ns = time.time_ns() - 60 * SECOND_NS
    tell(scope, trace_id, span_id, at_ns, "gen_ai.user.message", "Where is my parcel?")
    store.flusher.flush()
    tell(scope, trace_id, span_id, at_ns, "gen_ai.choice", "Near the zebra")
    store.flusher.flush()
    take(scope, call(trace_id, span_id, at_ns))

    def found(words: str) -> list[str]:
        page = search.list_traces(scope, search.read_filters(text=words))
        return [row.trace_id for row in page.traces]

    assert found("parcel zeb") == [trace_id]
    assert found("zebra where") == [trace_id]
    # Only the last word may be the beginning of one.
    assert found("parc zebra") == []
    assert found("parcel lion") == []
