"""What Langfuse's clients before 5 say of a step in pieces, put together; written after what the
Python client 2.60 sends."""

import dataclasses
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from lineside.core import now
from lineside.traces import Span, get_trace, ingested, privacy, refusals, search
from lineside.traces.rewriting.erase import erase
from lineside.trust import Scope

START = datetime(2026, 11, 28, 11, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def event(kind: str, seconds: float, /, **body: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "type": kind, "timestamp": at(seconds), "body": body}


class Chat:
    """One trace with a step that looks something up and one that asks a model, as it is sent."""

    def __init__(self) -> None:
        self.id, self.lookup, self.answer = (str(uuid.uuid4()) for _ in range(3))
        self.trace_id = self.id.replace("-", "")

    def begun(self, **trace: Any) -> list[dict[str, Any]]:
        of_trace: dict[str, Any] = {"name": "support-chat", "input": {"q": "Where is my card?"}}
        whole = of_trace | {"userId": "u-7", "sessionId": f"s-{self.id}", "tags": ["beta"]}
        look: dict[str, Any] = {"id": self.lookup, "traceId": self.id, "name": "look-up"}
        ask: dict[str, Any] = {"id": self.answer, "traceId": self.id, "name": "answer"}
        asked = [{"role": "user", "content": "Where is my card?"}]
        return [
            event("trace-create", 0, id=self.id, timestamp=at(0), **whole | trace),
            event("span-create", 1, startTime=at(1), input="card", **look),
            event(
                "span-update", 2, endTime=at(2), output=["doc1"], id=self.lookup, traceId=self.id
            ),
            event(
                *("generation-create", 2),
                startTime=at(2),
                model="gpt-4o-mini",
                modelParameters={"temperature": "0.2"},
                input=asked,
                parentObservationId=self.lookup,
                **ask,
            ),
        ]

    def ended(self) -> list[dict[str, Any]]:
        said = {"role": "assistant", "content": "On its way."}
        used = {"input": 12, "output": 5}
        of_model = {"id": self.answer, "traceId": self.id, "endTime": at(4.5)}
        return [
            event("generation-update", 4.5, output=said, usage=used, **of_model),
            event("trace-create", 5, id=self.id, timestamp=at(5), output="On its way."),
        ]


@pytest.fixture
def chat() -> Chat:
    return Chat()


def send(scope: Scope, events: list[Any], **said: Any) -> ingested.EventsTaken:
    usual: dict[str, Any] = {"encoding": "", "bytes_max": 10**6, "use_cases": ("orders", "refunds")}
    return ingested.receive_events(scope, orjson.dumps({"batch": events}), **usual | said)


def whole(scope: Scope, chat: Chat) -> dict[str, Span]:
    """The steps of the trace by name, once nothing is waited for any more."""
    scope.store.flusher.flush(everything=True)
    return {step.name: step for step in get_trace(scope, chat.trace_id)}


def limited(scope: Scope, *use_cases: str) -> Scope:
    rights = frozenset({"ingest", "feedback", "read"})
    return dataclasses.replace(scope, rights=rights, use_cases=frozenset(use_cases))


def test_what_a_client_says_of_a_step_in_pieces_becomes_one_step(scope: Scope, chat: Chat) -> None:
    kept = send(scope, chat.begun()).ids + send(scope, chat.ended()).ids
    steps = whole(scope, chat)

    assert len(kept) == 6
    assert len(steps) == 3
    root, look, answer = steps["support-chat"], steps["look-up"], steps["answer"]
    assert (root.parent_span_id, look.parent_span_id) == (None, root.span_id)
    assert answer.parent_span_id == look.span_id
    assert (root.input, root.output) == ({"q": "Where is my card?"}, "On its way.")
    assert root.duration_ms == 4500.0
    assert (look.input, look.output, look.duration_ms) == ("card", ["doc1"], 1000.0)
    assert (answer.kind, answer.model, answer.input, answer.output) == (
        *("model", "gpt-4o-mini"),
        *("Where is my card?", "On its way."),
    )
    assert (answer.tokens_in, answer.tokens_out, answer.duration_ms) == (12, 5, 2500.0)
    assert {step.user_id for step in steps.values()} == {"u-7"}
    (row,) = search.list_traces(scope).traces
    assert (row.cost_usd, row.tags, row.steps) == (pytest.approx(4.8e-6), ("beta",), 3)


def test_pieces_are_one_step_in_whichever_order_and_however_often_they_come(
    apart: Scope, chat: Chat
) -> None:
    begun, ended = chat.begun(), chat.ended()
    for events in (ended, begun, begun, ended):
        send(apart, events)

    steps = whole(apart, chat)

    assert len(get_trace(apart, chat.trace_id)) == 3
    assert (steps["answer"].output, steps["answer"].tokens_in) == ("On its way.", 12)


def test_a_trace_is_seen_once_it_is_quiet(
    apart: Scope, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flushed_after(seconds: float) -> int:
        later = now() + timedelta(seconds=seconds)
        monkeypatch.setattr("lineside.traces.ingested.gathering.now", lambda: later)
        apart.store.flusher.flush()
        return len(get_trace(apart, chat.trace_id))

    send(apart, chat.begun())
    going_on = flushed_after(60)
    send(apart, chat.ended())

    assert [going_on, flushed_after(10), flushed_after(16)] == [0, 0, 3]


def test_what_never_ends_is_seen_after_two_minutes_without_an_end(
    apart: Scope, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(apart, chat.begun())
    later = now() + timedelta(minutes=2, seconds=1)
    monkeypatch.setattr("lineside.traces.ingested.gathering.now", lambda: later)
    apart.store.flusher.flush()

    (answer,) = (one for one in get_trace(apart, chat.trace_id) if one.name == "answer")
    assert answer.attributes["clock"] == "no_end"


def test_what_comes_after_a_step_was_seen_is_put_on_it(apart: Scope, chat: Chat) -> None:
    send(apart, chat.begun())
    before = whole(apart, chat)
    more = event("trace-create", 6, id=chat.id, tags=["late"], metadata={"plan": "pro"})
    new = {"id": secrets.token_hex(8), "traceId": chat.id, "name": "hand-off"}
    send(apart, [*chat.ended(), more, event("event-create", 6, startTime=at(6), **new)])

    after = whole(apart, chat)

    assert before["answer"].output is None
    assert {name: step.span_id for name, step in before.items()}.items() <= {
        name: step.span_id for name, step in after.items()
    }.items()
    answer, root = after["answer"], after["support-chat"]
    assert (answer.output, answer.tokens_in, answer.duration_ms) == ("On its way.", 12, 2500.0)
    assert answer.parent_span_id == after["look-up"].span_id
    assert (root.output, root.tags, root.input) == (
        *("On its way.", ("beta", "late")),
        before["support-chat"].input,
    )
    assert after["hand-off"].parent_span_id == root.span_id
    (row,) = search.list_traces(apart).traces
    assert (row.steps, row.tokens_in, row.cost_usd) == (4, 12, pytest.approx(4.8e-6))


def test_what_comes_later_is_put_on_a_step_with_a_large_payload_too(
    apart: Scope, chat: Chat
) -> None:
    large = "Where is my card? " * 5_000
    send(apart, chat.begun(input=large))
    whole(apart, chat)
    send(apart, chat.ended())

    root = whole(apart, chat)["support-chat"]

    assert (root.input, root.output) == (large, "On its way.")


def test_a_limited_key_changes_nothing_of_another_use_case(apart: Scope, chat: Chat) -> None:
    send(limited(apart, "orders"), chat.begun())
    before = whole(apart, chat)
    send(limited(apart, "refunds"), chat.ended())
    unnamed = send(limited(apart, "orders", "refunds"), chat.ended())
    named = send(limited(apart, "orders"), chat.begun(metadata={"lineside.usecase": "refunds"}))

    whole(apart, chat)

    of_orders = get_trace(limited(apart, "orders"), chat.trace_id)
    assert {step.name: step for step in of_orders} == before
    assert [len(unnamed.refused), len(named.refused)] == [2, 1]
    assert "the key is limited to orders, refunds" in unnamed.refused[0].error.message


def test_a_use_case_is_named_in_the_metadata(apart: Scope, chat: Chat) -> None:
    send(apart, chat.begun(metadata={"lineside.usecase": "orders"}))

    assert {step.use_case for step in whole(apart, chat).values()} == {"orders"}


def test_rules_of_masking_hold_for_what_waits_as_well(scope: Scope, chat: Chat) -> None:
    privacy.mask(scope, "email")
    send(scope, chat.begun(userId="ann@example.org", input={"q": "I am ann@example.org"}))

    waiting = scope.store.inbox.oldest("langfuse", rows_max=100, bytes_max=10**6)
    root = whole(scope, chat)["support-chat"]

    assert not any(b"ann@example" in one.payload for one in waiting)
    assert root.input == {"q": "I am [masked:email]"}
    assert root.user_id is not None
    assert root.user_id.startswith("[masked:email:")


def test_who_is_erased_leaves_nothing_that_waits(scope: Scope, chat: Chat) -> None:
    send(scope, chat.begun(userId="u-gone"))

    erased = erase(scope, user="u-gone")

    assert (erased.traces, erased.steps) == (1, 3)
    assert not scope.store.inbox.has("langfuse", workspace=scope.workspace)
    assert whole(scope, chat) == {}


def test_what_cannot_be_kept_is_named_and_costs_no_other(apart: Scope, chat: Chat) -> None:
    step = {"id": "a", "traceId": chat.id}
    bad = [
        "nonsense",
        event("sdk-log", 0, log="x"),
        event("span-create", 0, id="a"),
        event("span-create", 0, startTime="yesterday", **step),
        event("score-create", 0, name="helpful", traceId=chat.id),
        event("trace-create", 0, id=chat.id) | {"body": []},
    ]

    taken = send(apart, [*bad, *chat.begun()])

    said = [one.error.message for one in taken.refused]
    assert len(taken.ids) == 4
    assert len(said) == 6
    assert any("There is no event `sdk-log`" in one for one in said)
    assert any("no `traceId`" in one for one in said)
    assert any("no start time that can be read" in one for one in said)
    assert any("no number and no label" in one for one in said)
    apart.store.flusher.flush()
    counted = refusals.list_refusals(apart)
    assert {one.door for one in counted} == {"langfuse"}
    assert sum(one.count for one in counted) == 6


def test_odd_values_are_kept_as_near_as_can_be(apart: Scope, chat: Chat) -> None:
    deep: Any = "x"
    for _ in range(150):
        deep = [deep]
    odd = event("trace-create", 1, id=chat.id, metadata=[1], tags="beta", userId=7, input=deep)

    taken = send(apart, [odd, *chat.begun()])

    assert taken.refused == []
    assert len(whole(apart, chat)) == 3


def test_two_processes_that_gather_at_once_make_no_step_twice(apart: Scope, chat: Chat) -> None:
    send(apart, chat.begun())
    inbox = apart.store.inbox
    ids = [one.id for one in inbox.oldest("langfuse", rows_max=100, bytes_max=10**6) if one.id]

    first, second = inbox.exchange(ids, []), inbox.exchange(ids, [])

    assert (first, second) == (True, False)
