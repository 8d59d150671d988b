"""Reads any sender's span into lineside's own; no I/O, and nothing a sender writes makes it fail.

Each field is taken from the family of names that is most certain to mean it: lineside's own, then
OpenInference, then OpenTelemetry's `gen_ai.*` from the newest generation to the oldest, then what
single vendors send. Whatever was received stays in `raw`, so that a better mapping can be run over
history.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from lineside.traces.conventions import (
    braintrust,
    gen_ai,
    gen_ai_events,
    langfuse,
    openinference,
    openllmetry,
    own,
    pydantic_ai,
    vendors,
    vercel,
)
from lineside.traces.conventions.conversations import text_of
from lineside.traces.conventions.given import tags_in
from lineside.traces.conventions.received import RawSpan, Reading, storable
from lineside.traces.span import Message, Span, SpanKind

__all__ = ["MAPPING_VERSION", "RawSpan", "map_span", "moment_of", "provider_name", "received"]

MAPPING_VERSION = 7
"""Goes up whenever the same span would be read differently; stored spans keep theirs."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAKEN_AS_THEY_ARE = (
    "use_case",
    "release",
    "arm",
    "session_id",
    "user_id",
    "run_id",
    "case_id",
    "service",
    "response_id",
    "agent_name",
    "messages_in",
    "messages_out",
    "tokens_cached_in",
    "tokens_cache_written_in",
    "tokens_reasoning_out",
    "cost_usd",
)
_IDS = ("session_id", "user_id")
# Put by the sender in place of what it will not say: all such steps are of no one session.
_BLACKED_OUT = ("[Scrubbed due to ", "__REDACTED__")
_CONVERSING = ("model", "agent")
_FLAT_OI = {"openinference", "llm", "input", "output", "tool", "embedding", "retrieval", "reranker"}
_PYDANTIC_AI = {"pydantic_ai", "logfire", "events", "all_messages_events", "tool_arguments"}
_PROVIDERS = {
    "az.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "azure": "azure.ai.openai",
    "amazon-bedrock": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
# What some write where the maker of the model belongs.
_FRAMEWORKS = {"langchain", "langgraph"}
# The AI SDK appends which of a provider's interfaces it spoke to.
_INTERFACES = (".chat", ".responses", ".completion", ".messages", ".generative-ai", ".embedding")


def map_span(raw: RawSpan) -> Span:
    """The span in lineside's words; fields that its sender left open stay open."""
    return Span(**fields_of(raw))


def fields_of(raw: RawSpan, *, is_storable: bool = False) -> dict[str, Any]:
    """The same as plain fields of `Span`, which takes a fifth less than a span.

    Args:
        is_storable: Whether all of it can be written as JSON in UTF-8, as is known of protobuf.
    """
    if not is_storable:
        raw = _storable(raw)
    read = _merged(raw)
    kind: SpanKind = read.get("kind") or read.get("kind_guess") or "step"
    if kind == "embedding":
        _unsay(read)
    error = own.error_of(raw)
    if error is None and read.get("failed"):
        error = read.get("error") or ""
    duration_ms = (raw.end_ns - raw.start_ns) / 1e6
    flags: dict[str, Any] = {}
    tokens_in = _tokens_in(read, flags)
    tokens_out = _tokens_out(read, tokens_in, flags)
    if tokens_in is not None and tokens_out is not None:
        total = read.get("tokens_total", tokens_in + tokens_out)
        flags |= {} if total == tokens_in + tokens_out else {"tokens_total": total}
    if duration_ms < 0:
        # An end of 0 was never set; an earlier one is a clock that was put back.
        flags |= {"clock": "ends_before_start"} if raw.end_ns else {"clock": "no_end"}
        duration_ms = 0.0
    value_in, value_out = _readable(kind, read)
    fields: dict[str, Any] = {name: read[name] for name in _TAKEN_AS_THEY_ARE if name in read}
    fields.update(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_span_id=raw.parent_span_id or None,
        name=raw.name,
        kind=kind,
        status="ok" if error is None else "error",
        error=error or None,
        started_at=moment_of(raw.start_ns),
        duration_ms=duration_ms,
        provider=provider_name(read.get("provider")),
        model=read.get("model") or read.get("model_asked"),
        model_asked=read.get("model_asked"),
        tool_name=read.get("tool_name") if kind == "tool" else None,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        first_chunk_ms=_first_chunk_ms(raw, read),
        input=value_in,
        output=value_out,
        tags=tags_in(raw.attributes),
        attributes=flags,
        raw=_kept(raw),
        mapping=MAPPING_VERSION,
    )
    return fields


def received(span: Span) -> RawSpan | None:
    """What was received for a span, to be mapped anew; nothing for lineside's own steps."""
    if span.raw is None:
        return None
    return RawSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=span.name,
        parent_span_id=span.parent_span_id,
        **span.raw,
    )


