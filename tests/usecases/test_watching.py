"""Use cases that are only watched: known by name, until a folder of that name is tested."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Conflict, Denied, Invalid, NotFound, now
from lineside.store import Store
from lineside.traces import (
    Span,
    marks,
    new_span_id,
    new_trace_id,
    open_traces,
    record_spans,
    search,
)
from lineside.traces import unclaimed as shelf
from lineside.trust import Scope, create_key, ledger_entries, local_scope, scope_for_key
from lineside.usecases import get_use_case, list_use_cases, read_folder, register
from lineside.usecases.watching import claim_service, unwatch, watch

Make = Callable[..., Path]


@pytest.fixture
def scope(store: Store) -> Scope:
    """The owner at this machine, in a fresh workspace."""
    return local_scope(store)


def test_what_is_watched_is_known_by_its_name_and_pretends_no_more(scope: Scope) -> None:
    first = watch(scope, "checkout-help")
    again = watch(scope, "checkout-help")

    assert first == again == get_use_case(scope, "checkout-help")
    assert (first.manifest, first.folder) == (None, None)
    assert [known.name for known in list_use_cases(scope)] == ["checkout-help"]
    kinds = [(one.kind, one.subject) for one in ledger_entries(scope)]
    assert kinds.count(("usecase.watched", "checkout-help")) == 1


def test_a_tested_folder_of_that_name_takes_it_over_and_is_not_lost_by_watching(
    scope: Scope, make: Make
) -> None:
    watched = watch(scope, "desk")

    tested = register(scope, read_folder(make()))

    assert (tested.id, tested.manifest is None) == (watched.id, False)
    assert watch(scope, "desk") == tested


def test_a_name_that_cannot_be_one_is_refused(scope: Scope) -> None:
    with pytest.raises(Invalid, match="Read `Check out` as the name"):
        watch(scope, "Check out")
    _, secret = create_key(scope, "reader", rights={"read"})
    with pytest.raises(Denied, match="claim"):
        watch(scope_for_key(scope.store, secret), "checkout")
    assert list_use_cases(scope) == []


def test_a_service_is_claimed_for_a_new_use_case_only_where_that_is_meant(scope: Scope) -> None:
    open_traces(scope.store)
    span = Span(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="chat",
        kind="model",
        service="checkout-bot",
        started_at=now(),
        duration_ms=5.0,
    )
    record_spans(scope, [span]).result()
    with pytest.raises(NotFound, match="checkout-hepl"):
        claim_service(scope, "checkout-bot", use_case="checkout-hepl")

    made = claim_service(scope, "checkout-bot", use_case="checkout-help", is_new=True)

    assert made.route.use_case == "checkout-help"
    assert shelf.list_unclaimed(scope) == []
    (row,) = search.list_traces(scope, search.parse_query("use_case = checkout-help")).traces
    assert row.trace_id == span.trace_id


def test_a_claim_that_fails_leaves_no_use_case_behind(scope: Scope) -> None:
    with pytest.raises(Invalid, match="no name of a service"):
        claim_service(scope, "", use_case="nn-uc", is_new=True)

    assert "nn-uc" not in [known.name for known in list_use_cases(scope)]


def keep(scope: Scope, words: str, **more: Any) -> str:
    usual = {"trace_id": new_trace_id(), "parent_span_id": None, "use_case": "chekout"}
    span = Span(
        span_id=new_span_id(),
        name="chat",
        kind="model",
        model="house",
        input=words,
        started_at=now(),
        duration_ms=5.0,
        **(usual | more),
    )
    record_spans(scope, [span]).result()
    return span.trace_id


def test_a_mistyped_name_goes_and_its_traces_go_back_to_the_shelf(scope: Scope) -> None:
    open_traces(scope.store)
    watch(scope, "checkout")
    claim_service(scope, "bot", use_case="chekout", is_new=True)
    trace_id = keep(scope, "zebrafish", service="bot", use_case=None)
    keep(scope, "below", service="other", use_case=None, trace_id=trace_id, parent_span_id="1" * 16)
    stays = keep(scope, "quagga", use_case="checkout")
    scope.store.flusher.flush()
    marks.tag_trace(scope, trace_id, "odd")

    with pytest.raises(Conflict, match="Traces of `chekout`: 1"):
        unwatch(scope, "chekout")
    assert [known.name for known in list_use_cases(scope)] == ["checkout", "chekout"]

    done = unwatch(scope, "chekout", moves_traces=True)

    assert (done.services, done.traces_moved) == (("bot",), 1)
    assert [known.name for known in list_use_cases(scope)] == ["checkout"]
    assert shelf.list_routes(scope) == []
    entry = next(one for one in ledger_entries(scope) if one.kind == "usecase.unwatched")
    assert (entry.subject, entry.details["traces"]) == ("chekout", 1)
    found = {row.trace_id: row.use_case for row in search.list_traces(scope).traces}
    assert found == {trace_id: None, stays: "checkout"}
    claim_service(scope, "bot", use_case="checkout")
    words = search.read_filters("", use_case="checkout", text="zebrafish")
    assert [row.trace_id for row in search.list_traces(scope, words).traces] == [trace_id]
    assert [one.use_case for one in marks.list_marks(scope, tag="odd")] == [None]
    with pytest.raises(NotFound, match="chekout"):
        unwatch(scope, "chekout", moves_traces=True)


def test_what_was_tested_is_more_than_watched_and_stays(scope: Scope, make: Make) -> None:
    open_traces(scope.store)
    register(scope, read_folder(make()))
    keep(scope, "quagga", use_case="desk")

    for moves in (False, True):
        with pytest.raises(Conflict, match="more than watched"):
            unwatch(scope, "desk", moves_traces=moves)

    assert [row.use_case for row in search.list_traces(scope).traces] == ["desk"]
    _, secret = create_key(scope, "reader", rights={"read"})
    with pytest.raises(Denied, match="claim"):
        unwatch(scope_for_key(scope.store, secret), "desk")
