"""Looks for a kept answer: to the same question, or to one that is like it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from lineside.core import now
from lineside.gateway.cache import queries
from lineside.gateway.cache.alike import Question, says_the_same
from lineside.store import Store

CACHED = "cache"
"""Where a call's `hit`, `semantic` or `miss` stands among what is known of how it was served."""
SAID = (CACHED, "cache_similarity", "cache_age_s", "cache_from")
"""What is said of it in the trace: how near, how many seconds old, and from which other trace."""

_LOOKED_AT_MAX = 5


class CachedAnswer(NamedTuple):
    """An answer that was given before.

    Attributes:
        body: As whoever kept it wrote it.
        trace_id: Of the call that the model answered.
        similarity: How near the question then is to the one now; nothing where it is the same.
    """

    body: bytes
    kept_at: datetime
    trace_id: str
    similarity: float | None = None


def said_of(kept: CachedAnswer | None) -> dict[str, object]:
    """What is said of a call in its trace and headers."""
    if kept is None:
        return {CACHED: "miss"}
    said: dict[str, object] = {"cache_age_s": max(0, int((now() - kept.kept_at).total_seconds()))}
    if kept.similarity is None:
        return said | {CACHED: "hit"}
    # Rounded down: what is 1 is the same.
    near = int(kept.similarity * 1000) / 1000
    return said | {CACHED: "semantic", "cache_similarity": near, "cache_from": kept.trace_id}


def find_same(store: Store, workspace: str, digest: str, *, seconds: int) -> CachedAnswer | None:
    """The answer to this very question, kept no longer ago than some seconds."""
    at = now()
    since = at - timedelta(seconds=seconds)
    with store.records.read() as connection:
        found = queries.find_answer(connection, workspace, digest, at=at, since=since)
    if found is None:
        return None
    return CachedAnswer(*found)


def find_alike(
    store: Store, workspace: str, question: Question, *, similarity_min: float, seconds: int
) -> CachedAnswer | None:
    """The answer to the nearest question, if it is near enough, word by word and as a whole."""
    import numpy as np

    now_at = now()
    since = now_at - timedelta(seconds=seconds)
    with store.records.read() as connection:
        rows = queries.alike_questions(connection, workspace, question.alike)
        if not rows:
            return None
        kept = np.frombuffer(b"".join(vector for _, vector in rows), np.float16)
        near = kept.reshape(len(rows), -1).astype(np.float32) @ question.vector
        for at in np.argsort(-near)[:_LOOKED_AT_MAX]:
            if near[at] < similarity_min:
                break
            digest = rows[at][0]
            if not says_the_same(
                question.words, queries.words_asked(connection, workspace, digest)
            ):
                continue
            found = queries.find_answer(connection, workspace, digest, at=now_at, since=since)
            if found is not None:
                return CachedAnswer(*found, min(1.0, float(near[at])))
    return None
