"""Several use cases under one trace id: each has its own steps, whoever else sends some."""

import dataclasses
import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from lineside.core import Denied, now
from lineside.store import Store
from lineside.traces import (
    Message,
    Span,
    get_trace,
    logs,
    marks,
    open_traces,
    receive,
    record_spans,
    rewriting,
    search,
    sessions,
    views,
)
from lineside.traces.scores import list_scores, score_figures
from lineside.traces.scores.record import EVENT
from lineside.traces.search import Filters, read_filters
from lineside.trust import Scope, local_scope
from traces.conftest import come_when_begun
from traces.otlp_messages import MIB, attributes, message, take

TRACE = "a1" * 16
MOMENT = now() - timedelta(hours=1)


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def step(span_id: str, use_case: str | None = "shop-uc", **more: Any) -> Span:
    usual: dict[str, Any] = {"name": span_id, "started_at": MOMENT, "duration_ms": 5.0}
    more = usual | {"parent_span_id": None} | more
    return Span(trace_id=TRACE, span_id=span_id * 8, use_case=use_case, **more)


def theirs() -> list[Span]:
    chat = {"kind": "model", "model": "gpt-4o", "tokens_in": 10, "tokens_out": 5, "cost_usd": 0.5}
    asked = [Message(role="user", parts=[{"type": "text", "content": "SECRETQUESTION"}])]
    return [
        step("aa", attributes={"tier": "gold"}, session_id="s1"),
        step("bb", parent_span_id="aa" * 8, messages_in=asked, **chat),
    ]


def forged() -> Span:
    """What somebody who knows the id sends under it, a minute earlier."""
    return step("cc", "other-uc", started_at=MOMENT - timedelta(minutes=1))


def limited_to(scope: Scope, use_case: str) -> Scope:
    return dataclasses.replace(scope, use_cases=frozenset({use_case}))


def in_use_case(name: str, q: str = "") -> Filters:
    return read_filters(q, use_case=name)


def in_any_order(scope: Scope, batches: list[list[Span]]) -> list[Scope]:
    """The same in as many workspaces, in each order, flushed one by one, and once unflushed."""
    found = []
    for number, order in enumerate([*itertools.permutations(batches), tuple(batches)]):
        there = dataclasses.replace(scope, workspace=f"{scope.workspace}{number}")
        for batch in order:
            record_spans(there, batch).result()
            if number < 2:
                scope.store.flusher.flush()
        found.append(there)
    return found


def test_a_step_of_another_use_case_opens_nothing_and_moves_nothing(scope: Scope) -> None:
    for there in in_any_order(scope, [theirs(), [forged()]]):
        other, shop = limited_to(there, "other-uc"), limited_to(there, "shop-uc")

        assert [span.name for span in get_trace(other, TRACE)] == ["cc"]
        assert [span.name for span in get_trace(shop, TRACE)] == ["aa", "bb"]
        assert [span.name for span in get_trace(there, TRACE)] == ["cc", "aa", "bb"]
        assert [one.span.name for one in views.outline_tree(other, TRACE)] == ["cc"]
        assert set(views.get_steps(other, TRACE, ["bb" * 8, "cc" * 8])) == {"cc" * 8}
        (row,) = search.list_traces(other, in_use_case("other-uc")).traces
        assert (row.steps, row.cost_usd, row.models, row.input) == (1, None, (), None)
        (row,) = search.list_traces(shop, in_use_case("shop-uc")).traces
        assert (row.name, row.steps, row.cost_usd, row.tokens_in) == ("aa", 2, 0.5, 10)
        assert "SECRETQUESTION" in (row.input or "")
        figures = {one.name: (one.count, one.cost_usd) for one in search.figures(there)}
        assert figures == {"shop-uc": (1, 0.5), "other-uc": (1, None)}


