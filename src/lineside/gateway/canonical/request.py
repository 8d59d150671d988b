"""What a model is asked."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from lineside.core import Record
from lineside.gateway.canonical.parts import Extras, MediaPart, Part, ToolResult, Turn

WireName = Literal["chat", "responses", "messages", "gemini", "lineside"]


class ToolOffer(Record):
    """A tool that the model may ask for.

    Attributes:
        schema_of_arguments: JSON Schema of an object; nothing for a tool without arguments.
        hosted: A tool that runs at the provider, as its wire has it; then the name is its type.
    """

    name: str
    description: str | None = None
    schema_of_arguments: Extras | None = None
    is_strict: bool | None = None
    hosted: Extras | None = None
    extras: Extras = Field(default_factory=dict)


class ToolChoice(Record):
    """Whether the model must, may or may not call a tool; `named` is the one it must call."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None
    extras: Extras = Field(default_factory=dict)


class AnswerForm(Record):
    """The form the words of the answer must have."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    json_schema: Any = None
    is_strict: bool | None = None
    extras: Extras = Field(default_factory=dict)


class ModelRequest(Record):
    """One question to one model, whichever wire it came by.

    Attributes:
        wire: Where the extras of all parts belong.
        model: As the caller names it; routing replaces it by the provider's own name.
        system: What the wire sets apart from the conversation.
        choices_wanted: Answers to give side by side.
        reasoning_effort: A word such as `low`; `reasoning_tokens_max` says it as a number.
        wants_stream_tokens: A stream is to end with its token counts.
        user: Whom the caller serves, in the caller's own terms.
        traceparent: The step of a trace that the provider's own steps belong below; it goes along
            as a header.
    """

    wire: WireName
    model: str
    turns: tuple[Turn, ...]
    system: Turn | None = None
    tools: tuple[ToolOffer, ...] = ()
    tool_choice: ToolChoice | None = None
    calls_tools_in_parallel: bool | None = None
    answer_form: AnswerForm | None = None
    tokens_out_max: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    choices_wanted: int | None = None
    wants_logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    reasoning_tokens_max: int | None = None
    is_stream: bool | None = None
    wants_stream_tokens: bool | None = None
    user: str | None = None
    traceparent: str | None = None
    extras: Extras = Field(default_factory=dict)

    @property
    def all_turns(self) -> tuple[Turn, ...]:
        """The conversation with what the wire set apart at its head."""
        return ((self.system,) if self.system else ()) + self.turns

    @property
    def media(self) -> Iterator[MediaPart]:
        """Every picture, sound and file, those that a tool gave back among them."""
        for turn in self.all_turns:
            for part in turn.parts:
                inner: tuple[Part, ...] = part.parts if isinstance(part, ToolResult) else (part,)
                yield from (one for one in inner if isinstance(one, MediaPart))
