"""Erasing what a person has left, and reading history anew, on both kinds of store."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lineside.apps import Serving, model_calls
from lineside.core import Invalid, now
from lineside.gateway import cache, calls, canonical
from lineside.traces import (
    Message,
    Span,
    get_trace,
    give_feedback,
    list_feedback,
    queries,
    record_spans,
    rewriting,
    search,
)
from lineside.traces.span import new_span_id, new_trace_id
from lineside.trust import Scope, ledger_entries
from traces.otlp_messages import attributes, message, take

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def keep(scope: Scope, words: str, *, user: str | None, flushes: bool = True) -> str:
    """A trace of an agent, whose user is known, and its model call, whose is not."""
    trace_id, root_id = new_trace_id(), new_span_id()
    usual = {"trace_id": trace_id, "started_at": START, "duration_ms": 5.0, "status": "ok"}
    root = Span(span_id=root_id, name="agent", kind="agent", user_id=user, input=words, **usual)
    told = [Message(role="user", parts=[{"type": "text", "content": words}])]
    call = Span(
        span_id=new_span_id(),
        parent_span_id=root_id,
        name="chat",
        kind="model",
        model="house-model",
        messages_in=told,
        **(usual | {"started_at": START + timedelta(seconds=1)}),
    )
    record_spans(scope, [root, call]).result()
    if flushes:
        scope.store.flusher.flush()
    return trace_id


def test_what_a_user_left_is_gone_from_everywhere(scope: Scope, tmp_path: Path) -> None:
    gone = [keep(scope, f"zebrafish parcel {number}", user="wombat") for number in range(30)]
    gone.append(keep(scope, "zebrafish waits in the inbox", user="wombat", flushes=False))
    stays = keep(scope, "quagga parcel", user="bob")
    give_feedback(scope, gone[0], thumb="down", comment="zebrafish, please")

    looked = rewriting.erase(scope, user="wombat", only_look=True)
    assert (looked.traces, looked.steps, looked.feedback, looked.is_done) == (31, 62, 1, False)
    assert get_trace(scope, gone[0])

    erased = rewriting.erase(scope, user="wombat")
    assert (erased.traces, erased.steps, erased.feedback, erased.is_done) == (31, 62, 1, True)

    assert [row.trace_id for row in search.list_traces(scope).traces] == [stays]
    assert get_trace(scope, gone[0]) == []
    assert not search.list_traces(scope, search.parse_query('text ~ "zebrafish"')).traces
    assert search.list_traces(scope, search.parse_query('text ~ "quagga"')).traces
    assert not list_feedback(scope)
    (by_model,) = search.figures(scope, by="model")
    assert by_model.count == 1
    left = [file for file in scope.store.home.rglob("*") if file.suffix in (".parquet", ".sqlite")]
    assert not [file for file in left if b"zebrafish" in file.read_bytes()]
    entry = ledger_entries(scope)[0]
    assert (entry.kind, entry.details["traces"]) == ("traces.erased", 31)
    assert "wombat" not in entry.model_dump_json()
    assert rewriting.erase(scope, user="wombat").traces == 0


def test_long_texts_go_with_the_last_trace_that_holds_them(scope: Scope) -> None:
    long = "aardvark " * 10_000
    one, other = keep(scope, long, user="ada"), keep(scope, long, user="bob")
    payloads = scope.store.home / "payloads"
    assert [file for file in payloads.rglob("*") if file.is_file()]

    rewriting.erase(scope, user="ada")
    assert get_trace(scope, other)[0].input == long
    assert rewriting.remap(scope, everything=True).changed == 0
    assert get_trace(scope, other)[0].input == long

    rewriting.erase(scope, user="bob")
    assert not [file for file in payloads.rglob("*") if file.is_file()]
    assert get_trace(scope, one) == []


def test_to_erase_takes_one_name(scope: Scope) -> None:
    with pytest.raises(Invalid, match="0 of user, session and trace are given"):
        rewriting.erase(scope)
    one, other = keep(scope, "one", user="ada"), keep(scope, "other", user="ada")
    assert rewriting.erase(scope, trace=one).traces == 1
    assert get_trace(scope, other)


def test_history_is_read_anew_and_counted_once(scope: Scope) -> None:
    from lineside.traces import mapping

    raw = mapping.RawSpan(
        trace_id=new_trace_id(),
        span_id=new_span_id(),
        name="chat",
        start_ns=1_772_366_400_000_000_000,
        end_ns=1_772_366_401_000_000_000,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 1_000_000,
            "gen_ai.usage.output_tokens": 0,
            "gen_ai.input.messages": '[{"role":"user","content":"okapi"}]',
        },
    )
    badly = mapping.map_span(raw).model_copy(
        update={
            "kind": "step",
            "model": None,
            "messages_in": None,
            "input": None,
            "use_case": "given",
            "mapping": 1,
        }
    )
    own = keep(scope, "our own step", user="ada")
    record_spans(scope, [badly]).result()
    scope.store.flusher.flush()
    assert not search.list_traces(scope, search.parse_query('text ~ "okapi"')).traces

    assert mapping.MAPPING_VERSION > 1
    done = rewriting.remap(scope)
    assert (done.traces, done.steps, done.changed) == (1, 1, 1)

    (span,) = get_trace(scope, raw.trace_id)
    assert (span.kind, span.model, span.use_case) == ("model", "gpt-4o-mini", "given")
    assert span.mapping == mapping.MAPPING_VERSION
    assert span.cost_usd == pytest.approx(0.15)
    (row,) = search.list_traces(scope, search.parse_query('text ~ "okapi"')).traces
    assert (row.steps, row.models, row.tokens_in) == (1, ("gpt-4o-mini",), 1_000_000)
    assert rewriting.remap(scope).traces == 0
    assert rewriting.remap(scope, everything=True).changed == 0
    assert len(get_trace(scope, own)) == 2


def test_a_lake_of_before_roll_ups_gets_them(scope: Scope) -> None:
    trace_id = keep(scope, "an old parcel", user="ada")
    with scope.store.changing_lake():
        scope.store.lake.change(
            [queries.TRACES, queries.MODEL_CALLS],
            [("DELETE FROM lake.traces", []), ("DELETE FROM lake.model_calls", [])],
        )
    assert not search.list_traces(scope).traces

    assert rewriting.remap(scope).traces == 1

    (row,) = search.list_traces(scope).traces
    assert (row.trace_id, row.steps) == (trace_id, 2)


def test_what_arrives_after_an_erasure_hides_nothing_that_was_kept_before(scope: Scope) -> None:
    for number in range(30):
        keep(scope, f"parcel {number}", user=f"a{number}", flushes=False)
    keep(scope, "zebrafish", user="zz")
    rewriting.erase(scope, user="zz")
    for number in range(30):
        keep(scope, f"parcel {number}", user=f"w{number}", flushes=False)
    scope.store.flusher.flush()

    assert len(search.list_traces(scope, search.parse_query("user = a7")).traces) == 1
    assert rewriting.erase(scope, user="a7").traces == 1


@pytest.fixture
def answers(scope: Scope, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Asks a plain model with a cache for somebody; gives the trace and whether it was a replay."""
    line = {"when": {"default": True}, "output": {"text": "The aardvark parcel is on its way."}}
    (tmp_path / "play.jsonl").write_text(json.dumps(line))
    route = {"targets": ["play/m"], "cache_s": 3600, "semantic_cache": True}
    settings = {"scripted": {"play": {"file": "play.jsonl"}}, "routes": {"kept": route}}
    (tmp_path / "gateway.yaml").write_text(json.dumps(settings))
    cache.keep_in_order(scope.store)
    door = model_calls.ModelCalls(Serving(scope.store), calls.Gateway(tmp_path / "gateway.yaml"))

    async def asked(words: str, who: dict[str, str]) -> tuple[str, str]:
        place = model_calls.CallPlace.read(None)
        caller = model_calls.ModelCaller(scope=scope, place=place, **who)
        turn = canonical.Turn(role="user", parts=(canonical.TextPart(text=words),))
        request = canonical.ModelRequest(wire="chat", model="kept", turns=(turn,))
        opened = await door.open(caller, request)
        await opened.whole()
        return place.trace_id, str(opened.call.served.attributes[cache.CACHED])

    return lambda words, **who: asyncio.run(asked(words, who))


