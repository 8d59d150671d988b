from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lineside.core import Denied, Invalid, NotFound, Settings, now
from lineside.traces import (
    Message,
    Span,
    new_span_id,
    new_trace_id,
    record_spans,
    search,
)
from lineside.trust import Scope

START = now() - timedelta(minutes=30)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One database only: what is asked here, the lake answers, and it is the same beside both."""
    return Settings(home=tmp_path / "home")


def step(trace_id: str, **values: Any) -> Span:
    fields: dict[str, Any] = {
        "trace_id": trace_id,
        "span_id": new_span_id(),
        "name": "chat",
        "started_at": START,
        "duration_ms": 100.0,
    }
    return Span(**(fields | values))


def keep(scope: Scope, *, model: dict[str, Any] | None = None, **root: Any) -> str:
    """A trace of an agent and its model call; the model's fields overlay what is usual."""
    trace_id = new_trace_id()
    first = step(trace_id, **({"name": "answer", "kind": "agent"} | root))
    usual = {"kind": "model", "model": "house-model", "tokens_in": 50, "tokens_out": 5}
    second = step(
        trace_id,
        parent_span_id=first.span_id,
        **(usual | {"started_at": first.started_at, "run_id": first.run_id} | (model or {})),
    )
    record_spans(scope, [second, first]).result()
    return trace_id


def found(scope: Scope, query: str = "", **options: Any) -> list[str]:
    page = search.list_traces(scope, search.parse_query(query), **options)
    return [row.trace_id for row in page.traces]


def test_a_line_of_the_list_says_what_the_whole_trace_took(scope: Scope) -> None:
    said = [Message(role="user", parts=[{"type": "text", "content": "Where is it?"}])]
    trace_id = new_trace_id()
    root = step(trace_id, name="answer", kind="agent", service="shop", messages_in=said)
    root = root.model_copy(update={"duration_ms": 900.0, "session_id": "s1"})
    inside = {"kind": "model", "model": "house-model", "parent_span_id": root.span_id}
    record_spans(
        scope,
        [
            step(trace_id, **inside, tokens_in=10, tokens_out=2, cost_usd=0.5),
            step(trace_id, **inside, tokens_in=20, tokens_out=3, status="error"),
            root,
        ],
    ).result()

    (row,) = search.list_traces(scope).traces

    assert (row.name, row.service, row.session_id, row.use_case) == ("answer", "shop", "s1", None)
    assert (row.steps, row.errors, row.status, row.duration_ms) == (3, 1, "ok", 900.0)
    assert (row.tokens_in, row.tokens_out, row.models) == (30, 5, ("house-model",))
    assert (row.cost_usd, row.cost_known) == (0.5, 0.5)
    assert (row.input, row.output) == ("Where is it?", None)


@pytest.mark.parametrize("together", [True, False])
def test_what_only_the_steps_below_were_told_and_said_stands_for_the_whole(
    scope: Scope, together: bool
) -> None:
    trace_id = new_trace_id()
    root = step(trace_id, name="POST /answer")
    below = [
        step(
            trace_id,
            kind=kind,
            parent_span_id=root.span_id,
            started_at=START + timedelta(milliseconds=place),
            input=told,
            output=said,
        )
        for place, (kind, told, said) in enumerate(
            [
                ("retriever", "find parcels", "three pages"),
                ("model", "Where is it?", "Let me look"),
                ("tool", "{}", "at the post office"),
                ("model", "at the post office", "It is at the post office"),
                ("scorer", "It is at the post office", "polite"),
            ]
        )
    ]
    for spans in [[*below, root]] if together else [[one] for one in (*below, root)]:
        record_spans(scope, spans).result()
        scope.store.flusher.flush()

    (row,) = search.list_traces(scope, search.parse_query("")).traces

    assert (row.input, row.output) == ("Where is it?", "It is at the post office")


def test_an_unknown_cost_is_never_free(scope: Scope) -> None:
    keep(scope)

    (row,) = search.list_traces(scope).traces

    assert (row.cost_usd, row.cost_known) == (None, 0.0)


def test_a_trace_without_its_root_is_listed_by_its_earliest_step(scope: Scope) -> None:
    trace_id = new_trace_id()
    lost = new_span_id()
    late = {"started_at": START + timedelta(seconds=2), "duration_ms": 700.0}
    record_spans(
        scope,
        [
            step(trace_id, name="second", parent_span_id=lost, **late),
            step(trace_id, name="first", parent_span_id=lost, input={"question": "hello"}),
        ],
    ).result()

    (row,) = search.list_traces(scope).traces

    assert (row.name, row.has_root, row.steps, row.input) == ("first", False, 2, "hello")
    assert row.duration_ms == 700.0, "no step says how long the whole took"
    assert found(scope, "latency_ms > 500") == [trace_id]


