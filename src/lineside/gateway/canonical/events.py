"""How an answer arrives piece by piece."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from lineside.core import Record
from lineside.gateway.canonical.answer import FinishReason, TokenCounts
from lineside.gateway.canonical.parts import Extras, Part
from lineside.gateway.canonical.request import WireName


class AnswerStarted(Record):
    """The first event of every answer."""

    kind: Literal["answer_started"] = "answer_started"
    wire: WireName
    id: str = ""
    model: str = ""
    created_s: int | None = None
    extras: Extras = Field(default_factory=dict)


class PartStarted(Record):
    """A part begins, with what is known of it; `at` counts the parts of its choice from 0."""

    kind: Literal["part_started"] = "part_started"
    choice: int = 0
    at: int
    part: Part


class PartGrew(Record):
    """More of a part: words of a text or thought, arguments of a tool call, or a signature.

    Attributes:
        sizes: Characters of each of the provider's pieces that came at once and are one here;
            nothing for one that came alone.
    """

    kind: Literal["part_grew"] = "part_grew"
    choice: int = 0
    at: int
    text: str = ""
    sizes: tuple[int, ...] = ()
    signature: str = ""
    logprobs: tuple[Extras, ...] = ()
    extras: Extras = Field(default_factory=dict)


class PartEnded(Record):
    """Nothing more comes to a part; the extras join those it began with."""

    kind: Literal["part_ended"] = "part_ended"
    choice: int = 0
    at: int
    extras: Extras = Field(default_factory=dict)


class ChoiceEnded(Record):
    """One of the answers is complete; `turn_extras` are of its message."""

    kind: Literal["choice_ended"] = "choice_ended"
    choice: int = 0
    finish_reason: FinishReason | None = None
    finish_as_sent: str | None = None
    extras: Extras = Field(default_factory=dict)
    turn_extras: Extras = Field(default_factory=dict)


class TokensCounted(Record):
    """What the answer took so far; a later count replaces an earlier one."""

    kind: Literal["tokens_counted"] = "tokens_counted"
    tokens: TokenCounts


class AnswerEnded(Record):
    """The last event of every whole answer; a stream without it was cut off."""

    kind: Literal["answer_ended"] = "answer_ended"
    extras: Extras = Field(default_factory=dict)


AnswerEvent = Annotated[
    AnswerStarted | PartStarted | PartGrew | PartEnded | ChoiceEnded | TokensCounted | AnswerEnded,
    Field(discriminator="kind"),
]


def joined(events: Iterable[AnswerEvent]) -> Iterator[AnswerEvent]:
    """Events that came at once, with pieces of words that follow each other as one of them.

    What is done with a piece on its way costs more than all that is in it; so the more is under
    way, the less each takes.
    """
    pieces: list[PartGrew] = []
    try:
        for event in events:
            if isinstance(event, PartGrew) and _is_plain(event):
                if pieces and (event.choice, event.at) != (pieces[0].choice, pieces[0].at):
                    yield _one(pieces)
                    pieces = []
                pieces.append(event)
                continue
            if pieces:
                yield _one(pieces)
                pieces = []
            yield event
    except Exception:
        if pieces:  # what came before a break was said
            yield _one(pieces)
        raise
    if pieces:
        yield _one(pieces)


def _is_plain(event: PartGrew) -> bool:
    return not (event.signature or event.logprobs or event.extras)


def _one(pieces: list[PartGrew]) -> PartGrew:
    if len(pieces) == 1:
        return pieces[0]
    return PartGrew(
        choice=pieces[0].choice,
        at=pieces[0].at,
        text="".join([piece.text for piece in pieces]),
        sizes=tuple([len(piece.text) for piece in pieces]),
    )
