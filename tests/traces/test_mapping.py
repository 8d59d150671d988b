"""One small span of each family of names, and whose word wins."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lineside.traces.mapping import MAPPING_VERSION, RawSpan, map_span, received
from lineside.traces.span import Message, Span
from traces.families import (
    ASKED,
    CURRENT,
    EVENTS,
    LANGFUSE,
    OLDER,
    OPENINFERENCE,
    OPENLLMETRY,
    VERCEL,
)

START_NS = 1_780_000_000_000_000_000


def mapped(attributes: dict[str, Any] | None = None, **other: Any) -> Span:
    given = {"name": "call", "start_ns": START_NS, "end_ns": START_NS + 250_000_000} | other
    return map_span(RawSpan("a" * 32, "b" * 16, attributes=attributes or {}, **given))


def words(messages: list[Message] | None) -> list[tuple[str, Any]]:
    return [(one.role, part["content"]) for one in messages or [] for part in one.parts]


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        pytest.param(OPENLLMETRY, [], id="generation A: numbered prompts"),
        pytest.param(OLDER, EVENTS, id="generation B: events"),
        pytest.param(CURRENT, [], id="generation C: messages in parts"),
        pytest.param(OPENINFERENCE, [], id="OpenInference"),
        pytest.param(LANGFUSE, [], id="Langfuse"),
        pytest.param(VERCEL, [], id="Vercel AI SDK"),
    ],
)
def test_one_call_reads_the_same_in_every_family(
    attributes: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    span = mapped(attributes, events=events)

    assert (span.kind, span.provider) == ("model", "openai")
    assert (span.model, span.model_asked) == ("gpt-4o-2024-08-06", "gpt-4o")
    assert (span.tokens_in, span.tokens_out) == (20, 4)
    assert words(span.messages_in) == ASKED
    assert words(span.messages_out) == [("assistant", "On its way")]
    assert span.messages_out is not None
    assert span.messages_out[0].finish_reason == "stop"
    assert (span.input, span.output) == ("Where is my order?", "On its way")


@pytest.mark.parametrize("name", ["gen_ai.response.id", "ai.response.id"])
def test_a_step_says_what_its_provider_calls_the_answer(name: str) -> None:
    assert mapped({name: "chatcmpl-7"}).response_id == "chatcmpl-7"


def test_the_newest_generation_tells_caches_thinking_and_the_first_chunk() -> None:
    span = mapped(
        CURRENT
        | {
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.cache_read.input_tokens": 64,
            "gen_ai.usage.cache_creation.input_tokens": 16,
            "gen_ai.usage.reasoning.output_tokens": 3,
            "gen_ai.response.time_to_first_chunk": 0.25,
            "gen_ai.conversation.id": "c-1",
            "user.id": "u-1",
        }
    )

    assert (span.tokens_in, span.tokens_cached_in, span.tokens_cache_written_in) == (120, 64, 16)
    assert span.tokens_reasoning_out == 3
    assert span.first_chunk_ms == 250
    assert (span.session_id, span.user_id) == ("c-1", "u-1")
    assert span.attributes == {}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("generate_content", "model"),
        ("embeddings", "embedding"),
        ("retrieval", "retriever"),
        ("invoke_agent", "agent"),
        ("invoke_workflow", "workflow"),
        ("plan", "agent"),
        ("execute_tool", "tool"),
        ("search_memory", "retriever"),
        ("upsert_memory", "tool"),
        ("something_new", "step"),
    ],
)
def test_an_operation_says_what_did_the_step(operation: str, kind: str) -> None:
    assert mapped({"gen_ai.operation.name": operation}).kind == kind


@pytest.mark.parametrize(
    "counted",
    [
        pytest.param({"gen_ai.usage.cache_read.input_tokens": 100}, id="more cached than read"),
        pytest.param(
            {"gen_ai.usage.cache_read.input_tokens": 8, "gen_ai.usage.total_tokens": 22},
            id="the total needs them",
        ),
    ],
)
def test_input_tokens_without_cached_ones_are_completed_and_flagged(
    counted: dict[str, Any],
) -> None:
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 4}

    span = mapped(OLDER | usage | counted)

    assert span.tokens_in == 10 + counted["gen_ai.usage.cache_read.input_tokens"]
    assert span.attributes == {"tokens": "uncached_only"}


def test_langfuses_buckets_are_added_up() -> None:
    details = {"input": 10, "output": 4, "cache_read_input_tokens": 5}

    span = mapped({"langfuse.observation.usage_details": json.dumps(details)})

    assert (span.tokens_in, span.tokens_cached_in) == (15, 5)


def test_openinference_outranks_gen_ai_and_lineside_outranks_both() -> None:
    span = mapped(
        CURRENT
        | OPENINFERENCE
        | {"llm.model_name": "chosen", "llm.token_count.prompt": 21, "lineside.kind": "guard"}
    )

    assert (span.model, span.tokens_in, span.kind) == ("chosen", 21, "guard")


def test_a_tool_shows_its_arguments_and_what_it_gave() -> None:
    span = mapped(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "find_order",
            "gen_ai.tool.call.arguments": '{"id": 7}',
            "gen_ai.tool.call.result": '{"state": "sent"}',
        }
    )

    assert (span.kind, span.tool_name) == ("tool", "find_order")
    assert (span.input, span.output) == ({"id": 7}, {"state": "sent"})


def test_tool_calls_and_results_are_read_from_each_makers_blocks() -> None:
    asked = [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"at": "X"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "Sunny"},
                {"type": "image", "source": {"media_type": "image/png", "data": "AAAA"}},
            ],
        },
    ]

    span = mapped({"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(asked)})

    assert [one.role for one in span.messages_in or []] == ["user", "assistant", "tool", "user"]
    assert [part for one in (span.messages_in or [])[1:] for part in one.parts] == [
        {"type": "tool_call", "id": "t1", "name": "weather", "arguments": {"at": "X"}},
        {"type": "tool_result", "id": "t1", "result": "Sunny"},
        {"type": "media", "mime_type": "image/png", "data": "AAAA"},
    ]


def test_a_retriever_shows_the_question_and_the_documents() -> None:
    span = mapped(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "refund rules",
            "retrieval.documents.0.document.id": "d1",
            "retrieval.documents.0.document.content": "Within 30 days",
            "retrieval.documents.0.document.score": 0.9,
        }
    )

    assert (span.kind, span.input) == ("retriever", "refund rules")
    assert span.output == [{"id": "d1", "content": "Within 30 days", "score": 0.9}]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"status_code": "ERROR", "status_message": "Timed out"}, "Timed out"),
        ({"attributes": {"error.type": "RateLimited"}}, "RateLimited"),
        (
            {
                "events": [
                    {
                        "name": "exception",
                        "time_ns": 1,
                        "attributes": {"exception.type": "KeyError", "exception.message": "x"},
                    }
                ]
            },
            "KeyError: x",
        ),
    ],
)
def test_a_failure_is_told_by_status_exception_or_type(told: dict[str, Any], error: str) -> None:
    span = mapped(**told)

    assert (span.status, span.error) == ("error", error)


def test_a_span_set_to_ok_has_dealt_with_its_exceptions() -> None:
    span = mapped(status_code="OK", events=[{"name": "exception", "attributes": {}}])

    assert (span.status, span.error) == ("ok", None)


def test_cost_is_taken_only_where_the_sender_states_it_in_dollars() -> None:
    assert mapped(OPENINFERENCE | {"llm.cost.total": 0.5}).cost_usd == 0.5
    assert mapped({"langfuse.observation.cost_details": '{"total": 0.25}'}).cost_usd == 0.25
    assert (
        mapped({"gen_ai.usage.cost.amount": 1, "gen_ai.usage.cost.currency": "EUR"}).cost_usd
        is None
    )
    assert mapped(OPENINFERENCE).cost_usd is None


def test_the_first_chunk_is_told_by_an_event_or_a_moment() -> None:
    event = {"name": "First Token Stream Event", "time_ns": START_NS + 80_000_000}
    moment = datetime.fromtimestamp(START_NS / 1e9 + 0.1, UTC).isoformat()

    assert mapped(OPENINFERENCE, events=[event]).first_chunk_ms == 80
    assert mapped(
        {"langfuse.observation.completion_start_time": json.dumps(moment)}
    ).first_chunk_ms == pytest.approx(100, abs=0.01)
    assert mapped(CURRENT).first_chunk_ms is None


def test_the_resource_says_what_the_span_does_not() -> None:
    resource = {
        "service.name": "helpdesk",
        "service.version": "7",
        "lineside.usecase": "refunds",
        "lineside.release": "r-1",
    }

    span = mapped({"lineside.arm": "canary"}, resource=resource)

    assert (span.service, span.use_case, span.release, span.arm) == (
        "helpdesk",
        "refunds",
        "r-1",
        "canary",
    )


@pytest.mark.parametrize(
    ("attributes", "resource", "release"),
    [
        ({}, {"service.version": "7"}, "7"),
        ({"langfuse.release": "v7"}, {"service.version": "7"}, "v7"),
        ({"lineside.release": "r-1", "langfuse.release": "v7"}, {"service.version": "7"}, "r-1"),
        ({}, {}, None),
    ],
)
def test_a_program_that_knows_nothing_of_us_has_releases_too(
    attributes: dict[str, Any], resource: dict[str, Any], release: str | None
) -> None:
    assert mapped(attributes, resource=resource).release == release


def test_what_was_received_stays_and_can_be_mapped_anew() -> None:
    span = mapped(CURRENT, events=EVENTS, resource={"service.name": "helpdesk"})

    assert span.mapping == MAPPING_VERSION
    assert span.raw is not None
    assert span.raw["attributes"] == CURRENT
    again = received(span)
    assert again is not None
    assert map_span(again) == span


@pytest.mark.parametrize("year", [1970, 2090])
def test_a_wrong_clock_is_kept_as_it_was(year: int) -> None:
    start = datetime(year, 6, 1, tzinfo=UTC)

    span = mapped(start_ns=int(start.timestamp()) * 10**9, end_ns=int(start.timestamp()) * 10**9)

    assert (span.started_at, span.duration_ms) == (start, 0)


def test_a_step_that_ends_before_it_starts_took_no_time_and_says_so() -> None:
    span = mapped(end_ns=START_NS - 5)

    assert (span.duration_ms, span.attributes) == (0, {"clock": "ends_before_start"})


def test_an_ordinary_input_is_no_conversation() -> None:
    span = mapped(
        {"langfuse.observation.type": "span", "langfuse.observation.input": '{"messages": 3}'}
    )

    assert (span.kind, span.messages_in, span.input) == ("step", None, {"messages": 3})


def test_text_that_only_begins_as_json_stays_text() -> None:
    span = mapped({"input.value": '{"a": [1, 2', "input.mime_type": "application/json"})

    assert span.input == '{"a": [1, 2'


@pytest.mark.parametrize("depth", [200, 500_000])
def test_json_that_is_nested_too_deeply_stays_text(depth: int) -> None:
    text = "[" * depth + "]" * depth

    span = mapped({"input.value": text})

    assert span.input == text
    assert Span.model_validate_json(span.model_dump_json()) == span
