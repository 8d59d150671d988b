"""Answers that were given before: replayed where a caller or a route asks for it."""

from lineside.gateway.cache.keeping import keep_in_order
from lineside.gateway.cache.step import CACHED, SAID, caching

__all__ = ["CACHED", "SAID", "caching", "keep_in_order"]
