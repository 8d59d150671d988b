"""Scores: however they came, each counts once and finds its trace."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from lineside.core import Denied, Invalid, now
from lineside.store.lake import Reading
from lineside.traces import Span, open_traces, quality, receive, record_spans
from lineside.traces.queries import SPANS
from lineside.traces.rewriting.erase import erase
from lineside.traces.scores import TraceScore, list_scores, record_scores, score_figures
from lineside.traces.scores.queries import SCORES
from lineside.trust import Scope, local_scope

TRACE, OTHER = "a1" * 16, "b2" * 16
MOMENT = now() - timedelta(minutes=5)
DEEP: dict[str, Any] = {}
for _ in range(300):
    DEEP = {"below": DEEP}


def root(trace_id: str, **more: Any) -> Span:
    usual: dict[str, Any] = {"name": "answer", "use_case": "triage", "session_id": "s1"}
    fields = usual | {"started_at": MOMENT, "duration_ms": 5.0} | more
    return Span(trace_id=trace_id, span_id=trace_id[:16], **fields)


def evaluated(**attributes: Any) -> bytes:
    """An OTLP message of one span with the event that `lineside.score` puts on it."""
    kinds = {str: "stringValue", float: "doubleValue"}
    pairs = [
        {"key": f"gen_ai.evaluation.{key}", "value": {kinds[type(value)]: value}}
        for key, value in attributes.items()
    ]
    nanoseconds = str(int(MOMENT.timestamp()) * 10**9)
    event = {"name": "gen_ai.evaluation.result", "timeUnixNano": nanoseconds, "attributes": pairs}
    span = {
        "traceId": TRACE,
        "spanId": "c3" * 8,
        "name": "chat",
        "startTimeUnixNano": nanoseconds,
        "endTimeUnixNano": nanoseconds,
        "events": [event, {"name": "other"}],
    }
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def take(scope: Scope, body: bytes) -> None:
    receive.receive_otlp(
        scope,
        body,
        media_type=receive.JSON,
        encoding="",
        bytes_max=10**6,
        use_cases=("triage",),
    ).durable.result()


def test_a_score_waits_for_its_trace_and_then_belongs_to_its_release(scope: Scope) -> None:
    record_scores(scope, [TraceScore(name="faithfulness", value=0.75, trace_id=TRACE)]).result()
    before = list_scores(scope, trace_id=TRACE)
    record_spans(scope, [root(TRACE, release="r1")]).result()
    scope.store.flusher.flush()
    after = list_scores(scope, use_case="triage")

    assert [(one.value, one.use_case) for one in before] == [(0.75, None)]
    assert [(one.value, one.release, one.session_id) for one in after] == [(0.75, "r1", "s1")]
    assert list_scores(scope, session_id="s1") == after


def test_scores_of_answers_find_the_steps_of_several_days_that_come_together(scope: Scope) -> None:
    days = {"chatcmpl-1": MOMENT - timedelta(days=200), "chatcmpl-2": MOMENT, "chatcmpl-3": MOMENT}
    for answer, began in days.items():
        score = TraceScore(name="grounded", value=0.5, response_id=answer, at=began)
        record_scores(scope, [score]).result()
    scope.store.flusher.flush()

    steps = [
        root(sign * 32, kind="model", response_id=answer, started_at=began)
        for sign, (answer, began) in zip("123", days.items(), strict=True)
    ]
    record_spans(scope, steps).result()
    scope.store.flusher.flush()

    assert sorted(one.trace_id or "" for one in list_scores(scope)) == [
        "1" * 32,
        "2" * 32,
        "3" * 32,
    ]


@pytest.mark.parametrize("moves_between", [True, False])
@pytest.mark.parametrize("score_first", [True, False])
def test_a_score_of_an_answer_finds_the_step_that_has_it_whichever_came_first(
    scope: Scope, score_first: bool, moves_between: bool
) -> None:
    step = root(TRACE, kind="model", response_id="chatcmpl-7")
    around = root(OTHER, kind="agent", response_id="chatcmpl-7", started_at=MOMENT)
    score = TraceScore(name="grounded", value=0.5, response_id="chatcmpl-7")

    def keep_step() -> None:
        record_spans(scope, [around, step]).result()

    first, second = (0, 1) if score_first else (1, 0)
    acts = [lambda: record_scores(scope, [score]).result(), keep_step]
    acts[first]()
    if moves_between:
        scope.store.flusher.flush()
    waiting = list_scores(scope)
    [lost] = quality.telemetry_quality(scope)
    acts[second]()
    shown = list_scores(scope)
    scope.store.flusher.flush()
    record_spans(scope, [root("c5" * 16, kind="model", response_id="chatcmpl-7")]).result()
    record_scores(scope, [score]).result()
    scope.store.flusher.flush()

    assert (waiting, lost.scores_waiting) == ([], int(score_first))
    places = [(one.name, one.trace_id, one.span_id, one.use_case) for one in shown]
    assert places == [("grounded", TRACE, TRACE[:16], "triage")]
    assert list_scores(scope) == shown
    assert quality.telemetry_quality(scope)[0].scores_waiting == 0
    erase(scope, session="s1")
    assert list_scores(scope) == []
    with scope.store.lake.reading([SCORES]) as reading:
        assert reading.rows("SELECT * FROM {scores}") == []


def test_a_score_of_an_answer_is_of_no_other_use_case_than_its_key_may_write_to(
    scope: Scope,
) -> None:
    record_spans(scope, [root(TRACE, use_case="refunds", response_id="r-1")]).result()
    limited = dataclasses.replace(scope, use_cases=frozenset({"triage"}))

    record_scores(limited, [TraceScore(name="x", value=1.0, response_id="r-1")]).result()

    assert list_scores(scope) == []
    assert {one.use_case: one.scores_waiting for one in quality.telemetry_quality(scope)} == {
        "refunds": 0,
        "triage": 1,
    }


def files_read(scope: Scope, asked: list[tuple[str, list[Any]]]) -> int:
    """How many files of scores the lake opens for what it is asked."""

    def of(plan: dict[str, Any]) -> int:
        about = plan.get("extra_info") or {}
        own = int(about.get("Total Files Read", 0)) if about.get("Table") == "scores" else 0
        return own + sum(map(of, plan.get("children", ())))

    with scope.store.lake.reading([SPANS, SCORES]) as reading:
        plans = [reading.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", of) for sql, of in asked]
    return sum(of(json.loads(plan["explain_value"])) for [plan] in plans)


def test_what_a_flush_reads_does_not_grow_with_the_scores_of_other_months(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep_month(number: int) -> None:
        at = MOMENT - timedelta(days=40 * number)
        many = [
            TraceScore(name="x", value=1.0, response_id=f"{place}-{number}", at=at)
            for place in ("a", "m", "z")
        ]
        record_scores(scope, many).result()
        scope.store.flusher.flush()

    def reads_of_a_flush(number: int) -> int:
        asked: list[tuple[str, list[Any]]] = []
        rows = Reading.rows

        def spied(self: Reading, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
            if "{scores}" in sql:
                asked.append((sql, list(parameters)))
            return rows(self, sql, parameters)

        answers = [f"a-{number}", "other", "z-0"]
        spans = [
            root(f"{number}{place}" * 16, kind="model", response_id=answer)
            for place, answer in enumerate(answers)
        ]
        with monkeypatch.context() as patch:
            patch.setattr(Reading, "rows", spied)
            record_spans(scope, spans).result()
            scope.store.flusher.flush()
        assert asked
        return files_read(scope, asked)

    with scope.store.lake.reading([SCORES]):  # made, so that its settings can be told
        pass
    scope.store.lake.run([SCORES], "CALL lake.set_option('data_inlining_row_limit', '0')")
    keep_month(0)
    few = reads_of_a_flush(1)
    for number in range(1, 9):
        keep_month(number)

    many = reads_of_a_flush(2)

    assert [one.trace_id for one in list_scores(scope, trace_id="12" * 16)] == ["12" * 16]
    assert few == many == 2


def test_an_old_step_among_new_ones_finds_its_score_and_so_does_the_latest(scope: Scope) -> None:
    long_ago = MOMENT - timedelta(days=700)
    old = TraceScore(name="x", value=0.25, response_id="old", at=long_ago + timedelta(days=30))
    new = TraceScore(name="x", value=0.75, response_id="new", at=MOMENT)
    late = TraceScore(name="x", value=0.5, response_id="old", at=long_ago + timedelta(days=32))
    record_scores(scope, [old, new, late]).result()
    scope.store.flusher.flush()
    spans = [
        root(TRACE, kind="model", response_id="old", started_at=long_ago),
        root(OTHER, kind="model", response_id="new"),
    ]

    record_spans(scope, spans).result()
    scope.store.flusher.flush()
    record_scores(scope, [old, new, late]).result()
    scope.store.flusher.flush()

    assert {(one.trace_id, one.value) for one in list_scores(scope)} == {
        (TRACE, 0.25),
        (OTHER, 0.75),
    }


@pytest.mark.parametrize("year", [1, 9999])
def test_a_score_of_a_clock_that_is_quite_wrong_holds_nothing_up(scope: Scope, year: int) -> None:
    at = datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, 12, tzinfo=UTC)
    record_scores(scope, [TraceScore(name="x", value=1.0, response_id="r", at=at)]).result()
    record_spans(scope, [root(TRACE, kind="model", response_id="r")]).result()

    scope.store.flusher.flush()

    assert scope.store.inbox.count() == 0
    assert quality.telemetry_quality(scope)[0].spans == 1


def test_figures_say_how_a_score_fares_by_release(scope: Scope) -> None:
    record_spans(scope, [root(TRACE, release="r1"), root(OTHER, release="r2")]).result()
    said = [(TRACE, 0.5, "fail"), (TRACE, 1.0, "pass"), (OTHER, 1.0, "pass"), (OTHER, None, "skip")]
    record_scores(
        scope,
        [
            TraceScore(
                name="grounded",
                value=value,
                label=label,
                trace_id=trace_id,
                at=MOMENT + timedelta(seconds=number),
            )
            for number, (trace_id, value, label) in enumerate(said)
        ],
    ).result()

    found = score_figures(scope, use_case="triage", by="release")

    figures = {one.group: (one.count, one.valued, one.mean, one.labels) for one in found}
    assert figures == {
        "r1": (2, 2, 0.75, {"pass": 1, "fail": 1}),
        "r2": (2, 1, 1.0, {"pass": 1, "skip": 1}),
    }
    days = score_figures(scope, by="day")
    assert {one.group for one in days} <= {f"{MOMENT:%Y-%m-%d}", f"{now():%Y-%m-%d}"}


def test_a_score_on_a_span_is_kept_and_counts_once_however_often_it_comes(scope: Scope) -> None:
    body = evaluated(**{"name": "toxicity", "score.value": 0.25, "explanation": "mild"})
    take(scope, body)
    take(scope, body)
    waiting = list_scores(scope, trace_id=TRACE)
    scope.store.flusher.flush()
    take(scope, body)

    [score] = list_scores(scope, trace_id=TRACE)
    assert waiting == [score]
    assert (score.name, score.value, score.explanation) == ("toxicity", 0.25, "mild")
    assert (score.source, score.span_id) == ("otlp", "c3" * 8)
    again = TraceScore(name="thumb", value=1.0, trace_id=TRACE, at=MOMENT)
    record_scores(scope, [again, again]).result()
    assert [one.name for one in list_scores(scope)].count("thumb") == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "x", "value": 1.0}, "names no trace, step or session, and no answer"),
        ({"name": "x", "trace_id": TRACE}, "has no value and no label"),
        ({"name": " ", "value": 1.0, "trace_id": TRACE}, "with 1 characters"),
        ({"name": "x", "value": float("nan"), "trace_id": TRACE}, "is nan"),
        ({"name": "x", "value": 1.0, "trace_id": TRACE, "metadata": DEEP}, "cannot be kept"),
        ({"name": "x", "value": 1.0, "trace_id": TRACE, "metadata": {"x": "y" * 20_000}}, "limit"),
    ],
)
def test_a_score_that_says_nothing_is_refused(
    installation_scope: Scope, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        record_scores(installation_scope, [TraceScore(**fields)])


@pytest.fixture(scope="module")
def installation_scope(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from lineside.core import Settings
    from lineside.store import open_store

    opened = open_store(Settings(home=tmp_path_factory.mktemp("scores") / "home"))
    open_traces(opened)
    yield local_scope(opened)
    opened.close()


def test_who_is_limited_to_a_use_case_scores_and_sees_no_other(installation_scope: Scope) -> None:
    record_spans(installation_scope, [root(TRACE), root(OTHER, use_case="refunds")]).result()
    limited = dataclasses.replace(installation_scope, use_cases=frozenset({"triage"}))
    foreign = TraceScore(name="x", value=1.0, trace_id=OTHER, use_case="triage")

    with pytest.raises(Denied, match="use case `refunds`"):
        record_scores(limited, [foreign])
    record_scores(limited, [foreign.model_copy(update={"trace_id": TRACE})]).result()
    record_scores(installation_scope, [foreign]).result()
    assert [one.trace_id for one in list_scores(limited, use_case="triage")] == [TRACE]
    with pytest.raises(Denied):
        list_scores(limited, trace_id=OTHER)
    with pytest.raises(Denied):
        list_scores(limited)
