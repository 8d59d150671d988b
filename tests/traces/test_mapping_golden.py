"""Recorded traces of many frameworks, against what their recorders say they hold.

The recordings stand beside the checkout, in a folder named `shared`, or where `LINESIDE_SHARED`
says.
"""

import gzip
import json
import os
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from lineside.traces.mapping import RawSpan, map_span
from lineside.traces.span import Message, Span

Line = tuple[str | None, Any, list[tuple[str, Any]]]

OTHERWISE = {
    # A tool's answer, which Google's format sends in the user's name; only its role is apart.
    ("google-adk-2025-08-28", "call_llm", "input"),
}
"""Conversations that we read differently on purpose."""
UNREAD = {
    # Messages printed by Python rather than written as JSON.
    ("agno-2025-06-11", "OpenAIChat.invoke", "input"),
    # One choice, with its message inside.
    ("pydantic-ai-2025-06-06", "chat gpt-4o", "output"),
    ("pydantic-ai-tools-2025-06-06", "chat gpt-4o", "output"),
}
"""Conversations that the expected form leaves without roles, and that we read."""


def recorded(name: str) -> list[dict[str, Any]]:
    roots = [Path(value) for value in [os.environ.get("LINESIDE_SHARED")] if value]
    roots.append(Path(__file__).parents[3] / "shared")
    for root in roots:
        file = root / "data" / "traces_mixed" / f"{name}.jsonl.gz"
        if file.exists():
            with gzip.open(file, "rt") as lines:
                return [json.loads(line) for line in lines]
    pytest.skip(f"No recording {name!r}: set LINESIDE_SHARED to the folder that holds `data`")


def as_received(observation: dict[str, Any]) -> RawSpan:
    """A Langfuse observation as the span that would carry it."""
    metadata = _read(observation.get("metadata") or {})
    attributes = dict(metadata.get("attributes") or {})
    attributes["langfuse.observation.type"] = observation["type"].lower()
    for side in ("input", "output"):
        value = observation.get(side)
        if value is not None:
            attributes[f"langfuse.observation.{side}"] = (
                value if isinstance(value, str) else json.dumps(value)
            )
    return RawSpan(
        trace_id="0" * 32,
        span_id="0" * 16,
        name=observation["name"],
        start_ns=0,
        end_ns=0,
        attributes=attributes,
        resource=metadata.get("resourceAttributes") or {},
    )


def expected_lines(messages: list[dict[str, Any]]) -> list[Line]:
    lines: list[Line] = []
    for message in messages:
        words = message.get("content") or (message.get("json") or {}).get("text") or ""
        if isinstance(words, list):
            words = "\n".join(part["text"] for part in words if part.get("type") == "text")
        role = {"model": "assistant"}.get(message.get("role", ""), message.get("role"))
        calls = [(c["name"], _read(c["arguments"])) for c in message.get("tool_calls") or []]
        lines.append((role, _read(words), calls))
    return lines


def lines_of(messages: list[Message] | None) -> list[Line]:
    lines: list[Line] = []
    for one in messages or []:
        results = [part["result"] for part in one.parts if part["type"] == "tool_result"]
        if results:
            lines += [(one.role, result, []) for result in results]
            continue
        words = "\n".join(part["content"] for part in one.parts if part["type"] == "text")
        calls = [(p["name"], p["arguments"]) for p in one.parts if p["type"] == "tool_call"]
        lines.append((one.role, _read(words), calls))
    return lines


