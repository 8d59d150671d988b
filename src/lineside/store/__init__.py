"""The only way to disk: records, lake, inbox, blobs, jobs, migrations."""

from lineside.store.blobs import digest_of
from lineside.store.lake import LakeTable
from lineside.store.migrations import current, newest
from lineside.store.schema import Counter, Document, Moment, metadata
from lineside.store.store import Store, free_bytes, open_store

__all__ = [
    "Counter",
    "Document",
    "LakeTable",
    "Moment",
    "Store",
    "current",
    "digest_of",
    "free_bytes",
    "metadata",
    "newest",
    "open_store",
]
