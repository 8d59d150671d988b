"""Recorded traffic of fourteen providers: read, brought into the one form, and written back."""

from collections import Counter
from typing import Any

import pytest

from gateway.wires.recorded import Recorded, everything, recorded
from lineside.core import Unavailable
from lineside.gateway import wires
from lineside.gateway.canonical import (
    AnswerEvent,
    Assembly,
    ModelAnswer,
    ModelRequest,
    TokenCounts,
    events_of,
)
from lineside.gateway.wires.sse import SseEvent, SseReader

WIRES = ("chat", "responses", "messages", "gemini")


def test_every_recorded_call_is_known() -> None:
    """What has no canonical form is not silently left out: this is all of it."""
    found = Counter(row.wire or f"no wire: {row.path}" for row in everything())
    calls = {wire: found.pop(wire) for wire in (*WIRES, "embeddings")}

    assert calls == {"chat": 121, "responses": 79, "messages": 61, "gemini": 76, "embeddings": 2}
    assert sum(found.values()) == 438 - sum(calls.values()) == 99


@pytest.mark.parametrize("name", WIRES)
def test_requests_come_back_as_they_were(name: str) -> None:
    wire = wires.wire_named(name)
    for row in recorded(name):
        asked = wire.read_request(row.request)
        again = ModelRequest.model_validate_json(asked.model_dump_json())

        assert wire.write_request(asked) == row.request, row.at
        assert again.model_dump() == asked.model_dump(), row.at


@pytest.mark.parametrize("name", WIRES)
def test_answers_come_back_as_they_were_with_the_providers_own_counts(name: str) -> None:
    wire = wires.wire_named(name)
    for row in recorded(name):
        if row.status != 200 or row.is_stream or not row.response:
            continue
        for reply in row.reply if isinstance(row.reply, list) else [row.reply]:
            answer = wire.read_answer(reply)

            assert wire.write_answer(answer) == reply, row.at
            assert wire.write_answer(assembled(list(events_of(answer)))) == reply, row.at
            check_counts(name, reply, answer.tokens)


@pytest.mark.parametrize("name", WIRES)
def test_streams_say_the_same_when_written_again(name: str) -> None:
    wire = wires.wire_named(name)
    for row in readable_streams(name):
        if "Token limit reached" in row.response:
            # The one that its provider broke off, saying so in the stream.
            with pytest.raises(Unavailable, match="Token limit reached"):
                read(name, row.response.encode(), size=7)
            continue
        events = read(name, row.response.encode(), size=7)
        asked = wire.read_request({**(row.request or {}), "model": "any"})
        asked = asked.model_copy(update={"wants_stream_tokens": True})
        writer = wire.stream_writer(asked)
        written = b"".join(map(writer.write, events))

        answer = assembled(events)
        assert answer.choices, row.at
        assert assembled(read(name, written, size=4096)) == answer, row.at
        check_counts(name, last_counts(name, row.response), answer.tokens)


def test_what_a_stream_ends_with_is_what_it_said() -> None:
    wire = wires.wire_named("responses")
    # A thought is sealed anew each time it is said.
    beside = {"extras", "signature"}
    for row in readable_streams("responses"):
        events = [event.read() for event in SseReader().feed(row.response.encode() + b"\n\n")]
        said = wire.read_answer(events[-1]["response"])
        streamed = assembled(read("responses", row.response.encode(), size=1000))

        assert [part.model_dump(exclude=beside) for part in streamed.choices[0].turn.parts] == [
            part.model_dump(exclude=beside) for part in said.choices[0].turn.parts
        ]


def test_embeddings_come_back_as_they_were() -> None:
    for row in recorded("embeddings"):
        asked = wires.embeddings.read_request(row.request)
        answer = wires.embeddings.read_answer(row.reply)
        as_base64 = isinstance(row.reply["data"][0]["embedding"], str)

        assert wires.embeddings.write_request(asked) == row.request
        assert wires.embeddings.write_answer(answer, as_base64=as_base64) == row.reply
        assert answer.tokens.tokens_in == row.reply["usage"]["prompt_tokens"]


def readable_streams(name: str) -> list[Recorded]:
    """Those that were not recorded in their compressed form."""
    rows = [row for row in recorded(name) if row.status == 200 and row.is_stream and row.response]
    return [row for row in rows if "\ufffd" not in row.response]


def read(name: str, body: bytes, *, size: int) -> list[AnswerEvent]:
    """Read a stream in pieces of a size that cuts lines and characters in two."""
    sse, reader = SseReader(), wires.wire_named(name).stream_reader()
    found: list[AnswerEvent] = []

    def take(events: list[SseEvent]) -> None:
        for event in events:
            found.extend(reader.read(event))

    for start in range(0, len(body), size):
        take(list(sse.feed(body[start : start + size])))
    take(sse.end())
    found.extend(reader.end())
    return found


def assembled(events: list[AnswerEvent]) -> ModelAnswer:
    assembly = Assembly()
    for event in events:
        assembly.add(event)
    assert assembly.is_whole
    return assembly.answer()


def last_counts(name: str, body: str) -> dict[str, Any]:
    """The reply-like object that holds a stream's last word on its tokens."""
    found: dict[str, Any] = {}
    for event in SseReader().feed(body.encode() + b"\n\n"):
        if event.data.strip() == "[DONE]":
            continue
        raw = event.read()
        for holder in (raw, raw.get("message") or {}, raw.get("response") or {}):
            for key in ("usage", "usageMetadata"):
                found[key] = found.get(key, {}) | (holder.get(key) or {})
    return {key: value for key, value in found.items() if value}


def check_counts(name: str, reply: dict[str, Any], tokens: TokenCounts | None) -> None:
    """Compare with the provider's own words, read here without the code under test."""
    usage = reply.get("usageMetadata" if name == "gemini" else "usage")
    if not usage:
        return
    assert tokens is not None
    read, written = {
        "chat": ("prompt_tokens", "completion_tokens"),
        "responses": ("input_tokens", "output_tokens"),
        "messages": ("input_tokens", "output_tokens"),
        "gemini": ("promptTokenCount", "candidatesTokenCount"),
    }[name]
    if name == "messages":
        cached = usage.get("cache_read_input_tokens", 0) + usage["cache_creation_input_tokens"]
        assert tokens.tokens_in == usage[read] + cached
        assert tokens.tokens_out == usage[written]
    elif name == "gemini":
        if "totalTokenCount" in usage:
            assert (tokens.tokens_in or 0) + (tokens.tokens_out or 0) == usage["totalTokenCount"]
        assert (tokens.tokens_out or 0) >= usage.get(written, 0)
    else:
        assert (tokens.tokens_in, tokens.tokens_out) == (usage[read], usage[written])
