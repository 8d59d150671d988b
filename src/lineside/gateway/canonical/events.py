"""How an answer arrives piece by piece."""

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
    """More of a part: words of a text or thought, arguments of a tool call, or a signature."""

    kind: Literal["part_grew"] = "part_grew"
    choice: int = 0
    at: int
    text: str = ""
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
