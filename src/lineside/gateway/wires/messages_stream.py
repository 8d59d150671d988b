"""Anthropic Messages: the stream, read and written."""

from collections.abc import Iterator
from typing import Any

from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.events import (
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ChoiceEnded,
    PartEnded,
    PartGrew,
    PartStarted,
    TokensCounted,
)
from lineside.gateway.canonical.parts import (
    OtherPart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCall,
)
from lineside.gateway.canonical.sequence import PartsInTurn
from lineside.gateway.wires.fields import Fields, sent
from lineside.gateway.wires.messages_answer import (
    FINISHES,
    answer_block,
    read_tokens,
    write_finish,
    write_tokens,
)
from lineside.gateway.wires.messages_parts import read_block
from lineside.gateway.wires.sse import SseEvent, cut_off, failed, malformed, write_event

_DELTAS = {"text_delta": "text", "input_json_delta": "partial_json", "thinking_delta": "thinking"}


class MessagesStreamReader:
    """Reads the events of one answer."""

    def __init__(self) -> None:
        self._usage: dict[str, Any] = {}
        self._parts: dict[int, Part] = {}
        self._inputs: dict[int, str] = {}
        self._citations: dict[int, list[Any]] = {}
        self._is_done = False

    def read(self, event: SseEvent) -> Iterator[AnswerEvent]:
        """The events that one of the stream holds.

        Raises:
            Unavailable: It cannot be read, or the endpoint says that it failed.
        """
        raw = event.read()
        kind = raw.get("type")
        if kind == "message_start":
            yield from self._start(raw)
        elif kind == "content_block_start":
            yield self._begin(raw)
        elif kind == "content_block_delta":
            yield from self._delta(raw)
        elif kind == "content_block_stop":
            yield self._stop(raw)
        elif kind == "message_delta":
            yield from self._finish(raw)
        elif kind == "message_stop":
            self._is_done = True
            yield AnswerEnded()
        elif kind == "error":
            error = raw.get("error") or {}
            raise failed(error)

    def end(self) -> Iterator[AnswerEvent]:
        """The connection ended.

        Raises:
            Unavailable: The answer had not.
        """
        if not self._is_done:
            raise cut_off()
        yield from ()

    def _start(self, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        fields = Fields(raw.get("message"), place="message")
        self._usage = fields.take("usage", dict) or {}
        known = ("id", "model")
        noise = ("type", "role", "content", "stop_reason", "stop_sequence", "stop_details", *known)
        yield AnswerStarted(
            wire="messages",
            id=fields.rest.get("id") or "",
            model=fields.rest.get("model") or "",
            extras={name: value for name, value in fields.rest.items() if name not in noise},
        )
        counts = read_tokens(self._usage)
        if self._usage and counts is not None:
            yield TokensCounted(tokens=counts)

    def _begin(self, raw: dict[str, Any]) -> AnswerEvent:
        at = int(raw["index"])
        part = read_block(raw.get("content_block"), place="content_block")
        if isinstance(part, ToolCall):
            # It begins with an empty object, which its arguments replace.
            part = part.model_copy(update={"arguments": ""})
        if isinstance(part, ReasoningPart) and part.signature == "":
            part = part.model_copy(update={"signature": None})
        self._parts[at] = part
        return PartStarted(at=at, part=part)

    def _delta(self, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        at, delta = int(raw.get("index", -1)), raw.get("delta") or {}
        if at not in self._parts:
            raise malformed(f"more of block {at}, which has not begun")
        kind = delta.get("type")
        if kind in _DELTAS:
            text = delta.get(_DELTAS[kind]) or ""
            if isinstance(self._parts[at], OtherPart):
                self._inputs[at] = self._inputs.get(at, "") + text
            elif text:
                yield PartGrew(at=at, text=text)
        elif kind == "signature_delta":
            yield PartGrew(at=at, signature=delta.get("signature") or "")
        elif kind == "citations_delta":
            self._citations.setdefault(at, []).append(delta.get("citation"))

    def _stop(self, raw: dict[str, Any]) -> AnswerEvent:
        at = int(raw.get("index", -1))
        extras: dict[str, Any] = {}
        if at in self._citations:
            extras["citations"] = self._citations[at]
        if at in self._inputs:
            extras["~input"] = self._inputs[at]
        return PartEnded(at=at, extras=extras)

    def _finish(self, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        delta = Fields(raw.get("delta") or {}, place="delta")
        finish = delta.take("stop_reason", str)
        self._usage |= raw.get("usage") or {}
        rest = {name: raw[name] for name in raw if name not in ("type", "delta", "usage")}
        yield ChoiceEnded(
            finish_reason=FINISHES.get(finish, "other") if finish else None,
            finish_as_sent=finish,
            extras=delta.rest | {f"~{name}": value for name, value in rest.items()},
        )
        counts = read_tokens(self._usage)
        if counts is not None:
            yield TokensCounted(tokens=counts)


class MessagesStreamWriter:
    """Writes the events of one answer; the first choice, since this wire has no other."""

    def __init__(self, *, wants_tokens: bool = True) -> None:  # noqa: ARG002 # always counted here
        self._is_own = False
        self._in_turn = PartsInTurn()
        self._parts: dict[int, Part] = {}
        self._blocks: dict[int, int] = {}
        self._tokens: TokenCounts | None = None
        self._start: AnswerStarted | None = None
        self._finish: ChoiceEnded | None = None

    def write(self, event: AnswerEvent) -> bytes:
        """The events that say one of ours; nothing where it says nothing to this wire."""
        if getattr(event, "choice", 0) != 0:
            return b""
        return b"".join(self._write(one) for one in self._in_turn.feed(event))

    def _write(self, event: AnswerEvent) -> bytes:
        match event:
            case AnswerStarted():
                self._is_own, self._start = event.wire == "messages", event
            case PartStarted():
                return self._head() + self._begin(event)
            case PartGrew():
                return self._delta(event)
            case PartEnded():
                return self._stop(event)
            case ChoiceEnded():
                self._finish = event
            case TokensCounted():
                self._tokens = event.tokens
            case AnswerEnded():
                return self._head() + self._end()
        return b""

    def _head(self) -> bytes:
        """The start, held back until the first word so that it carries the tokens read."""
        start, self._start = self._start, None
        if start is None:
            return b""
        message = {
            "id": start.id,
            "type": "message",
            "role": "assistant",
            "model": start.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_tokens(self._tokens, is_own=self._is_own),
        } | sent(start.extras, is_own=self._is_own)
        return _event({"type": "message_start", "message": message})

    def _begin(self, event: PartStarted) -> bytes:
        part = event.part
        if isinstance(part, OtherPart) and not self._is_own:
            return b""
        block = answer_block(part, is_own=self._is_own)
        if block is None and isinstance(part, TextPart):
            block = {"type": "text", "text": ""}
        if block is None:
            return b""
        at = self._blocks[event.at] = len(self._blocks)
        self._parts[event.at] = part
        later = b""
        if isinstance(part, TextPart) and part.text:
            block, later = block | {"text": ""}, self._words(at, "text_delta", part.text)
        elif isinstance(part, ReasoningPart) and part.sealed is None:
            block = block | {"thinking": "", "signature": ""}
            if part.text:
                later = self._words(at, "thinking_delta", part.text)
            if part.signature:
                later += self._signature(at, part.signature)
        elif isinstance(part, ToolCall):
            block = block | {"input": {}}
            if part.arguments:
                later = self._words(at, "input_json_delta", part.arguments)
        return _event({"type": "content_block_start", "index": at, "content_block": block}) + later

    def _delta(self, event: PartGrew) -> bytes:
        part, at = self._parts.get(event.at), self._blocks.get(event.at, -1)
        if isinstance(part, TextPart) and event.text:
            return self._words(at, "text_delta", event.text)
        if isinstance(part, ToolCall) and event.text:
            return self._words(at, "input_json_delta", event.text)
        if isinstance(part, ReasoningPart):
            said = self._words(at, "thinking_delta", event.text) if event.text else b""
            return said + (self._signature(at, event.signature) if event.signature else b"")
        return b""

    def _words(self, at: int, kind: str, text: str) -> bytes:
        delta = {"type": kind, _DELTAS[kind]: text}
        return _event({"type": "content_block_delta", "index": at, "delta": delta})

    def _signature(self, at: int, signature: str) -> bytes:
        delta = {"type": "signature_delta", "signature": signature}
        return _event({"type": "content_block_delta", "index": at, "delta": delta})

    def _stop(self, event: PartEnded) -> bytes:
        at = self._blocks.get(event.at)
        if at is None:
            return b""
        later = b""
        extras = event.extras if self._is_own else {}
        if "~input" in extras:
            later = self._words(at, "input_json_delta", extras["~input"])
        for citation in extras.get("citations", ()):
            delta = {"type": "citations_delta", "citation": citation}
            later += _event({"type": "content_block_delta", "index": at, "delta": delta})
        return later + _event({"type": "content_block_stop", "index": at})

    def _end(self) -> bytes:
        finish = self._finish or ChoiceEnded(finish_reason="stop")
        delta = {"stop_reason": write_finish(finish, is_own=self._is_own), "stop_sequence": None}
        delta |= sent(finish.extras, is_own=self._is_own)
        marks = ("context_management", "container")
        beside = {
            name: finish.extras[f"~{name}"]
            for name in marks
            if self._is_own and f"~{name}" in finish.extras
        }
        usage = write_tokens(self._tokens, is_own=self._is_own)
        ended = {"type": "message_delta", "delta": delta, "usage": usage} | beside
        return _event(ended) + _event({"type": "message_stop"})


def _event(data: dict[str, Any]) -> bytes:
    return write_event(data, data["type"])
