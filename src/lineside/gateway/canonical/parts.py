"""What a turn of a conversation is made of.

`extras` holds what only the wire knows that a part was read from; it is written back to that wire
and to no other. A name that begins with `~` is a mark of the reader for the writer, never sent.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from lineside.core import Record

Extras = dict[str, Any]


class TextPart(Record):
    """Words; of a refusal where the model said that it will not answer.

    Attributes:
        logprobs: One entry for each token, as Chat Completions has them.
    """

    kind: Literal["text"] = "text"
    text: str
    is_refusal: bool = False
    logprobs: tuple[Extras, ...] = ()
    extras: Extras = Field(default_factory=dict)


class MediaPart(Record):
    """An image, a sound, a film or a file, by its bytes, its address or its id at the provider.

    Attributes:
        data: The bytes in base64.
    """

    kind: Literal["media"] = "media"
    medium: Literal["image", "audio", "video", "file"]
    mime_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    extras: Extras = Field(default_factory=dict)


class ReasoningPart(Record):
    """What the model thought, or the sealed form of it that only its provider can read.

    Attributes:
        signature: Must go back unchanged with the text, or the provider refuses the turn.
        sealed: Thought that is not shown, as the provider encrypted it.
    """

    kind: Literal["reasoning"] = "reasoning"
    text: str = ""
    signature: str | None = None
    sealed: str | None = None
    extras: Extras = Field(default_factory=dict)


class ToolCall(Record):
    """The model asks for a tool.

    Attributes:
        arguments: JSON text, as the model wrote it; it may be broken.
        signature: What Gemini wants back with the call.
    """

    kind: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    arguments: str = ""
    signature: str | None = None
    extras: Extras = Field(default_factory=dict)


class OtherPart(Record):
    """Something that only its own wire knows, such as a search the provider made; kept whole."""

    kind: Literal["other"] = "other"
    content: Extras
    extras: Extras = Field(default_factory=dict)


ResultPart = Annotated[TextPart | MediaPart | OtherPart, Field(discriminator="kind")]


class ToolResult(Record):
    """What a tool gave back.

    Attributes:
        is_plain: The wire had one text in place of a list of parts.
    """

    kind: Literal["tool_result"] = "tool_result"
    call_id: str
    name: str | None = None
    parts: tuple[ResultPart, ...] = ()
    is_plain: bool = False
    is_error: bool | None = None
    extras: Extras = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """Its words alone."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


Part = Annotated[
    TextPart | MediaPart | ReasoningPart | ToolCall | ToolResult | OtherPart,
    Field(discriminator="kind"),
]


class Turn(Record):
    """One message of a conversation.

    Attributes:
        is_plain: The wire had one text in place of a list of parts.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    parts: tuple[Part, ...] = ()
    is_plain: bool = False
    extras: Extras = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """Its words alone, without thoughts and refusals."""
        words = (part for part in self.parts if isinstance(part, TextPart))
        return "".join(part.text for part in words if not part.is_refusal)
