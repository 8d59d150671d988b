"""The one form of every model call: what is asked, what is answered, and how an answer streams.

Guards, budgets, cache, routing and tracing act on this form and on nothing else.
"""

from lineside.gateway.canonical.answer import Choice, ModelAnswer, TokenCounts
from lineside.gateway.canonical.assembly import Assembly, events_of
from lineside.gateway.canonical.embedding import EmbeddingAnswer, EmbeddingRequest
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
    ToolResult,
    Turn,
)
from lineside.gateway.canonical.request import ModelRequest

__all__ = [
    "AnswerEnded",
    "AnswerEvent",
    "AnswerStarted",
    "Assembly",
    "Choice",
    "ChoiceEnded",
    "EmbeddingAnswer",
    "EmbeddingRequest",
    "MediaPart",
    "ModelAnswer",
    "ModelRequest",
    "OtherPart",
    "Part",
    "PartEnded",
    "PartGrew",
    "PartStarted",
    "ReasoningPart",
    "TextPart",
    "TokenCounts",
    "TokensCounted",
    "ToolCall",
    "ToolResult",
    "Turn",
    "events_of",
]
