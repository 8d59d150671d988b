"""What a model answered, whole."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lineside.core import Record
from lineside.gateway.canonical.parts import Extras, Turn
from lineside.gateway.canonical.request import WireName

FinishReason = Literal["stop", "length", "tool_calls", "filtered", "refused", "paused", "other"]


def _counted(value: object) -> object:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None


Count = Annotated[int | None, BeforeValidator(_counted)]
"""A number of tokens; rubbish in its place is no count, and no reason to lose the answer."""


class TokenCounts(Record):
    """What the provider counted; nothing where it did not.

    Attributes:
        tokens_in: Read by the model, cached ones included.
        tokens_out: Written by the model, thoughts included.
        as_sent: The provider's own words about it.
    """

    tokens_in: Count = None
    tokens_cached_in: Count = None
    tokens_cache_written_in: Count = None
    tokens_out: Count = None
    tokens_reasoning_out: Count = None
    as_sent: Extras = Field(default_factory=dict)


class Choice(Record):
    """One of the answers given side by side.

    Attributes:
        finish_as_sent: The provider's own word for why it ended.
    """

    index: int = 0
    turn: Turn
    finish_reason: FinishReason | None = None
    finish_as_sent: str | None = None
    extras: Extras = Field(default_factory=dict)


class ModelAnswer(Record):
    """The answer to one question; the model is the one that really answered."""

    wire: WireName
    id: str = ""
    model: str = ""
    created_s: int | None = None
    choices: tuple[Choice, ...] = ()
    tokens: TokenCounts | None = None
    extras: Extras = Field(default_factory=dict)