def test_kept_answers_go_with_the_traces_that_they_came_from(
    scope: Scope, answers: Callable[..., tuple[str, str]]
) -> None:
    trace, said = answers("Where is my aardvark parcel?", user="ada")
    answers("Where is my aardvark now, please?", user="ada", session="s1")
    answers("Where is the parcel of bob?", user="bob")
    assert (said, answers("Where is my aardvark parcel?", user="eve")[1]) == ("miss", "hit")

    looked = rewriting.erase(scope, user="ada", only_look=True)
    assert (looked.traces, looked.beside["cached answers"]) == (2, 2)
    assert answers("Where is my aardvark parcel?", user="eve")[1] == "hit"
    assert rewriting.erase(scope, session="s1").beside["cached answers"] == 1
    assert rewriting.erase(scope, user="ada").beside["cached answers"] == 1

    assert ledger_entries(scope)[-1].details["beside"]["cached answers"] == 1
    assert answers("Where is the parcel of bob?", user="eve")[1] == "hit"
    anew, said = answers("Where is my aardvark parcel?", user="eve")
    assert said == "miss"
    assert anew != trace
    assert rewriting.erase(scope, trace=anew).beside["cached answers"] == 1


def test_kept_answers_are_not_kept_longer_than_their_traces(
    scope: Scope, answers: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers("Where is my aardvark parcel?", user="ada")
    scope.store.flusher.flush()
    rewriting.retain(scope, None, days=1)
    assert rewriting.apply_retention(scope) == []
    assert answers("Where is my aardvark parcel?", user="eve")[1] == "hit"

    later = now() + timedelta(days=2)
    monkeypatch.setattr("lineside.traces.rewriting.retention.now", lambda: later)
    scope.store.flusher.flush()
    (expired,) = rewriting.apply_retention(scope)
    assert (expired.traces, expired.elsewhere) == (2, {"cached answers": 1})
    assert ledger_entries(scope)[-1].details["elsewhere"] == {"cached answers": 1}
    assert answers("Where is my aardvark parcel?", user="eve")[1] == "miss"


def test_what_is_over_goes_with_upkeep_though_nobody_asks_again(
    scope: Scope, answers: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers("Where is my aardvark parcel?", user="ada")
    answers("Where is the parcel of bob?", user="bob")
    scope.store.flusher.flush()
    later = now() + timedelta(hours=2)
    monkeypatch.setattr("lineside.gateway.cache.keeping.now", lambda: later)
    scope.store.upkeep.run()

    assert rewriting.erase(scope, user="ada", only_look=True).beside["cached answers"] == 0
    scope.store.forget_deleted()
    for file in scope.store.home.glob("records.sqlite*"):
        assert b"aardvark" not in file.read_bytes()


def over_midnight(scope: Scope, *use_cases: str) -> str:
    """A received trace of three steps of these use cases, the last of them the next day."""
    trace_id, midnight = new_trace_id(), datetime(2026, 3, 2, tzinfo=UTC)
    for number, (minutes, tokens) in enumerate([(-60, 500), (-1, 500), (1, 1_000)]):
        nanoseconds = str(int((midnight + timedelta(minutes=minutes)).timestamp()) * 10**9)
        named = attributes(gen_ai__operation__name="chat", lineside__usecase=use_cases[number])
        named.append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": str(tokens)}})
        span = {
            "traceId": trace_id,
            "spanId": f"{number + 1:016x}",
            "parentSpanId": f"{1:016x}" if number else "",
            "startTimeUnixNano": nanoseconds,
            "endTimeUnixNano": nanoseconds,
            "attributes": named,
        }
        take(scope, message(span), use_cases=("shop", "other"))
    scope.store.flusher.flush()
    return trace_id


def test_reading_anew_what_began_since_a_day_keeps_all_steps_of_a_trace(scope: Scope) -> None:
    trace_id = over_midnight(scope, "shop", "shop", "shop")

    done = rewriting.remap(scope, since=datetime(2026, 3, 2, tzinfo=UTC), everything=True)

    (row,) = search.list_traces(scope).traces
    assert (done.traces, done.steps, len(get_trace(scope, trace_id))) == (1, 3, 3)
    assert (row.steps, row.tokens_in) == (3, 2_000)


def test_reading_anew_one_use_case_keeps_the_steps_of_others(scope: Scope) -> None:
    trace_id = over_midnight(scope, "shop", "shop", "other")

    done = rewriting.remap(scope, use_case="shop", everything=True)

    found = {row.use_case: (row.steps, row.tokens_in) for row in search.list_traces(scope).traces}
    assert (done.traces, len(get_trace(scope, trace_id))) == (1, 3)
    assert found == {"shop": (2, 1_000), "other": (1, 1_000)}
