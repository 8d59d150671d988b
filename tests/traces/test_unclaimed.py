"""The shelf of traces without a use case, marks of people, and how complete telemetry is."""

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
    search,
    unclaimed,
)
from lineside.trust import Scope, create_key, ledger_entries, scope_for_key


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