@pytest.mark.parametrize(
    "q", ["text ~ SECRETQUESTION", "attribute.tier = gold", "model = gpt-4o", "session = s1"]
)
def test_what_another_use_case_was_told_finds_nothing(scope: Scope, q: str) -> None:
    for there in in_any_order(scope, [theirs(), [forged()]]):
        for name, count in (("other-uc", 0), ("shop-uc", 1)):
            wanted = in_use_case(name, q)
            assert len(search.list_traces(there, wanted).traces) == count
            assert sum(one.count for one in search.figures(there, wanted)) == count
            assert sum(one.count for one in search.figures(there, wanted, by="model")) == count


def test_all_steps_are_taken_along_once_and_by_a_limited_key_its_own(scope: Scope) -> None:
    for there in in_any_order(scope, [theirs(), [forged()]]):
        other = limited_to(there, "other-uc")

        assert [len(spans) for spans in search.spans_of(there)] == [3]
        for in_parts in (False, True):
            found = search.spans_of(other, in_use_case("other-uc"), in_parts=in_parts)
            assert [[span.name for span in spans] for spans in found] == [["cc"]]
        (part,) = search.parts_of_trace(other, TRACE)
        assert [span.name for span in part] == ["cc"]


def test_a_step_of_the_same_id_is_kept_beside_the_real_one(scope: Scope) -> None:
    real, (twin,) = theirs(), [dataclasses_like(theirs()[1])]
    for there in in_any_order(scope, [real, [twin]]):
        shop = limited_to(there, "shop-uc")

        assert [span.name for span in get_trace(shop, TRACE)] == ["aa", "bb"]
        assert {one.span.name for one in views.outline_tree(there, TRACE)} == {"aa", "bb", "twin"}
        steps = views.outline_tree(there, TRACE)
        found = views.get_steps(there, TRACE, [one.span.span_id for one in steps])
        assert {span.name for span in found.values()} == {"aa", "bb", "twin"}
        (row,) = search.list_traces(shop, in_use_case("shop-uc")).traces
        assert row.steps == 2


def dataclasses_like(span: Span) -> Span:
    return span.model_copy(
        update={"use_case": "other-uc", "name": "twin", "started_at": forged().started_at}
    )


def test_a_step_sent_again_after_its_use_case_was_made_counts_once(scope: Scope) -> None:
    record_spans(scope, [step("aa", None)]).result()
    scope.store.flusher.flush()
    record_spans(scope, [step("aa")]).result()

    assert [span.use_case for span in get_trace(scope, TRACE)] == [None]


def test_sessions_and_marks_keep_to_their_use_case(scope: Scope) -> None:
    for there in in_any_order(scope, [theirs(), [forged()]]):
        other, shop = limited_to(there, "other-uc"), limited_to(there, "shop-uc")
        marks.note_on_trace(shop, TRACE, "theirs")
        marks.tag_trace(other, TRACE, "mine")

        session = sessions.get_session(shop, "s1", use_case="shop-uc")
        assert [row.steps for row in session.traces] == [2]
        assert sessions.get_session(there, "s1").session.totals.steps == 2
        assert [one.text for one in marks.marks_on(other, TRACE)] == ["mine"]
        assert [one.text for one in marks.marks_on(shop, TRACE)] == ["theirs"]
        assert not search.list_traces(shop, in_use_case("shop-uc", "tag = mine")).traces


def test_who_has_no_part_is_refused(scope: Scope) -> None:
    record_spans(scope, theirs()).result()

    with pytest.raises(Denied):
        get_trace(limited_to(scope, "other-uc"), TRACE)


