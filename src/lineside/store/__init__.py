"""The only way to disk: records, lake, inbox, words, blobs, jobs, migrations."""

from lineside.store import intake, text_index
from lineside.store.blobs import digest_of
from lineside.store.intake import LakeTable
from lineside.store.lake import Reading
from lineside.store.locks import held
from lineside.store.migrations import current, newest
from lineside.store.schema import Counter, Document, Moment, metadata
from lineside.store.store import Store, free_bytes, open_store

__all__ = [
    "Counter",
    "Document",
    "LakeTable",
    "Moment",
    "Reading",
    "Store",
    "current",
    "digest_of",
    "free_bytes",
    "held",
    "intake",
    "metadata",
    "newest",
    "open_store",
    "text_index",
]
