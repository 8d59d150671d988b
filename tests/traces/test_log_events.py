"""Messages that arrive as log records, beside the span of the call they belong to."""

from typing import Any

import pytest

from lineside.traces.conventions.log_events import events_of, joined
from lineside.traces.conventions.received import RawLog
from lineside.traces.mapping import RawSpan, map_span
from lineside.traces.span import Span

TRACE, SPAN = "a" * 32, "b" * 16
ANSWER = {"message": {"content": "On its way"}, "finish_reason": "stop"}


def written(name: str, time_ns: int, body: Any = None, **attributes: Any) -> RawLog:
    return RawLog(time_ns, TRACE, SPAN, name, body=body, attributes=attributes)


def read(*records: RawLog) -> Span:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    raw = RawSpan(TRACE, SPAN, "chat gpt-4o", 0, 9, attributes=call)
    events = [event for record in records if (event := events_of(record)) is not None]
    return map_span(joined(raw, events))


def words(span: Span) -> list[tuple[str, Any]]:
    told = [*(span.messages_in or []), *(span.messages_out or [])]
    return [(one.role, part.get("content")) for one in told for part in one.parts]


def test_records_of_a_call_become_its_conversation_in_the_order_of_their_time() -> None:
    records = [
        written("gen_ai.choice", 3, ANSWER),
        written("gen_ai.user.message", 2, {"content": "Where is my order?"}),
        written("gen_ai.system.message", 1, {"content": "Be brief"}),
    ]
    span = read(*records, records[0])

    asked = [("system", "Be brief"), ("user", "Where is my order?")]
    assert words(span) == [*asked, ("assistant", "On its way")]
    assert (span.input, span.output) == ("Where is my order?", "On its way")
    assert [one.finish_reason for one in span.messages_out or []] == ["stop"]


def test_tools_asked_for_beside_a_choice_belong_to_it() -> None:
    call = {"id": "call_1", "function": {"name": "track", "arguments": '{"order": 7}'}}
    span = read(written("gen_ai.choice", 1, {"message": {"content": None}, "tool_calls": [call]}))

    assert span.output == [{"name": "track", "arguments": {"order": 7}}]


@pytest.mark.parametrize("in_body", [True, False])
def test_one_record_may_hold_the_whole_conversation(in_body: bool) -> None:
    asked = {"role": "user", "parts": [{"type": "text", "content": "Where is my order?"}]}
    said = {"role": "assistant", "parts": [{"type": "text", "content": "On its way"}]}
    details = {"gen_ai.input.messages": [asked], "gen_ai.output.messages": [said]}
    name = "gen_ai.client.inference.operation.details"
    record = written(name, 1, details) if in_body else written(name, 1, **details)

    assert words(read(record)) == [("user", "Where is my order?"), ("assistant", "On its way")]


def test_earlier_senders_name_the_event_among_the_attributes() -> None:
    record = written("", 1, {"content": "Hello"}, **{"event.name": "gen_ai.user.message"})

    assert words(read(record)) == [("user", "Hello")]


@pytest.mark.parametrize(
    "record",
    [
        written("", 1, "Order 7 was looked up"),
        written("gen_ai.evaluation.result", 1, **{"gen_ai.evaluation.score.value": 1.0}),
        written("exception", 1, **{"exception.message": "Retried"}),
        RawLog(1, TRACE, None, "gen_ai.user.message", body={"content": "Hello"}),
    ],
    ids=["a line of a log", "a score", "an exception dealt with", "of no span"],
)
def test_other_records_are_no_part_of_a_span(record: RawLog) -> None:
    assert events_of(record) is None