def _read(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def test_the_conversations_of_recorded_frameworks_are_read_as_their_recorder_expects() -> None:
    agree, apart, more, none = 0, set(), set(), 0
    for row in recorded("langfuse_framework_traces"):
        for observation in row["trace"]["observations"]:
            span = map_span(as_received(observation))
            sides = row["expected_chatml"].get(observation["id"]) or {}
            for side, got in (("input", span.messages_in), ("output", span.messages_out)):
                if not sides.get(side, {}).get("success"):
                    continue
                expected = expected_lines(sides[side]["data"])
                key = (row["framework"], observation["name"], side)
                if all(role is None for role, _, _ in expected):
                    # No conversation: what a tool or a workflow gave back.
                    more |= {key} if got else set()
                    none += not got
                elif all(w == h for w, h in zip_longest(expected, lines_of(got))):
                    agree += 1
                else:
                    apart.add(key)
                    assert [line[1:] for line in expected] == [line[1:] for line in lines_of(got)]

    assert apart == OTHERWISE
    assert more == UNREAD
    assert (agree, none) == (38, 13)


def test_recorded_frameworks_have_models_tools_and_agents() -> None:
    kinds: dict[str, set[str]] = {}
    models: set[str | None] = set()
    for row in recorded("langfuse_framework_traces"):
        for observation in row["trace"]["observations"]:
            span = map_span(as_received(observation))
            kinds.setdefault(observation["type"], set()).add(span.kind)
            models |= {span.model} if span.kind == "model" else set()

    assert kinds["GENERATION"] <= {"model", "agent"}
    assert kinds["TOOL"] == {"tool"}
    assert kinds["AGENT"] == {"agent"}
    assert {"gpt-4o-mini", "gemini-2.0-flash", "gpt-5-2025-08-07"} <= models


def test_what_langchain_puts_around_a_tools_answer_is_taken_off() -> None:
    read = 0
    for row in recorded("deepeval_integration_traces"):
        for tool in _read(row["trace"])["toolSpans"]:
            answer = tool.get("output")
            if not isinstance(answer, dict) or "tool_call_id" not in answer:
                continue
            attributes = {"tool.name": tool["name"], "output.value": json.dumps(answer)}
            span = _openinference(tool["name"], attributes | _kind("TOOL"))
            assert (span.tool_name, span.output) == (answer["name"], _read(answer["content"]))
            read += 1
    assert read > 20


def test_the_state_of_a_recorded_langgraph_agent_is_a_conversation() -> None:
    roles = {"human": "user", "ai": "assistant", "tool": "tool", "system": "system"}
    read = 0
    for row in recorded("deepeval_integration_traces"):
        for agent in _read(row["trace"])["agentSpans"]:
            state = agent.get("output")
            if not isinstance(state, dict) or not isinstance(state.get("messages"), list):
                continue
            name = "langfuse.observation.output"
            attributes = {"langfuse.observation.type": "agent", name: json.dumps(state)}
            span = map_span(RawSpan("0" * 32, "0" * 16, agent["name"], 0, 0, attributes=attributes))
            told = span.messages_out or []
            assert [one.role for one in told] == [roles[one["type"]] for one in state["messages"]]
            for one, sent in zip(told, state["messages"], strict=True):
                calls = [part["id"] for part in one.parts if part["type"] == "tool_call"]
                assert calls == [call["id"] for call in sent.get("tool_calls") or []]
            read += 1
    assert read > 20


def test_recorded_openinference_spans_keep_kind_tokens_and_messages() -> None:
    words = {"LLM": "model", "CHAIN": "step", "EVALUATOR": "scorer", "GUARDRAIL": "guard"}
    for row in recorded("phoenix_agent_spans"):
        attributes = _read(row["attributes"])
        span = _openinference(row["name"], attributes | _kind(row["span_kind"]))

        assert span.kind == words.get(row["span_kind"], row["span_kind"].lower())
        assert span.tokens_in == attributes.get("llm.token_count.prompt")
        assert span.tokens_out == attributes.get("llm.token_count.completion")
        asked = [name for name in attributes if name.startswith("llm.input_messages.")]
        assert (span.messages_in is not None) == bool(asked)


def _openinference(name: str, attributes: dict[str, Any]) -> Span:
    return map_span(RawSpan("0" * 32, "0" * 16, name, 0, 0, attributes=attributes))


def _kind(kind: str) -> dict[str, Any]:
    return {"openinference.span.kind": kind}
