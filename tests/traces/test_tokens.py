"""Tokens count once, whichever way a provider's usage was written down.

The usage objects are recorded answers of real providers; they stand beside the checkout, in a
folder named `shared`, or where `LINESIDE_SHARED` says.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lineside.traces import Span
from lineside.traces.mapping import RawSpan, map_span
from lineside.traces.prices import check_tokens

Usage = dict[str, Any]


class Counts(NamedTuple):
    """What a usage object says, by its provider's own documentation."""

    tokens_in: int
    cached: int
    written: int
    tokens_out: int
    reasoning: int
    total: int | None = None


def openai(usage: Usage) -> Counts:
    of_in = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    of_out = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return Counts(
        usage.get("prompt_tokens", usage.get("input_tokens", 0)),
        of_in.get("cached_tokens") or 0,
        of_in.get("cache_write_tokens") or 0,
        usage.get("completion_tokens", usage.get("output_tokens", 0)),
        of_out.get("reasoning_tokens") or 0,
        usage.get("total_tokens"),
    )


def anthropic(usage: Usage) -> Counts:
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    tokens_in = (usage.get("input_tokens") or 0) + cached + written
    return Counts(tokens_in, cached, written, usage.get("output_tokens") or 0, thought)


def bedrock(usage: Usage) -> Counts:
    if "input_tokens" in usage:
        return anthropic(usage)  # asked in Claude's own words
    cached, written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    tokens_in = usage["inputTokens"] + cached + written
    return Counts(tokens_in, cached, written, usage["outputTokens"], 0, usage["totalTokens"])


def gemini(usage: Usage) -> Counts:
    thought = usage.get("thoughtsTokenCount", 0)
    return Counts(
        usage.get("promptTokenCount", 0),
        usage.get("cachedContentTokenCount", 0),
        0,
        usage.get("candidatesTokenCount", 0) + thought,
        thought,
        usage.get("totalTokenCount"),
    )


PROVIDERS: dict[str, tuple[str, Callable[[Usage], Counts]]] = {
    "api.openai.com": ("openai", openai),
    "api.anthropic.com": ("anthropic", anthropic),
    "bedrock-runtime.us-east-1.amazonaws.com": ("aws.bedrock", bedrock),
    "generativelanguage.googleapis.com": ("gcp.gemini", gemini),
    "aiplatform.googleapis.com": ("gcp.vertex_ai", gemini),
    "api.groq.com": ("groq", openai),
    "api.deepseek.com": ("deepseek", openai),
    "api.mistral.ai": ("mistral_ai", openai),
    "openrouter.ai": ("openrouter", openai),
    "api.cerebras.ai": ("cerebras", openai),
    "api.together.ai": ("together", openai),
}


def conventions(counts: Counts) -> Usage:
    """As OpenTelemetry has it: the whole, its parts beside it."""
    return {
        "gen_ai.usage.input_tokens": counts.tokens_in,
        "gen_ai.usage.output_tokens": counts.tokens_out,
        "gen_ai.usage.cache_read.input_tokens": counts.cached,
        "gen_ai.usage.cache_creation.input_tokens": counts.written,
        "gen_ai.usage.reasoning.output_tokens": counts.reasoning,
    }


def openinference(counts: Counts) -> Usage:
    return {
        "llm.token_count.prompt": counts.tokens_in,
        "llm.token_count.completion": counts.tokens_out,
        "llm.token_count.total": counts.tokens_in + counts.tokens_out,
        "llm.token_count.prompt_details.cache_read": counts.cached,
        "llm.token_count.prompt_details.cache_write": counts.written,
        "llm.token_count.completion_details.reasoning": counts.reasoning,
    }


def passed_on(counts: Counts) -> Usage:
    """As Bedrock's and Gemini's instrumentations do: the provider's figures, and its total."""
    return {
        "gen_ai.usage.input_tokens": counts.tokens_in - counts.cached - counts.written,
        "gen_ai.usage.output_tokens": counts.tokens_out,
        "gen_ai.usage.total_tokens": counts.tokens_in + counts.tokens_out,
        "gen_ai.usage.cache_read_input_tokens": counts.cached,
        "gen_ai.usage.cache_write_input_tokens": counts.written,
    }


def answer_alone(counts: Counts) -> Usage:
    return {
        "gen_ai.usage.input_tokens": counts.tokens_in,
        "gen_ai.usage.output_tokens": counts.tokens_out - counts.reasoning,
        "gen_ai.usage.total_tokens": counts.tokens_in + counts.tokens_out,
        "gen_ai.usage.cache_read.input_tokens": counts.cached,
        "gen_ai.usage.reasoning.output_tokens": counts.reasoning,
    }


WRITERS = {
    "anthropic": (conventions, openinference, passed_on),
    "aws.bedrock": (conventions, openinference, passed_on),
    "gcp.gemini": (conventions, openinference, answer_alone),
    "gcp.vertex_ai": (conventions, openinference, answer_alone),
}


