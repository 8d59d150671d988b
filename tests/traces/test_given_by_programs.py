"""What programs put on their steps beside the work: tags, and what somebody says of it."""

import json
from typing import Any

import orjson
import pytest
from openinference.instrumentation import get_annotation_attributes, get_evaluation_attributes

from lineside.core import now
from lineside.traces import get_trace, new_span_id, new_trace_id, receive, search
from lineside.traces.conventions.given import remarks_in
from lineside.traces.mapping import RawSpan, map_span
from lineside.traces.scores import list_scores
from lineside.trust import Scope

KINDS = {str: "stringValue", float: "doubleValue", int: "intValue", bool: "boolValue"}

# As `langfuse` 5.0 sends a generation within `propagate_attributes`.
LANGFUSE = {
    "user.id": "u1",
    "session.id": "s1",
    "langfuse.trace.metadata.plan": '"gold"',
    "langfuse.version": "v7",
    "langfuse.trace.tags": ["vip", "beta"],
    "langfuse.observation.input": '[{"role": "user", "content": "Where?"}]',
    "langfuse.observation.model.name": "gpt-4o",
    "langfuse.observation.metadata.step": '"one"',
    "langfuse.observation.type": "generation",
    "langfuse.observation.output": "Here",
    "langfuse.observation.usage_details": '{"input": 5, "output": 1}',
}
# As `logfire` 5.4 sends a step of one's own.
LOGFIRE = {
    "code.lineno": 7,
    "order_id": 17,
    "customer": '{"name":"Ann","n":2}',
    "logfire.msg_template": "handle {order_id}",
    "logfire.msg": "handle 17",
    "logfire.json_schema": '{"type":"object","properties":{"order_id":{}}}',
    "logfire.tags": ["vip", "check"],
    "logfire.span_type": "span",
}
# As Braintrust documents what it reads from OpenTelemetry.
BRAINTRUST = {
    "braintrust.span_attributes": '{"type": "llm", "name": "ask"}',
    "braintrust.input_json": '[{"role": "user", "content": "Where?"}]',
    "braintrust.output_json": '[{"role": "assistant", "content": "Here"}]',
    "braintrust.metadata": '{"model": "gpt-4o", "user_id": "u1"}',
    "braintrust.metrics": '{"prompt_tokens": 5, "completion_tokens": 1}',
    "braintrust.scores": '{"factual": 0.75, "brief": null}',
    "braintrust.tags": ["vip"],
}


def value(one: Any) -> dict[str, Any]:
    if isinstance(one, list):
        return {"arrayValue": {"values": [value(part) for part in one]}}
    return {KINDS[type(one)]: one}


def send(
    scope: Scope, attributes: dict[str, Any], *, links: tuple[tuple[str, str], ...] = ()
) -> tuple[str, str]:
    """One step over OTLP; gives the ids of its trace and of itself."""
    trace_id, span_id, moment = new_trace_id(), new_span_id(), str(int(now().timestamp()) * 10**9)
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "ask",
        "startTimeUnixNano": moment,
        "endTimeUnixNano": moment,
        "attributes": [{"key": key, "value": value(one)} for key, one in attributes.items()],
        "links": [{"traceId": trace, "spanId": step} for trace, step in links],
    }
    receive.receive_otlp(
        scope,
        orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
        media_type=receive.JSON,
        encoding="",
        bytes_max=10**6,
        use_cases=(),
    ).durable.result()
    return trace_id, span_id


def found(scope: Scope, query: str) -> set[str]:
    page = search.list_traces(scope, search.parse_query(query))
    return {one.trace_id for one in page.traces}


@pytest.mark.parametrize("moves", [True, False])
def test_tags_that_were_sent_are_found_as_those_of_people_are(apart: Scope, moves: bool) -> None:
    sent = {
        "langfuse": send(apart, LANGFUSE)[0],
        "logfire": send(apart, LOGFIRE)[0],
        "braintrust": send(apart, BRAINTRUST)[0],
        "openinference": send(apart, {"tag.tags": ["Beta Users"]})[0],
        "langsmith": send(apart, {"langsmith.span.tags": "vip, night"})[0],
        "none": send(apart, {"note": "vip"})[0],
    }
    if moves:
        apart.store.flusher.flush()

    def named(query: str) -> set[str]:
        return {name for name, trace_id in sent.items() if trace_id in found(apart, query)}

    assert named("tag = vip") == {"langfuse", "logfire", "braintrust", "langsmith"}
    assert named('tag = "beta users"') == {"openinference"}
    assert named("tag ~ beta") == {"langfuse", "openinference"}
    assert named("tag != vip") == {"openinference", "none"}
    assert named('tag = ""') == {"none"}
    assert search.tags_sent(apart, sent["langsmith"]) == ("night", "vip")
    [span] = get_trace(apart, sent["logfire"])
    assert (span.tags, span.input) == (("vip", "check"), "handle 17")


