"""The shelf of traces without a use case, marks of people, and how complete telemetry is."""

import dataclasses
from typing import Any

import pytest

from lineside.core import Denied, Invalid, NotFound, now
from lineside.traces import (
    Span,
    get_trace,
    marks,
    new_span_id,
    new_trace_id,
    quality,
    record_spans,
    rewriting,
    search,
    unclaimed,
)
from lineside.traces.scores import TraceScore, list_scores, record_scores
from lineside.trust import Scope, create_key, ledger_entries, scope_for_key
from traces.otlp_messages import TRACE, attributes, message, take


def keep(scope: Scope, service: str | None, **values: Any) -> str:
    usual = {"name": "chat", "kind": "model", "started_at": now(), "duration_ms": 5.0}
    span = Span(trace_id=new_trace_id(), span_id=new_span_id(), service=service, **(usual | values))
    record_spans(scope, [span]).result()
    return span.trace_id


def test_a_claimed_service_leaves_the_shelf_with_what_is_kept_what_waits_and_what_comes(
    scope: Scope,
) -> None:
    kept = keep(scope, "shop", input={"question": "refund?"})
    other = keep(scope, "mail")
    named = keep(scope, "shop", use_case="returns")
    scope.store.flusher.flush()
    waiting = keep(scope, "shop")

    shelf = unclaimed.list_unclaimed(scope)
    assert [(one.service, one.traces) for one in shelf] == [("shop", 2), ("mail", 1)]

    made = unclaimed.claim_service(scope, "shop", use_case="orders", use_cases=["orders"])
    coming = keep(scope, "shop")

    assert made.traces_moved == 1
    for _ in range(2):
        assert [one.service for one in unclaimed.list_unclaimed(scope)] == ["mail"]
        found = {row.trace_id: row.use_case for row in search.list_traces(scope).traces}
        assert found == {
            kept: "orders",
            waiting: "orders",
            coming: "orders",
            named: "returns",
            other: None,
        }
        assert get_trace(scope, kept)[0].use_case == "orders"
        scope.store.flusher.flush()
    (by_model,) = search.figures(scope, search.parse_query("use_case = orders"), by="model")
    assert by_model.calls == 3
    entry = ledger_entries(scope)[-1]
    assert (entry.kind, entry.subject) == ("service.claimed", "shop")

    unclaimed.remove_route(scope, "shop")
    keep(scope, "shop")
    assert {one.service for one in unclaimed.list_unclaimed(scope)} == {"mail", "shop"}


def test_a_claim_needs_the_right_and_a_use_case_that_exists(scope: Scope) -> None:
    with pytest.raises(NotFound, match="oders"):
        unclaimed.claim_service(scope, "shop", use_case="oders", use_cases=["orders"])
    with pytest.raises(Invalid):
        unclaimed.claim_service(scope, " ", use_case="orders", use_cases=["orders"])
    _, secret = create_key(scope, "reader", rights={"read"})
    with pytest.raises(Denied, match="claim"):
        unclaimed.claim_service(
            scope_for_key(scope.store, secret),
            "shop",
            use_case="orders",
            use_cases=["orders"],
        )


def test_people_tag_note_and_link_a_trace(scope: Scope) -> None:
    trace_id = keep(scope, "shop", use_case="orders")

    tag = marks.tag_trace(scope, trace_id, " Wrong  Refund ")
    again = marks.tag_trace(scope, trace_id, "wrong refund")
    note = marks.note_on_trace(scope, trace_id, "Asked twice")
    marks.link_trace(scope, trace_id, "https://tickets.example/SHOP-17", title="SHOP-17")

    assert again == tag
    assert [(one.kind, one.text) for one in marks.marks_on(scope, trace_id)] == [
        ("tag", "wrong refund"),
        ("note", "Asked twice"),
        ("link", "SHOP-17"),
    ]
    assert [one.trace_id for one in marks.list_marks(scope, tag="Wrong refund")] == [trace_id]
    for query, count in (('tag = "Wrong refund"', 1), ("tag ~ wrong", 1), ("tag != lost", 1)):
        assert len(search.list_traces(scope, search.parse_query(query)).traces) == count
    assert search.list_traces(scope, search.parse_query('tag = ""')).traces == ()
    marks.remove_mark(scope, trace_id, note.id)
    assert len(marks.marks_on(scope, trace_id)) == 2
    with pytest.raises(Invalid, match="no address"):
        marks.link_trace(scope, trace_id, "javascript:alert(1)")
    with pytest.raises(NotFound):
        marks.tag_trace(scope, "ab" * 16, "lost")


