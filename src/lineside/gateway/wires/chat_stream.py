"""Chat Completions: the stream, read and written."""

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
    MediaPart,
    OtherPart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCall,
)
from lineside.gateway.wires.chat_answer import FINISHES, read_tokens, write_finish, write_tokens
from lineside.gateway.wires.chat_parts import (
    read_part,
    read_thoughts,
    write_call,
    write_detail,
    write_part,
)
from lineside.gateway.wires.fields import Fields, sent
from lineside.gateway.wires.sse import SseEvent, cut_off, failed, write_event

_CHUNK_NOISE = ("object", "obfuscation", "choices", "usage", "id", "model", "created")


class _OpenChoice:
    """The parts of one choice while they come.

    Words end where something else begins. Calls of tools stay open until the choice ends, since
    pieces of several may come by turns.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.count = 0
        self.open: dict[str, int] = {}
        self.calls: dict[int, int] = {}
        self.is_ended = False

    def grow(self, part: Part, name: str) -> Iterator[AnswerEvent]:
        """Add words to the open part of that name, else close the one that is and begin one."""
        at = self.open.get(name)
        if at is None:
            yield from self.close()
            at = self.open[name] = self.count
            self.count += 1
            yield PartStarted(choice=self.index, at=at, part=part)
        elif isinstance(part, TextPart | ReasoningPart):
            signature = getattr(part, "signature", None) or ""
            yield PartGrew(choice=self.index, at=at, text=part.text, signature=signature)

    def close(self) -> Iterator[AnswerEvent]:
        for at in self.open.values():
            yield PartEnded(choice=self.index, at=at)
        self.open = {}

    def call(self, raw: object) -> Iterator[AnswerEvent]:
        """Take in a piece of a tool call; its first piece names it."""
        fields = Fields(raw, place="delta.tool_calls")
        index = fields.take("index", int)
        inner = Fields(fields.take("function", dict) or {}, place="delta.tool_calls.function")
        call_id, name = fields.take("id", str), inner.take("name", str)
        # Some endpoints leave the index out and send each call whole.
        index = index if index is not None else len(self.calls) - (0 if call_id else 1)
        google = fields.rest.get("extra_content", {}).get("google", {})
        arguments = inner.take("arguments", str) or ""
        if index not in self.calls:
            yield from self.close()
            at = self.calls[index] = self.count
            self.count += 1
            call = ToolCall(
                id=call_id or f"call_{index}",
                name=name or "",
                arguments=arguments,
                signature=google.get("thought_signature"),
                extras={name: value for name, value in fields.rest.items() if name != "type"},
            )
            yield PartStarted(choice=self.index, at=at, part=call)
        elif arguments:
            yield PartGrew(choice=self.index, at=self.calls[index], text=arguments)

    def end(self) -> Iterator[AnswerEvent]:
        yield from self.close()
        for at in self.calls.values():
            yield PartEnded(choice=self.index, at=at)
        self.is_ended = True


class ChatStreamReader:
    """Reads the chunks of one answer."""

    def __init__(self) -> None:
        self._is_started = False
        self._is_done = False
        self._choices: dict[int, _OpenChoice] = {}
        self._extras: dict[str, Any] = {}

    def read(self, event: SseEvent) -> Iterator[AnswerEvent]:
        """The events that a chunk holds.

        Raises:
            Unavailable: It cannot be read, or the endpoint says that it failed.
        """
        if event.data.strip() == "[DONE]":
            self._is_done = True
            yield AnswerEnded(extras=self._extras)
            return
        chunk = event.read()
        if chunk.get("error"):
            raise failed(chunk["error"])
        rest = {name: value for name, value in chunk.items() if name not in _CHUNK_NOISE}
        if self._is_started:
            self._extras |= rest
        else:
            self._is_started = True
            yield AnswerStarted(
                wire="chat",
                id=chunk.get("id") or "",
                model=chunk.get("model") or "",
                created_s=chunk.get("created"),
                extras=rest,
            )
        for raw in chunk.get("choices") or ():
            yield from self._choice(raw)
        counts = read_tokens(chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage"))
        if counts is not None:
            yield TokensCounted(tokens=counts)

    def end(self) -> Iterator[AnswerEvent]:
        """The connection ended.

        Raises:
            Unavailable: The answer had not.
        """
        if self._is_done:
            return
        if not self._choices or not all(choice.is_ended for choice in self._choices.values()):
            raise cut_off()
        yield AnswerEnded(extras=self._extras)

    def _choice(self, raw: object) -> Iterator[AnswerEvent]:
        fields = Fields(raw, place="choices")
        index = fields.take("index", int) or 0
        choice = self._choices.setdefault(index, _OpenChoice(index))
        yield from self._delta(choice, fields.take("delta", dict) or {})
        logprobs = (fields.take("logprobs", dict) or {}).get("content")
        if logprobs and "text" in choice.open:
            yield PartGrew(choice=index, at=choice.open["text"], logprobs=tuple(logprobs))
        finish = fields.take("finish_reason", str)
        if finish is not None and not choice.is_ended:
            yield from choice.end()
            yield ChoiceEnded(
                choice=index,
                finish_reason=FINISHES.get(finish, "other"),
                finish_as_sent=finish,
                extras=fields.rest,
            )

    def _delta(self, choice: _OpenChoice, raw: dict[str, Any]) -> Iterator[AnswerEvent]:
        fields = Fields(raw, place="delta")
        for part in read_thoughts(fields):
            if isinstance(part, ReasoningPart) and (part.text or part.sealed or part.signature):
                name = str(part.extras.get("~field") or part.extras["~detail"])
                # What cannot be added to, such as a sealed thought, stands for itself.
                yield from choice.grow(part, f"{name} {choice.count}" if part.sealed else name)
        content = fields.rest.get("content")
        parts = [TextPart(text=content)] if isinstance(content, str) and content else []
        if isinstance(content, list):
            parts = [read_part(item, place="delta.content") for item in content]  # type: ignore[misc]
        for part in parts:
            yield from choice.grow(part, part.kind)
        refusal = fields.rest.get("refusal")
        if isinstance(refusal, str) and refusal:
            said = TextPart(text=refusal, is_refusal=True, extras={"~field": True})
            yield from choice.grow(said, "refusal")
        for call in fields.rest.get("tool_calls") or ():
            yield from choice.call(call)


class ChatStreamWriter:
    """Writes the events of one answer as chunks.

    Args:
        wants_tokens: The caller asked for the token counts at the end.
    """

    def __init__(self, *, wants_tokens: bool) -> None:
        self._wants_tokens = wants_tokens
        self._head: dict[str, Any] = {}
        self._is_own = False
        self._parts: dict[tuple[int, int], Part] = {}
        self._calls: dict[tuple[int, int], int] = {}
        self._spoken: set[int] = set()
        self._tokens: TokenCounts | None = None

    def write(self, event: AnswerEvent) -> bytes:
        """The chunks that say an event; nothing where it says nothing to this wire."""
        match event:
            case AnswerStarted():
                self._is_own = event.wire == "chat"
                self._head = {
                    "id": event.id,
                    "object": "chat.completion.chunk",
                    "created": event.created_s or 0,
                    "model": event.model,
                } | sent(event.extras, is_own=self._is_own)
            case PartStarted():
                self._parts[event.choice, event.at] = event.part
                return self._delta(event.choice, self._began(event))
            case PartGrew():
                return self._grew(event)
            case ChoiceEnded():
                finish = write_finish(event, is_own=self._is_own)
                extras = sent(event.extras, is_own=self._is_own)
                return self._delta(event.choice, {}, finish=finish, extras=extras)
            case TokensCounted():
                self._tokens = event.tokens
            case AnswerEnded():
                self._head |= sent(event.extras, is_own=self._is_own)
                return self._tokens_chunk() + b"data: [DONE]\n\n"
        return b""

    def _began(self, event: PartStarted) -> dict[str, Any]:
        part = event.part
        if isinstance(part, ToolCall):
            index = sum(choice == event.choice for choice, _ in self._calls)
            self._calls[event.choice, event.at] = index
            written = write_call(part, is_own=self._is_own)
            if not part.arguments:
                written["function"]["arguments"] = ""
            return {"tool_calls": [{"index": index} | written]}
        if isinstance(part, TextPart):
            return self._words(part, part.text)
        if isinstance(part, ReasoningPart):
            return self._thought(part, part.text, part.signature)
        if isinstance(part, MediaPart | OtherPart) and self._is_own:
            return {"content": [write_part(part, is_own=True)]}
        return {}

    def _grew(self, event: PartGrew) -> bytes:
        part = self._parts[event.choice, event.at]
        if isinstance(part, ToolCall):
            index = self._calls[event.choice, event.at]
            piece = {"index": index, "function": {"arguments": event.text}}
            return self._delta(event.choice, {"tool_calls": [piece]} if event.text else {})
        if isinstance(part, TextPart):
            delta = self._words(part, event.text)
            logprobs = {"content": list(event.logprobs)} if event.logprobs else None
            return self._delta(event.choice, delta, logprobs=logprobs)
        if isinstance(part, ReasoningPart):
            signature = event.signature or None
            return self._delta(event.choice, self._thought(part, event.text, signature))
        return b""

    def _words(self, part: TextPart, text: str) -> dict[str, Any]:
        if part.is_refusal:
            return {"refusal": text} if text else {}
        return {"content": text} if text else {}

    def _thought(self, part: ReasoningPart, text: str, signature: str | None) -> dict[str, Any]:
        if "~in_content" in part.extras and self._is_own:
            return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}
        piece = part.model_copy(update={"text": text, "signature": signature})
        detail = write_detail(piece, 0)
        delta: dict[str, Any] = {"reasoning_details": [detail]} if detail else {}
        own = part.extras.get("~field") or part.extras.get("~also")
        name = own if self._is_own else "reasoning_content"
        if text and name:
            delta[str(name)] = text
        return delta

    def _delta(
        self,
        choice: int,
        delta: dict[str, Any],
        *,
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
        extras: dict[str, Any] | None = None,
    ) -> bytes:
        if not delta and finish is None and logprobs is None:
            return b""
        if choice not in self._spoken:
            self._spoken.add(choice)
            delta = {"role": "assistant"} | delta
        item = {"index": choice, "delta": delta, "finish_reason": finish, **(extras or {})}
        if logprobs is not None:
            item["logprobs"] = logprobs
        return write_event(self._head | {"choices": [item]})

    def _tokens_chunk(self) -> bytes:
        if not self._wants_tokens or self._tokens is None:
            return b""
        counts = write_tokens(self._tokens, is_own=self._is_own)
        return write_event(self._head | {"choices": [], "usage": counts})