def test_a_span_of_braintrust_is_read_whole(apart: Scope) -> None:
    trace_id, span_id = send(apart, BRAINTRUST)

    [span] = get_trace(apart, trace_id)
    [score] = list_scores(apart, trace_id=trace_id)
    assert (span.kind, span.model, span.user_id) == ("model", "gpt-4o", "u1")
    assert (span.tokens_in, span.tokens_out) == (5, 1)
    assert (span.input, span.output) == ("Where?", "Here")
    assert (score.name, score.value, score.span_id) == ("factual", 0.75, span_id)


def test_what_a_function_decorated_for_langfuse_was_called_with_is_its_input(apart: Scope) -> None:
    messages = [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Where?"}]
    called: dict[str, tuple[str, Any]] = {
        "one": ("generation", {"args": [messages], "kwargs": {}}),
        "named": ("generation", {"args": [], "kwargs": {"messages": messages}}),
        "tool": ("tool", {"args": ["7"], "kwargs": {}}),
        "both": ("tool", {"args": ["7"], "kwargs": {"deep": True}}),
    }
    found = {}
    for name, (kind, said) in called.items():
        attributes = {
            "langfuse.observation.type": kind,
            "langfuse.observation.input": json.dumps(said),
        }
        [found[name]] = get_trace(apart, send(apart, attributes)[0])

    assert (found["one"].input, found["named"].input) == ("Where?", "Where?")
    assert [one.role for one in found["one"].messages_in or []] == ["system", "user"]
    assert (found["tool"].input, found["both"].input) == ("7", called["both"][1])


def test_a_generation_of_langfuse_that_says_plain_texts_is_a_conversation(apart: Scope) -> None:
    sent = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": "Where?",
        "langfuse.observation.output": "Here",
    }

    [span] = get_trace(apart, send(apart, sent)[0])

    told = [*(span.messages_in or []), *(span.messages_out or [])]
    assert [(one.role, one.parts[0]["content"]) for one in told] == [
        ("user", "Where?"),
        ("assistant", "Here"),
    ]


def test_what_a_function_decorated_for_openllmetry_was_called_with_is_its_input(
    apart: Scope,
) -> None:
    # As `traceloop-sdk` 0.62 and its package for Node 0.27 send it.
    called: dict[str, Any] = {
        "one": {"args": ["Bern"], "kwargs": {}},
        "named": {"args": [], "kwargs": {"city": "Bern"}},
        "both": {"args": ["Bern"], "kwargs": {"deep": True}},
        "none": {"args": [], "kwargs": {}},
    }
    found = {}
    for name, said in called.items():
        attributes = {
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "weather",
            "traceloop.entity.input": json.dumps(said),
            "traceloop.entity.output": '"sunny in Bern"',
        }
        [found[name]] = get_trace(apart, send(apart, attributes)[0])

    assert [found[name].input for name in called] == [
        "Bern",
        {"city": "Bern"},
        called["both"],
        None,
    ]
    assert {span.output for span in found.values()} == {"sunny in Bern"}


def test_the_first_piece_of_a_stream_is_an_event_of_openllmetry() -> None:
    pieces = [
        {"name": "llm.content.completion.chunk", "time_ns": at * 10**6, "attributes": {}}
        for at in (300, 450)
    ]
    attributes = {"llm.request.type": "chat", "gen_ai.system": "openai"}

    span = map_span(
        RawSpan("1" * 32, "1" * 16, "chat", 0, 10**9, attributes=attributes, events=pieces)
    )

    assert span.first_chunk_ms == 300


def test_thoughts_summed_up_by_openllmetry_are_read_as_words(apart: Scope) -> None:
    thoughts = [{"text": "Ask first", "type": "summary_text"}]
    parts = [
        {"type": "reasoning", "content": json.dumps(thoughts)},
        {"type": "reasoning", "content": '["a list"]'},
        {"type": "text", "content": "Here"},
    ]
    said = json.dumps([{"role": "assistant", "parts": parts}])
    sent = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": said}

    [span] = get_trace(apart, send(apart, sent)[0])

    [message] = span.messages_out or []
    assert [one["content"] for one in message.parts] == ["Ask first", '["a list"]', "Here"]