def test_quality_says_what_share_of_spans_states_what(scope: Scope) -> None:
    trace_id = keep(
        scope, "shop", use_case="orders", tokens_in=5, tokens_out=1, user_id="u1", release="v1"
    )
    (root,) = get_trace(scope, trace_id)
    child = {"trace_id": trace_id, "started_at": now(), "duration_ms": 1.0, "use_case": "orders"}
    found = Span(span_id=new_span_id(), parent_span_id=root.span_id, name="tool", **child)
    lost = Span(span_id=new_span_id(), parent_span_id="ab" * 8, name="tool", **child)
    record_spans(scope, [found, lost]).result()
    keep(scope, "shop", use_case="orders")

    (told,) = quality.telemetry_quality(scope, use_case="orders")

    assert (told.traces, told.spans, told.model_steps) == (2, 4, 2)
    assert (told.tokens_known, told.cost_known, told.user_known) == (0.5, 0.0, 0.5)
    assert (told.session_known, told.release_known, told.root_found) == (0.0, 0.5, 1.0)
    assert (told.parent_found, told.parents_looked_for) == (0.5, 2)
    assert told.spans_dropped is None, "nobody reported any, which is not to say there were none"


def test_what_names_no_service_is_claimed_like_a_service(scope: Scope) -> None:
    kept, named = keep(scope, None), keep(scope, "mail")
    scope.store.flusher.flush()
    waiting = keep(scope, None)

    shelf = {one.service: one.traces for one in unclaimed.list_unclaimed(scope)}
    assert shelf == {"(no service)": 2, "mail": 1}

    made = unclaimed.claim_service(scope, "(no service)", use_case="shop", use_cases=["shop"])
    coming = keep(scope, None)

    assert made.traces_moved == 1
    for _ in range(2):
        found = {row.trace_id: row.use_case for row in search.list_traces(scope).traces}
        assert found == {kept: "shop", waiting: "shop", coming: "shop", named: None}
        scope.store.flusher.flush()
    unclaimed.remove_route(scope, "(no service)")
    keep(scope, None)
    assert "(no service)" in {one.service for one in unclaimed.list_unclaimed(scope)}


def test_what_names_a_use_case_that_there_is_none_of_is_claimed_by_that_name(scope: Scope) -> None:
    call = attributes(gen_ai__operation__name="chat", gen_ai__request__model="house")
    misnamed = message({"attributes": call}, lineside__usecase="shpo", service__name="desk")
    take(scope, misnamed, use_cases=("shop",))
    scope.store.flusher.flush()
    other = keep(scope, "desk")

    shelf = {(one.service, one.named): one.traces for one in unclaimed.list_unclaimed(scope)}
    assert shelf == {("lineside.usecase=shpo", "shpo"): 1, ("desk", None): 1}

    name = "lineside.usecase=shpo"
    made = unclaimed.claim_service(scope, name, use_case="shop", use_cases=["shop"])
    take(scope, misnamed.replace(TRACE.encode(), b"a" * 32), use_cases=("shop",))

    assert made.traces_moved == 1
    for _ in range(2):
        found = {row.trace_id: row.use_case for row in search.list_traces(scope).traces}
        assert found == {TRACE: "shop", "a" * 32: "shop", other: None}
        scope.store.flusher.flush()
    by_model = search.figures(scope, search.parse_query("use_case = shop"), by="model")
    assert [(one.name, one.calls) for one in by_model] == [("house", 2)]
    rewriting.remap(scope, everything=True)
    assert [one.service for one in unclaimed.list_unclaimed(scope)] == ["desk"]


def test_what_was_put_on_a_trace_before_its_claim_stays_for_who_is_limited_to_its_use_case(
    scope: Scope,
) -> None:
    trace_id, other = keep(scope, "desk"), keep(scope, "mail")
    scope.store.flusher.flush()
    marks.tag_trace(scope, trace_id, "odd")
    marks.note_on_trace(scope, trace_id, "look")
    marks.link_trace(scope, trace_id, "https://tickets.example/1")
    marks.tag_trace(scope, other, "odd")
    record_scores(scope, [TraceScore(name="tone", value=1.0, trace_id=trace_id)]).result()
    member = dataclasses.replace(scope, use_cases=frozenset({"orders"}))
    with pytest.raises(Denied):
        marks.marks_on(member, trace_id)

    unclaimed.claim_service(scope, "desk", use_case="orders", use_cases=["orders"])

    assert [one.kind for one in marks.marks_on(member, trace_id)] == ["tag", "note", "link"]
    assert {one.use_case for one in marks.marks_on(scope, trace_id)} == {"orders"}
    (tagged,) = marks.list_marks(member, tag="odd", use_case="orders")
    assert tagged.trace_id == trace_id
    assert len(marks.list_marks(scope, tag="odd")) == 2
    assert [one.name for one in list_scores(member, trace_id=trace_id)] == ["tone"]
    assert len(list_scores(member, use_case="orders")) == 1
    wanted = search.read_filters("tag = odd and score.tone = 1", use_case="orders")
    assert len(search.list_traces(member, wanted).traces) == 1
    assert marks.remove_mark(member, trace_id, tagged.id) == tagged
    with pytest.raises(Denied):
        marks.marks_on(member, other)

    forged = Span(
        trace_id=trace_id,
        span_id=new_span_id(),
        use_case="mail-uc",
        name="x",
        started_at=now(),
        duration_ms=1.0,
    )
    record_spans(scope, [forged]).result()
    forger = dataclasses.replace(scope, use_cases=frozenset({"mail-uc"}))
    assert marks.marks_on(forger, trace_id) == []
