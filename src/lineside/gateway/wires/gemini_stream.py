"""Gemini: the stream, read and written; each of its events is an answer with little in it."""

from collections.abc import Iterator
from typing import Any

from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.assembly import Assembly
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
from lineside.gateway.canonical.parts import Part, ReasoningPart, TextPart, ToolCall
from lineside.gateway.wires.fields import Fields, sent
from lineside.gateway.wires.gemini_answer import (
    read_finish,
    read_tokens,
    write_finish,
    write_tokens,
)
from lineside.gateway.wires.gemini_parts import read_part, write_part
from lineside.gateway.wires.sse import SseEvent, cut_off, failed, write_event


class _OpenCandidate:
    def __init__(self) -> None:
        self.count = 0
        self.open: tuple[str, int] | None = None
        self.has_calls = False
        self.is_ended = False
        self.extras: dict[str, Any] = {}
        self.role: str | None = None


class GeminiStreamReader:
    """Reads the events of one answer."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._candidates: dict[int, _OpenCandidate] = {}
        self._extras: dict[str, Any] = {}

    def read(self, event: SseEvent) -> Iterator[AnswerEvent]:
        """The events that one of the stream holds.

        Raises:
            Unavailable: It cannot be read, or the endpoint says that it failed.
        """
        fields = Fields(event.read(), place="event")
        if "error" in fields.rest:
            error = fields.rest["error"]
            raise failed(error)
        answer_id = fields.take("responseId", str) or ""
        model = fields.take("modelVersion", str) or ""
        candidates = fields.take("candidates", list) or []
        counts = read_tokens(fields.take("usageMetadata", dict))
        if self._id is None:
            self._id = answer_id
            yield AnswerStarted(wire="gemini", id=answer_id, model=model, extras=fields.rest)
        else:
            self._extras |= fields.rest
        for raw in candidates:
            yield from self._candidate(raw)
        if counts is not None:
            yield TokensCounted(tokens=counts)

    def end(self) -> Iterator[AnswerEvent]:
        """The connection ended, which is how an answer ends here too.

        Raises:
            Unavailable: The answer had not.
        """
        blocked = self._id is not None and "promptFeedback" in self._extras
        if not blocked and not all(each.is_ended for each in self._candidates.values()):
            raise cut_off()
        if not self._candidates and not blocked:
            raise cut_off()
        yield AnswerEnded(extras=self._extras)

    def _candidate(self, raw: object) -> Iterator[AnswerEvent]:
        fields = Fields(raw, place="candidates")
        index = fields.take("index", int) or 0
        candidate = self._candidates.setdefault(index, _OpenCandidate())
        content = fields.take("content", dict) or {}
        candidate.role = content.get("role", candidate.role)
        for item in content.get("parts") or ():
            call_id = f"call_{(self._id or '')[:12]}_{candidate.count}"
            part = read_part(item, place="parts", call_id=call_id)
            yield from self._part(index, candidate, part)
        finish = fields.take("finishReason", str)
        candidate.extras |= fields.rest
        if finish is not None and not candidate.is_ended:
            candidate.is_ended = True
            yield from self._close(index, candidate)
            yield ChoiceEnded(
                choice=index,
                finish_reason=read_finish(finish, has_calls=candidate.has_calls),
                finish_as_sent=finish,
                extras=candidate.extras,
                turn_extras={"~role": candidate.role} if candidate.role else {},
            )

    def _part(self, index: int, candidate: _OpenCandidate, part: Part) -> Iterator[AnswerEvent]:
        is_words = isinstance(part, TextPart | ReasoningPart)
        if is_words and candidate.open and candidate.open[0] == part.kind:
            at = candidate.open[1]
            signature = getattr(part, "signature", None) or ""
            text = getattr(part, "text", "")
            if text or signature or part.extras:
                yield PartGrew(
                    choice=index, at=at, text=text, signature=signature, extras=part.extras
                )
            if _is_signed(part):
                yield from self._close(index, candidate)
            return
        yield from self._close(index, candidate)
        at, candidate.count = candidate.count, candidate.count + 1
        candidate.has_calls |= isinstance(part, ToolCall)
        yield PartStarted(choice=index, at=at, part=part)
        if is_words and not _is_signed(part):
            candidate.open = (part.kind, at)
        else:
            yield PartEnded(choice=index, at=at)

    def _close(self, index: int, candidate: _OpenCandidate) -> Iterator[AnswerEvent]:
        if candidate.open is not None:
            yield PartEnded(choice=index, at=candidate.open[1])
        candidate.open = None


def _is_signed(part: Part) -> bool:
    """Whether it ends with a signature, which is of the words up to here and of no others."""
    return bool(getattr(part, "signature", None) or part.extras.get("thoughtSignature"))


class GeminiStreamWriter:
    """Writes the events of one answer; a tool call goes out whole, as this wire has it."""

    def __init__(self, *, wants_tokens: bool = True) -> None:  # noqa: ARG002 # always counted here
        self._assembly = Assembly()
        self._is_own = False
        self._head: dict[str, Any] = {}
        self._extras: dict[str, Any] = {}
        self._tokens: TokenCounts | None = None
        self._ends: list[ChoiceEnded] = []

    def write(self, event: AnswerEvent) -> bytes:
        """The events that say one of ours; nothing where it says nothing to this wire."""
        self._assembly.add(event)
        match event:
            case AnswerStarted():
                self._is_own = event.wire == "gemini"
                self._head = {"responseId": event.id, "modelVersion": event.model}
                self._extras = sent(event.extras, is_own=self._is_own)
            case PartStarted():
                if isinstance(event.part, TextPart | ReasoningPart):
                    return self._said(event.choice, event.part)
            case PartGrew():
                return self._grew(event)
            case PartEnded():
                part = self._assembly.part(event.choice, event.at)
                if not isinstance(part, TextPart | ReasoningPart):
                    return self._said(event.choice, part)
            case ChoiceEnded():
                self._ends.append(event)
            case TokensCounted():
                self._tokens = event.tokens
            case AnswerEnded():
                self._extras |= sent(event.extras, is_own=self._is_own)
                return self._end()
        return b""

    def _grew(self, event: PartGrew) -> bytes:
        part = self._assembly.part(event.choice, event.at)
        if not isinstance(part, TextPart | ReasoningPart):
            return b""
        changes: dict[str, Any] = {"text": event.text, "extras": event.extras}
        if isinstance(part, ReasoningPart):
            changes["signature"] = event.signature or None
        return self._said(event.choice, part.model_copy(update=changes))

    def _said(self, choice: int, part: Part) -> bytes:
        if part.kind == "other" and not self._is_own:
            return b""
        written = write_part(part, is_own=self._is_own, names={})
        if written is None:
            return b""
        content = {"role": "model", "parts": [written]}
        return self._event({"candidates": [{"content": content, "index": choice}]})

    def _end(self) -> bytes:
        candidates = [
            {"index": end.choice, "finishReason": write_finish(end, is_own=self._is_own)}
            | sent(end.extras, is_own=self._is_own)
            for end in self._ends
        ]
        usage = write_tokens(self._tokens, is_own=self._is_own) if self._tokens else {}
        return self._event({"candidates": candidates, "usageMetadata": usage} | self._extras)

    def _event(self, more: dict[str, Any]) -> bytes:
        return write_event(more | self._head)