def test_tokens_that_anthropic_itself_counts_as_written_into_its_cache_are_read(
    apart: Scope,
) -> None:
    sent = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 125,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.cache_write.input_tokens": 20,
    }

    [span] = get_trace(apart, send(apart, sent)[0])

    assert (span.tokens_in, span.tokens_cache_written_in) == (125, 20)


@pytest.mark.parametrize("word", ["[Scrubbed due to 'session']", "__REDACTED__"])
def test_what_a_sender_blacked_out_is_no_session_and_no_user(apart: Scope, word: str) -> None:
    sent = {"session.id": word, "user.id": word, "gen_ai.conversation.id": "chat-7"}

    [span] = get_trace(apart, send(apart, sent)[0])

    assert (span.session_id, span.user_id) == ("chat-7", None)


def test_texts_and_single_scores_of_braintrust_are_read_as_they_were_meant(apart: Scope) -> None:
    sent = {
        "braintrust.input": '"Where?"',
        "braintrust.output": '"Here"',
        "braintrust.scores.factual": 0.75,
        "braintrust.metadata.user_id": "u1",
    }
    trace_id, _ = send(apart, sent)

    [span] = get_trace(apart, trace_id)
    [score] = list_scores(apart, trace_id=trace_id)
    assert (span.input, span.output, span.user_id) == ("Where?", "Here", "u1")
    assert (score.name, score.value) == ("factual", 0.75)


def test_annotations_of_openinference_on_a_step_are_scores(apart: Scope) -> None:
    said: list[Any] = [
        {
            "name": "tone",
            "score": 0.9,
            "label": "kind",
            "explanation": "It thanks",
            "annotator_kind": "LLM",
            "identifier": "rater-1",
            "metadata": {"model": "judge-1"},
        },
        {"name": "why", "explanation": "It forgot the refund", "annotator_kind": "HUMAN"},
    ]
    attributes = (
        get_annotation_attributes(annotations=said)
        | get_evaluation_attributes(evaluations=[{"name": "done", "score": 1}], scope="trace")
        | get_annotation_attributes(
            annotations=[{"name": "happy", "label": "yes"}], scope="session"
        )
        | {"session.id": "chat-1"}
    )

    trace_id, span_id = send(apart, attributes)
    send(apart, {"session.id": "chat-1"})
    apart.store.flusher.flush()

    found = {one.name: one for one in list_scores(apart, session_id="chat-1")}
    assert (found["tone"].value, found["tone"].label) == (0.9, "kind")
    assert (found["tone"].source, found["tone"].span_id) == ("judge", span_id)
    assert (found["tone"].identifier, found["tone"].metadata) == ("rater-1", {"model": "judge-1"})
    assert (found["why"].label, found["why"].source) == ("note", "person")
    assert (found["done"].trace_id, found["done"].span_id) == (trace_id, None)
    assert (found["happy"].trace_id, found["happy"].session_id) == (None, "chat-1")


def test_a_step_that_links_to_another_says_it_of_that(apart: Scope) -> None:
    target = send(apart, {"question": "Where?"})
    attributes = get_annotation_attributes(annotations=[{"name": "right", "score": 0}])

    carrier, _ = send(apart, attributes, links=(target,))
    apart.store.flusher.flush()

    [score] = list_scores(apart, trace_id=target[0])
    assert (score.value, score.span_id) == (0.0, target[1])
    assert list_scores(apart, trace_id=carrier) == []


def test_odd_tags_and_scores_are_passed_over() -> None:
    odd: dict[str, Any] = {
        "tag.tags": [7, "", " a ", "a", None, {"b": 1}],
        "braintrust.tags": "{",
        "braintrust.scores": "[1, 2]",
        "annotations.x.annotation.name": "y",
        "annotations.0": "z",
        "annotations.1.annotation": json.dumps({"name": "n"}),
    }
    raw = RawSpan(
        trace_id="a" * 32, span_id="b" * 16, name="x", start_ns=1, end_ns=2, attributes=odd
    )

    assert map_span(raw).tags == ("7", "a", "{")
    assert [one.name for one in remarks_in(odd)] == ["y", "n"]
