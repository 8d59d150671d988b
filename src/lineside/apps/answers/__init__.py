"""Apps of the kind `answer`: sources, passages, the index of a release, and grounded answers."""

from lineside.apps.answers.indexing import index_sources, register_indexing

__all__ = ["index_sources", "register_indexing"]
