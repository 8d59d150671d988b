"""Answers that were given before: replayed where a caller or a route asks for it."""

from lineside.gateway.cache.step import CACHED, caching

__all__ = ["CACHED", "caching"]
