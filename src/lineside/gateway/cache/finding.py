"""Looks for a kept answer: to the same question, or to one that is like it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from lineside.core import now
from lineside.gateway.cache import queries
from lineside.gateway.cache.alike import Question, says_the_same
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.store import Store

_LOOKED_AT_MAX = 5


class CachedAnswer(NamedTuple):
    """An answer that was given before.

    Attributes:
        trace_id: Of the call that the model answered.
        similarity: How near the question then is to the one now; nothing where it is the same.
    """

    answer: ModelAnswer
    kept_at: datetime
    trace_id: str
    similarity: float | None = None


def find_same(store: Store, workspace: str, digest: str, *, seconds: int) -> CachedAnswer | None:
    """The answer to this very question, kept no longer ago than some seconds."""
    at = now()
    since = at - timedelta(seconds=seconds)
    with store.records.read() as connection:
        found = queries.find_answer(connection, workspace, digest, at=at, since=since)
    if found is None:
        return None
    body, kept_at, trace_id = found
    return CachedAnswer(ModelAnswer.model_validate_json(body), kept_at, trace_id)


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
                body, kept_at, trace_id = found
                answer = ModelAnswer.model_validate_json(body)
                return CachedAnswer(answer, kept_at, trace_id, min(1.0, float(near[at])))
    return None