def test_pages_follow_each_other_without_gap_or_repetition(scope: Scope) -> None:
    # Several begin in the same microsecond, as programs that send batches do.
    kept = [keep(scope, started_at=START + timedelta(seconds=n // 3)) for n in range(10)]
    scope.store.flusher.flush()
    kept += [keep(scope, started_at=START - timedelta(days=40))]

    seen, before = [], None
    while True:
        page = search.list_traces(scope, limit=4, before=before)
        seen += [row.trace_id for row in page.traces]
        before = page.older
        if before is None:
            break

    assert sorted(seen) == sorted(kept)
    assert seen[-1] == kept[-1]
    with pytest.raises(Invalid, match="`yesterday` is no place in the list"):
        search.list_traces(scope, before="yesterday")


def test_a_step_in_inbox_and_lake_counts_once(scope: Scope) -> None:
    span = step(new_trace_id(), kind="model", model="m", tokens_in=7)
    for _ in range(2):
        record_spans(scope, [span]).result()
        scope.store.flusher.flush()
    record_spans(scope, [span]).result()

    (row,) = search.list_traces(scope).traces
    (by_model,) = search.figures(scope, by="model")

    assert (row.steps, row.tokens_in) == (1, 7)
    assert (by_model.count, by_model.tokens_in) == (1, 7)


def test_every_filter_finds_its_own_and_leaves_the_rest(scope: Scope) -> None:
    plain = keep(scope)
    other = keep(
        scope,
        use_case="triage",
        release="rel_2",
        arm="canary",
        service="shop",
        session_id="s1",
        user_id="u1",
        status="error",
        duration_ms=3000.0,
        agent_name="helper",
        input={"message": 'Say "50% off"\nnow'},
        model={
            "model": "sonnet-of-ours",
            "tokens_in": 2000,
            "cost_usd": 0.2,
            "tool_name": "look_up",
        },
    )

    for query in (
        "use_case = triage",
        "release = rel_2 and arm = canary",
        "service ~ SHO",
        "session = s1 and user = u1",
        "status = error",
        "errors >= 1",
        "model = sonnet-of-ours",
        "model ~ Sonnet-Of",
        "tool = look_up and agent = helper",
        "latency_ms > 2000",
        "tokens_in>1000 and cost_usd > 0.01",
        'text ~ "50% OFF"',
        r'text ~ "\"50%"',
        f"trace = {other}",
        "model != house-model and since 24h",
    ):
        assert found(scope, query) == [other], query
    for query in (
        "use_case = unclaimed",
        "model = house-model",
        "latency_ms < 2000",
        "errors = 0",
    ):
        assert found(scope, query) == [plain], query
    assert found(scope, 'text ~ "off 50"') == [other], "words count, not their order"
    assert found(scope, 'text ~ "ff"') == [], "a word is found from its beginning on"
    assert found(scope, "since 1m") == found(scope, "until 2020-01-01") == []


def test_a_step_that_meets_a_condition_long_after_its_trace_began_finds_it(scope: Scope) -> None:
    late = {"started_at": START + timedelta(hours=5), "model": "slow"}
    trace_id = keep(scope, model=late)
    for _ in range(3):
        keep(scope, started_at=START + timedelta(hours=1))

    assert found(scope, "model = slow") == [trace_id]
    assert found(scope, "model = slow", before=f"{(START + timedelta(hours=1)).isoformat()}~")


def test_a_label_of_a_release_finds_the_ids_it_stands_for(scope: Scope) -> None:
    ours, theirs = keep(scope, release="rel_7"), keep(scope, release="v2")
    keep(scope, release="rel_8")

    filters = search.parse_query("release = v2").named({"rel_7": "v2", "rel_8": "v1"})

    rows = search.list_traces(scope, filters).traces
    assert {row.trace_id for row in rows} == {ours, theirs}


def test_test_runs_show_only_where_a_run_is_named(scope: Scope) -> None:
    judged = keep(scope, run_id="run_1")

    assert found(scope) == []
    assert found(scope, "run = run_1") == [judged]


def test_figures_state_what_share_of_the_cost_they_cover(scope: Scope) -> None:
    keep(scope, use_case="triage", duration_ms=100.0, model={"cost_usd": 0.5})
    keep(scope, use_case="triage", duration_ms=300.0, status="error")
    keep(scope, model={"model": "sonnet-of-ours"})

    triage, unclaimed = search.figures(scope)
    assert (triage.name, triage.count, triage.errors) == ("triage", 2, 1)
    assert (triage.latency_ms_p50, triage.tokens_in) == (200.0, 100)
    assert (triage.cost_usd, triage.cost_known) == (0.5, 0.5)
    assert (unclaimed.name, unclaimed.cost_usd, unclaimed.cost_known) == (None, None, 0.0)
    assert [one.name for one in search.figures(scope, by="model")] == [
        "house-model",
        "sonnet-of-ours",
    ]
    (erring,) = search.figures(scope, search.parse_query("status = error"), by="model")
    assert (erring.name, erring.count) == ("house-model", 1)


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

    request = ParseDict(orjson.loads(search.otlp_line(spans)), ExportTraceServiceRequest())

    sent = request.resource_spans[0].scope_spans[0].spans
    assert [span.name for span in sent] == [span.name for span in spans]
    (model,) = [span for span in sent if span.name == "chat"]
    assert model.status.message == "timeout: too slow"
    assert {one.key for one in model.attributes} >= {"gen_ai.response.model"}
    assert model.end_time_unix_nano - model.start_time_unix_nano == 100_000_000
