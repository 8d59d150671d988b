"""Answers that were given before: replayed where a caller, a route or a manifest asks for it."""

from lineside.gateway.cache.alike import Question, question_beside
from lineside.gateway.cache.finding import (
    CACHED,
    SAID,
    CachedAnswer,
    find_alike,
    find_same,
    said_of,
)
from lineside.gateway.cache.keeping import keep_answer, keep_in_order
from lineside.gateway.cache.step import caching

__all__ = [
    "CACHED",
    "SAID",
    "CachedAnswer",
    "Question",
    "caching",
    "find_alike",
    "find_same",
    "keep_answer",
    "keep_in_order",
    "question_beside",
    "said_of",
]
