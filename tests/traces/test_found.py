"""What was found, step by step: rights, ids, long traces, trees and exports."""

from pathlib import Path

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lineside.core import Denied, Invalid, NotFound, Settings, now
from lineside.traces import (
    Span,
    exports,
    new_span_id,
    record_spans,
    search,
)
from lineside.trust import Scope
from traces.searched import found, keep, step


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One database only: what is asked here, the lake answers, and it is the same beside both."""
    return Settings(home=tmp_path / "home")


def test_all_steps_of_what_was_found_come_trace_by_trace(scope: Scope) -> None:
    wanted = keep(scope, user_id="u1")
    keep(scope)

    (spans,) = search.spans_of(scope, search.parse_query("user = u1"))

    assert [span.trace_id for span in spans] == [wanted, wanted]


def test_a_key_for_one_use_case_lists_that_one_only(scope: Scope) -> None:
    mine = keep(scope, use_case="triage")
    keep(scope, use_case="other")
    key = Scope(
        scope.store, scope.workspace, scope.actor, frozenset({"read"}), frozenset({"triage"})
    )

    assert found(key, "use_case = triage") == [mine]
    for query in ("", "use_case = other", "use_case = unclaimed", "use_case ~ triage"):
        with pytest.raises(Denied, match="may not `read`"):
            found(key, query)
    assert found(Scope(scope.store, "elsewhere", scope.actor, scope.rights)) == []


@pytest.mark.parametrize(
    ("query", "said", "hint"),
    [
        ("latncy_ms > 3", "Read `latncy_ms` at character 1, expected a field", "`latency_ms`"),
        ("status = ok or model = m", "Read `or` at character 13, expected `and`", "Only `and`"),
        ("latency_ms", "ends after `latency_ms`, expected one of = != > >= < <=", None),
        ("latency_ms > slow", "is a number, read `slow` at character 14", "For example"),
        ("latency_ms > nan", "is a number, read `nan`", "For example"),
        (
            "status = broken",
            "`ok`, `error` or `step_failed`, read `broken`",
            "For example",
        ),
        ("text = refund", "`text =` cannot be asked, expected one of ~", None),
        ("model >", "The query ends, expected a value after `model >`", None),
        ("model = gpt and", "ends with `and`", None),
        ("scroe.grounded < 1", "expected a field", "Did you mean `score.grounded`"),
        ('text ~ "open', "cannot be read", "A quoted value ends"),
        ("since yesterday", "how long ago or a date, read `yesterday`", "Write 90m, 24h"),
        ("model = m " * 300, "the limit is 2,000", None),
        (" and ".join(["steps > 1"] * 31), "more than 30 conditions", None),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    query: str, said: str, hint: str | None
) -> None:
    with pytest.raises(Invalid) as raised:
        search.parse_query(query)

    assert said in raised.value.message
    assert hint is None or hint in (raised.value.hint or "")


def test_traces_whose_ids_begin_with_zeros_are_told_apart(scope: Scope) -> None:
    ids = [f"{number:032x}" for number in (1, 2, 0xABCDEF1234567890)]
    for id_ in ids:
        span = Span(trace_id=id_, span_id="a" * 16, name="s", started_at=now(), duration_ms=1.0)
        record_spans(scope, [span]).result()
    scope.store.flusher.flush()

    assert sorted(found(scope)) == sorted(ids)
    assert [len(search.list_traces(scope, search.parse_query(f"trace = {ids[0]}")).traces)] == [1]


def test_a_long_trace_is_given_in_parts_to_who_does_not_want_to_hold_it(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.traces.search.listing.STEPS_AT_ONCE", 3)
    short = keep(scope)
    at = now()
    steps = [
        Span(trace_id="e5" * 16, span_id=f"{number:016x}", name="s", started_at=at, duration_ms=1.0)
        for number in range(1, 9)
    ]
    record_spans(scope, steps).result()

    parts = list(search.spans_of(scope, in_parts=True))
    whole = list(search.spans_of(scope))

    assert sorted(len(spans) for spans in parts) == [2, 2, 3, 3]
    assert [one for spans in parts for one in spans] == [one for spans in whole for one in spans]
    assert sorted(len(spans) for spans in whole) == [2, 8]
    assert [len(spans) for spans in search.parts_of_trace(scope, short)] == [2]
    assert list(search.parts_of_trace(scope, "0" * 32)) == []


def test_a_failed_step_is_asked_for_beside_a_failed_whole(scope: Scope) -> None:
    fine = keep(scope)
    whole = keep(scope, status="error")
    part = keep(scope)
    inner = Span(
        trace_id=part,
        span_id=new_span_id(),
        parent_span_id=part[:16],
        name="part",
        started_at=now(),
        duration_ms=1.0,
        status="error",
    )
    record_spans(scope, [inner]).result()

    assert set(found(scope, "status = step_failed")) == {whole, part}
    assert found(scope, "status = error") == [whole]
    assert found(scope, "status != STEP_FAILED") == [fine]
    assert search.read_filters(status="step_failed") == search.parse_query("errors >= 1")


def test_form_fields_join_the_query_line() -> None:
    filters = search.read_filters("latency_ms > 5", status="error", text="a b", model="", user=None)

    assert [(one.field, one.sign, one.values) for one in filters.conditions] == [
        ("latency_ms", ">", (5.0,)),
        ("status", "=", ("error",)),
        ("text", "~", ("a b",)),
    ]


def test_the_first_digits_name_a_trace_unless_several_begin_so(scope: Scope) -> None:
    record_spans(scope, [step("ab" * 16), step("abc" + "0" * 29)]).result()

    assert search.whole_id(scope, "abab") == "ab" * 16
    with pytest.raises(Invalid, match="Several traces have an id that begins with `ab`"):
        search.whole_id(scope, "ab")
    with pytest.raises(NotFound, match="begins with `ffff`"):
        search.whole_id(scope, "ffff")


def test_a_tree_puts_each_step_below_its_parent_whatever_came() -> None:
    root = step("t", name="root", duration_ms=900.0)
    quick = step("t", name="quick", parent_span_id=root.span_id, duration_ms=10.0)
    slow = step("t", name="slow", parent_span_id=root.span_id, duration_ms=800.0)
    inner = step("t", name="inner", parent_span_id=slow.span_id, duration_ms=700.0)
    lost = step("t", name="lost", parent_span_id=new_span_id())
    one, other = step("t", name="one"), step("t", name="other")
    ring = [
        one.model_copy(update={"parent_span_id": other.span_id}),
        other.model_copy(update={"parent_span_id": one.span_id}),
    ]

    steps = search.tree_of([inner, lost, slow, *ring, quick, root])

    depths = {found.span.name: found.depth for found in steps}
    assert steps[0].span == root
    assert (depths["slow"], depths["inner"], depths["lost"]) == (1, 2, 0)
    assert {found.span.name for found in steps if found.is_longest} == {"root", "slow", "inner"}
    assert len(steps) == 7
    assert search.tree_of([]) == []
    assert search.length_ms([root, inner]) == 900.0


def test_an_exported_line_is_read_by_a_receiver_of_opentelemetry(scope: Scope) -> None:
    keep(scope, model={"status": "error", "error": "timeout: too slow"})
    (spans,) = search.spans_of(scope)

    (line,) = exports.otlp_lines(spans)
    request = ParseDict(orjson.loads(line), ExportTraceServiceRequest())

    sent = request.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in sent] == [span.name for span in spans]
    (model,) = [span for span in sent if span.name == "chat"]
    assert model.status.message == "timeout: too slow"
    assert {one.key for one in model.attributes} >= {"gen_ai.response.model"}
    assert model.end_time_unix_nano - model.start_time_unix_nano == 100_000_000