def _kept(raw: RawSpan) -> dict[str, Any]:
    return {
        "span_kind": raw.span_kind,
        "start_ns": raw.start_ns,
        "end_ns": raw.end_ns,
        "status_code": raw.status_code,
        "status_message": raw.status_message,
        "attributes": raw.attributes,
        "events": raw.events,
        "links": raw.links,
        "resource": raw.resource,
        "scope": raw.scope,
        "schema_url": raw.schema_url,
    }


def _storable(raw: RawSpan) -> RawSpan:
    events = storable(raw.events)
    return RawSpan(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_span_id=raw.parent_span_id,
        name=storable(raw.name),
        start_ns=raw.start_ns,
        end_ns=raw.end_ns,
        span_kind=raw.span_kind,
        status_code=raw.status_code,
        status_message=storable(raw.status_message),
        attributes=storable(raw.attributes),
        events=[event for event in events if isinstance(event, dict)],
        links=storable(raw.links),
        resource=storable(raw.resource),
        scope=storable(raw.scope),
        schema_url=raw.schema_url,
    )


def _merged(raw: RawSpan) -> Reading:
    """One reading: per field, the word of the first family that has one."""
    merged: Reading = {}
    for read in _readers(raw):
        reading = read(raw)
        if "uncached_only" in reading and "tokens_in" in merged:
            del reading["uncached_only"]
        for name in _IDS:
            said = reading.get(name)
            if said is not None and said.startswith(_BLACKED_OUT):
                del reading[name]
        merged = reading | merged
    told = merged.get("messages_in", [])
    if "instructions" in merged and all(one.role != "system" for one in told):
        merged["messages_in"] = merged["instructions"] + told
    return merged


def _readers(raw: RawSpan) -> Sequence[Callable[[RawSpan], Reading]]:
    """The families that this span may hold, the most certain first."""
    found = _families(tuple(raw.attributes), bool(raw.events), tuple(raw.resource))
    return (*found, vendors.read_claude_code) if raw.name.startswith("claude_code.") else found


@lru_cache(maxsize=256)
def _families(
    names: tuple[str, ...], has_events: bool, resource: tuple[str, ...]
) -> tuple[Callable[[RawSpan], Reading], ...]:
    return tuple(_families_of(names, has_events, resource))


def _families_of(
    names: tuple[str, ...], has_events: bool, resource: tuple[str, ...]
) -> Iterator[Callable[[RawSpan], Reading]]:
    """The families whose names an attribute has; the spans of one program are much alike."""
    heads = {name.partition(".")[0].partition(":")[0] for name in names}
    if "lineside" in heads or any(name.startswith("lineside.") for name in resource):
        yield own.read
    yield own.read_shared
    if heads & _FLAT_OI:
        yield openinference.read
    if "langsmith" in heads:
        yield vendors.read_langsmith
    if "gen_ai" in heads or has_events:
        yield gen_ai.read
    if has_events:
        yield gen_ai_events.read
    numbered = "gen_ai" in heads and "gen_ai.input.messages" not in names
    if "langsmith.span.kind" in names and "gen_ai.prompt" in names:
        numbered = False
    if numbered or "traceloop" in heads or "llm.request.type" in names:
        yield openllmetry.read
    if "langfuse" in heads:
        yield langfuse.read
    if "ai" in heads:
        yield vercel.read
    if heads & _PYDANTIC_AI:
        yield pydantic_ai.read
    for head, reader in _VENDORS.items():
        if head in heads:
            yield reader


