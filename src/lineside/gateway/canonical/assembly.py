"""From events to the whole answer, and back."""

from collections.abc import Iterator
from typing import Any

from lineside.gateway.canonical.answer import Choice, ModelAnswer, TokenCounts
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
from lineside.gateway.canonical.parts import Extras, Part, ReasoningPart, TextPart, ToolCall, Turn

_CONTENT = ("text", "media", "other")


class _Growing:
    """A part with what came to it; joined once, since a long answer comes in thousands of bits."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._texts: list[str] = []
        self._signatures: list[str] = []
        self._logprobs: list[Extras] = []
        self._extras: Extras = {}

    def add(self, event: PartGrew) -> None:
        self._texts.append(event.text)
        self._signatures.append(event.signature)
        self._logprobs += event.logprobs
        self._extras |= event.extras

    def end(self, extras: Extras) -> None:
        self._extras |= extras

    def part(self) -> Part:
        part, changes = self._part, dict[str, Any]()
        words = "".join(self._texts)
        if words and isinstance(part, TextPart | ReasoningPart):
            changes["text"] = part.text + words
        elif words and isinstance(part, ToolCall):
            changes["arguments"] = part.arguments + words
        signature = "".join(self._signatures)
        if signature and isinstance(part, ReasoningPart | ToolCall):
            changes["signature"] = (part.signature or "") + signature
        if self._logprobs and isinstance(part, TextPart):
            changes["logprobs"] = part.logprobs + tuple(self._logprobs)
        if self._extras:
            changes["extras"] = part.extras | self._extras
        return part.model_copy(update=changes) if changes else part


class Assembly:
    """Puts the events of one answer together; what it holds is whole after each of them."""

    def __init__(self) -> None:
        self._started = AnswerStarted(wire="lineside")
        self._parts: dict[tuple[int, int], _Growing] = {}
        self._ended: dict[int, ChoiceEnded] = {}
        self._tokens: TokenCounts | None = None
        self._extras: Extras = {}
        self.is_whole = False

    def add(self, event: AnswerEvent) -> None:
        """Take in the next event."""
        match event:
            case AnswerStarted():
                self._started = event
            case PartStarted():
                self._parts[event.choice, event.at] = _Growing(event.part)
            case PartGrew():
                self._parts[event.choice, event.at].add(event)
            case PartEnded():
                self._parts[event.choice, event.at].end(event.extras)
            case ChoiceEnded():
                self._ended[event.choice] = event
            case TokensCounted():
                self._tokens = event.tokens
            case AnswerEnded():
                self._extras, self.is_whole = event.extras, True

    def part(self, choice: int, at: int) -> Part:
        """A part as far as it has come."""
        return self._parts[choice, at].part()

    def answer(self) -> ModelAnswer:
        """The answer as far as it has come."""
        started = self._started
        return ModelAnswer(
            wire=started.wire,
            id=started.id,
            model=started.model,
            created_s=started.created_s,
            choices=tuple(self._choice(index) for index in sorted(self._indices())),
            tokens=self._tokens,
            extras=started.extras | self._extras,
        )

    def _indices(self) -> set[int]:
        return {choice for choice, _ in self._parts} | set(self._ended)

    def _choice(self, index: int) -> Choice:
        end = self._ended.get(index, ChoiceEnded(choice=index))
        places = sorted(at for choice, at in self._parts if choice == index)
        parts = tuple(self._parts[index, at].part() for at in places)
        return Choice(
            index=index,
            turn=Turn(
                role="assistant",
                parts=parts,
                is_plain=[part.kind for part in parts if part.kind in ("text", "other")]
                == ["text"],
                extras=end.turn_extras,
            ),
            finish_reason=end.finish_reason,
            finish_as_sent=end.finish_as_sent,
            extras=end.extras,
        )


def events_of(answer: ModelAnswer) -> Iterator[AnswerEvent]:
    """A whole answer as the events of its stream, each part in one piece; nothing is lost."""
    yield AnswerStarted(
        wire=answer.wire,
        id=answer.id,
        model=answer.model,
        created_s=answer.created_s,
        extras=answer.extras,
    )
    for choice in answer.choices:
        for at, part in enumerate(choice.turn.parts):
            yield PartStarted(choice=choice.index, at=at, part=part)
            yield PartEnded(choice=choice.index, at=at)
        yield ChoiceEnded(
            choice=choice.index,
            finish_reason=choice.finish_reason,
            finish_as_sent=choice.finish_as_sent,
            extras=choice.extras,
            turn_extras=choice.turn.extras,
        )
    if answer.tokens is not None:
        yield TokensCounted(tokens=answer.tokens)
    yield AnswerEnded()