_TOKENS = {
    "completion_tokens",
    "outputTokens",
    "output_tokens",
    "prompt_tokens",
    "promptTokenCount",
}


def usages(provider: str) -> Iterator[Usage]:
    """Every usage object that a provider is recorded to have sent."""
    hosts = [host for host, (name, _) in PROVIDERS.items() if name == provider]
    for row in recorded():
        if row["uri"].partition("://")[2].partition("/")[0] in hosts:
            yield from _found(_documents(row["response"]))


def recorded() -> Iterator[dict[str, Any]]:
    roots = [Path(value) for value in [os.environ.get("LINESIDE_SHARED")] if value]
    roots.append(Path(__file__).parents[3] / "shared")
    for root in roots:
        file = root / "data" / "gateway_cassettes" / "interactions.jsonl.gz"
        if file.exists():
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                yield from map(json.loads, lines)
            return
    pytest.skip("the recorded answers are not beside this checkout")


def _documents(response: Any) -> list[Any]:
    if not isinstance(response, str):
        return [response]
    lines = [line.removeprefix("data:") for line in response.splitlines()]
    found = []
    for text in (response, *lines):
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def _found(value: Any) -> Iterator[Usage]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        # Bedrock calls what its guards read a usage as well.
        if name in ("usage", "usageMetadata") and isinstance(item, dict) and _TOKENS & item.keys():
            yield item
        elif isinstance(item, dict | list):
            yield from _found(item)


def mapped(provider: str, attributes: Usage) -> Span:
    told = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, **attributes}
    return map_span(RawSpan("1" * 32, "1" * 16, "chat", 1, 2, attributes=told))


@pytest.mark.parametrize("provider", sorted({name for name, _ in PROVIDERS.values()}))
def test_tokens_count_once_however_they_were_written_down(provider: str) -> None:
    read = next(reader for name, reader in PROVIDERS.values() if name == provider)
    seen = 0
    for usage in usages(provider):
        counts = read(usage)
        # Gemini counts what its tools read into the total alone.
        if usage.get("toolUsePromptTokenCount") or not counts.tokens_in:
            continue
        seen += 1
        if counts.reasoning > counts.tokens_out:
            # OpenRouter guesses; only a total can show that it is no part left out.
            assert mapped(provider, openinference(counts)).tokens_out == counts.tokens_out
            continue
        if counts.total is not None:
            assert counts.tokens_in + counts.tokens_out == counts.total, usage
        for write in WRITERS.get(provider, (conventions, openinference)):
            span = mapped(provider, write(counts))
            told = (span.tokens_in, span.tokens_cached_in, span.tokens_cache_written_in or 0)
            assert told == (counts.tokens_in, counts.cached, counts.written), usage
            assert span.tokens_out == counts.tokens_out, usage
            assert set(check_tokens(span)) <= {"uncached_only", "reasoning_apart"}
    assert seen > 0


def test_what_was_left_out_of_the_whole_is_added_and_told() -> None:
    # Bedrock: 3 tokens read anew, 1,712 from its cache, 236 written into it.
    bedrock_span = mapped("aws.bedrock", passed_on(Counts(1951, 1712, 236, 121, 0)))
    # Gemini: an answer of 68 tokens after 821 of thinking.
    gemini_span = mapped("gcp.gemini", answer_alone(Counts(17713, 17379, 0, 889, 821)))

    assert (bedrock_span.tokens_in, check_tokens(bedrock_span)) == (1951, ["uncached_only"])
    assert (gemini_span.tokens_out, check_tokens(gemini_span)) == (889, ["reasoning_apart"])


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ({"tokens_cached_in": 1001}, ["cached_above_input"]),
        ({"tokens_cached_in": 600, "tokens_cache_written_in": 600}, ["cache_above_input"]),
        ({"tokens_reasoning_out": 101}, ["reasoning_above_output"]),
        ({"tokens_cached_in": 1000, "tokens_reasoning_out": 100}, []),
    ],
)
def test_a_part_that_is_larger_than_its_whole_is_named(
    values: dict[str, int], broken: list[str]
) -> None:
    span = Span(
        trace_id="1" * 32,
        span_id="1" * 16,
        name="chat",
        kind="model",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        duration_ms=1.0,
        tokens_in=1000,
        tokens_out=100,
        **values,
    )

    assert check_tokens(span) == broken


def test_a_total_that_does_not_add_up_is_named() -> None:
    span = mapped(
        "gcp.gemini",
        {
            "gen_ai.usage.input_tokens": 17,
            "gen_ai.usage.output_tokens": 414,
            "gen_ai.usage.total_tokens": 550,
        },
    )

    assert check_tokens(span) == ["total_differs"]