_VENDORS: dict[str, Callable[[RawSpan], Reading]] = {
    "braintrust": braintrust.read,
    "mlflow": vendors.read_mlflow,
    "genkit": vendors.read_genkit,
    "lk": vendors.read_livekit,
    "gcp": vendors.read_adk,
}


def _tokens_in(read: Reading, flags: dict[str, Any]) -> int | None:
    """Tokens read, cached ones included: uncached + read from the cache + written into it.

    Anthropic's and Bedrock's interfaces count uncached ones only, and some instrumentations pass
    that on. It shows where the total needs the cached ones to add up, or where more tokens came
    from the cache than were read.
    """
    tokens_in: int | None = read.get("tokens_in")
    cached: int = read.get("tokens_cached_in", 0) + read.get("tokens_cache_written_in", 0)
    if tokens_in is None or cached == 0:
        return tokens_in
    apart = read.get("tokens_total") == tokens_in + cached + read.get("tokens_out", 0)
    if apart or cached > tokens_in or read.get("uncached_only"):
        flags["tokens"] = "uncached_only"
        return tokens_in + cached
    return tokens_in


def _tokens_out(read: Reading, tokens_in: int | None, flags: dict[str, Any]) -> int | None:
    """Tokens written, those spent on thinking included.

    Gemini's interface counts the answer alone, and some instrumentations pass that on. It shows
    where the total needs both to add up, or where more was thought than was written.
    """
    tokens_out: int | None = read.get("tokens_out")
    reasoning: int = read.get("tokens_reasoning_out", 0)
    total, tokens_in = read.get("tokens_total"), tokens_in or 0
    if tokens_out is None or reasoning == 0 or total == tokens_in + tokens_out:
        return tokens_out
    if reasoning > tokens_out or total == tokens_in + tokens_out + reasoning:
        flags["tokens_out"] = "reasoning_apart"
        return tokens_out + reasoning
    return tokens_out


def _first_chunk_ms(raw: RawSpan, read: Reading) -> float | None:
    stated: float | None = read.get("first_chunk_ms")
    if stated is not None or "completion_start" not in read:
        return stated
    came: datetime = read["completion_start"]
    came = came if came.tzinfo is not None else came.replace(tzinfo=UTC)
    after_ms = (came - moment_of(raw.start_ns)) / timedelta(milliseconds=1)
    return after_ms if after_ms >= 0 else None


def _readable(kind: str, read: Reading) -> tuple[Any, Any]:
    """What went in and came out, as one would read it aloud."""
    value_in, value_out = read.get("value_in"), read.get("value_out")
    if kind == "tool":
        return read.get("arguments", value_in), read.get("result", value_out)
    if kind in ("retriever", "reranker"):
        return value_in, read.get("documents", value_out)
    if kind in _CONVERSING:
        asked = text_of(read.get("messages_in"), "user") or text_of(read.get("messages_in"))
        answered = _answer(read.get("messages_out"))
        plain = kind == "agent"
        value_in = value_in if plain and isinstance(value_in, str) else asked or value_in
        value_out = value_out if plain and isinstance(value_out, str) else answered or value_out
    return value_in, value_out


def _unsay(read: Reading) -> None:
    """Texts to be embedded are no conversation, though some send them as one, vectors and all."""
    told, _ = read.pop("messages_in", None), read.pop("messages_out", None)
    texts = [words for one in told or [] if (words := text_of([one])) is not None]
    if texts:
        read.setdefault("value_in", texts[0] if len(texts) == 1 else texts)


def _answer(messages: list[Message] | None) -> Any:
    """The words of the answer, or the tools it asks for where it has no words."""
    words = text_of(messages, "assistant")
    if words is not None or not messages:
        return words
    return [
        {"name": part.get("name"), "arguments": part.get("arguments")}
        for part in messages[-1].parts
        if part.get("type") == "tool_call"
    ] or None


def provider_name(stated: str | None) -> str | None:
    """The name OpenTelemetry has for a provider, whichever way it was written."""
    if stated is None:
        return None
    name = stated.lower()
    if name in _FRAMEWORKS:
        return None
    for interface in _INTERFACES:
        name = name.removesuffix(interface)
    return _PROVIDERS.get(name, name)


def moment_of(nanoseconds: int) -> datetime:
    """The moment so many nanoseconds after 1970; 1970 itself for what no calendar reaches."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return _EPOCH