def tell(scope: Scope, name: str, key: str, value: dict[str, Any], **more: Any) -> None:
    """One log record about the chat of the shop, as it is sent."""
    pairs = [{"key": key, "value": value}]
    record = {"traceId": TRACE, "spanId": "bb" * 8, "eventName": name, **more}
    record["timeUnixNano"] = str(int(MOMENT.timestamp()) * 10**9)
    if name == EVENT:
        record["attributes"] = [
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "grounded"}},
            *pairs,
        ]
    else:
        record["body"] = {"kvlistValue": {"values": pairs}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    logs.receive_logs(
        scope, body, media_type=receive.JSON, encoding="", bytes_max=MIB, use_cases=()
    ).durable.result()


def chat() -> bytes:
    nanoseconds = str(int(MOMENT.timestamp()) * 10**9)
    times = {"startTimeUnixNano": nanoseconds, "endTimeUnixNano": nanoseconds}
    named = attributes(gen_ai__operation__name="chat")
    return message({"traceId": TRACE, "spanId": "bb" * 8, "attributes": named, **times})


@pytest.mark.parametrize("is_limited", [True, False])
def test_log_records_tell_only_of_steps_of_their_senders_use_case(
    scope: Scope, is_limited: bool
) -> None:
    shop, other = limited_to(scope, "shop-uc"), limited_to(scope, "other-uc")
    sender = other if is_limited else scope
    take(shop, chat())
    tell(sender, "gen_ai.choice", "content", {"stringValue": "FORGED ANSWER"})

    def told() -> list[bool]:
        (span,) = get_trace(scope, TRACE)
        (row,) = search.list_traces(scope).traces
        found = search.list_traces(shop, in_use_case("shop-uc", "text ~ FORGED")).traces
        said = (span.output, span.messages_out, row.output)
        return ["FORGED" in str(one) for one in said] + [bool(found)]

    assert told() == [not is_limited] * 4
    scope.store.flusher.flush()
    assert told() == [not is_limited] * 4


@pytest.mark.parametrize("is_limited", [True, False])
def test_a_sent_score_counts_only_for_its_senders_use_case(scope: Scope, is_limited: bool) -> None:
    shop, other = limited_to(scope, "shop-uc"), limited_to(scope, "other-uc")
    take(shop, chat())
    sender = other if is_limited else scope
    tell(sender, EVENT, "gen_ai.evaluation.score.value", {"doubleValue": 0.0})

    counted = 0 if is_limited else 1
    wanted = in_use_case("shop-uc")
    (stats,) = search.scored.score_stats(shop, wanted, score="grounded")
    assert stats.scored == counted
    assert len(search.list_traces(shop, in_use_case("shop-uc", "score.grounded < 1")).traces) == (
        counted
    )
    assert len(list_scores(shop, use_case="shop-uc")) == counted
    assert len(score_figures(shop, use_case="shop-uc")) == counted
    if not is_limited:
        assert len(list_scores(shop, trace_id=TRACE)) == 1


def test_a_step_of_no_use_case_is_of_the_one_above_it_and_of_nobody_else(scope: Scope) -> None:
    below = step("dd", None, parent_span_id="bb" * 8, model="lost-model", kind="model")
    apart = step("ee", None, parent_span_id="99" * 8)
    record_spans(scope, theirs()).result()
    scope.store.flusher.flush()
    record_spans(scope, [below, apart]).result()
    record_spans(scope, [forged()]).result()
    other, shop = limited_to(scope, "other-uc"), limited_to(scope, "shop-uc")

    for _ in range(2):
        assert [span.name for span in get_trace(shop, TRACE)] == ["aa", "bb", "dd"]
        assert [span.name for span in get_trace(other, TRACE)] == ["cc"]
        assert set(views.get_steps(shop, TRACE, ["dd" * 8, "ee" * 8])) == {"dd" * 8}
        (row,) = search.list_traces(shop, in_use_case("shop-uc")).traces
        assert (row.steps, "lost-model" in row.models) == (3, True)
        scope.store.flusher.flush()


def test_retention_waits_for_every_use_case_that_has_a_part(store: Store) -> None:
    open_traces(store)
    scope = local_scope(store)
    days = timedelta(days=20)
    old = [one.model_copy(update={"started_at": MOMENT - days}) for one in theirs()]
    root = forged().model_copy(update={"started_at": MOMENT - days - timedelta(minutes=1)})
    record_spans(scope, [*old, root]).result()
    come_when_begun(scope.store)

    rewriting.retain(scope, "other-uc", days=2)
    assert rewriting.apply_retention(scope) == []
    rewriting.retain(scope, "shop-uc", days=30)
    assert rewriting.apply_retention(scope) == []
    rewriting.retain(scope, "shop-uc", days=10)

    assert [one.traces for one in rewriting.apply_retention(scope)] == [1]
    assert get_trace(scope, TRACE) == []
