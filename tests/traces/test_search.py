from datetime import timedelta
from pathlib import Path

import pytest

from lineside.core import Invalid, Settings
from lineside.traces import (
    Message,
    new_span_id,
    new_trace_id,
    record_spans,
    search,
)
from lineside.trust import Scope
from traces.searched import START, found, keep, step


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One database only: what is asked here, the lake answers, and it is the same beside both."""
    return Settings(home=tmp_path / "home")


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
