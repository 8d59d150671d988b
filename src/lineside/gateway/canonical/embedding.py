"""Texts to be turned into vectors, and the vectors."""

from pydantic import Field

from lineside.core import Record
from lineside.gateway.canonical.answer import TokenCounts
from lineside.gateway.canonical.parts import Extras


class EmbeddingRequest(Record):
    """Texts that are each to become a vector; or their tokens, where the caller cut them itself.

    Attributes:
        dimensions: Length that the vectors are to have, where the model lets one choose.
    """

    model: str
    texts: tuple[str, ...] = ()
    dimensions: int | None = None
    user: str | None = None
    extras: Extras = Field(default_factory=dict)


class EmbeddingAnswer(Record):
    """One vector for each text, in their order."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    tokens: TokenCounts | None = None
    extras: Extras = Field(default_factory=dict)
