"""Kept answers go when they are over, and with the traces that they came from."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from lineside.core import LinesideError, now
from lineside.gateway.cache import queries
from lineside.gateway.cache.alike import Question
from lineside.store import Store
from lineside.traces import privacy

_BYTES_MAX = 1024 * 1024
_ANSWERS_MAX = 10_000
_ROWS_MAX = 1_000


def keep_answer(
    store: Store,
    workspace: str,
    digest: str,
    body: bytes,
    *,
    said: Any,
    question: Question | None,
    trace_id: str,
    seconds: int,
) -> None:
    """Keep an answer for some seconds; one that is too large, or cannot be written, is not kept.

    Nor is one that a rule of the workspace would mask, or whose question it would: masked, it could
    not be given again.

    Args:
        digest: Of all that the answer depends on.
        said: Its words and values, without ids that only look like secrets.
        question: What others may be like, where they may.
        trace_id: Of the call that the model answered: with its trace the answer goes.
    """
    if len(body) > _BYTES_MAX:
        return
    at = now()
    values = {
        "workspace": workspace,
        "digest": digest,
        "answer": body,
        "trace_id": trace_id,
        "kept_at": at,
        "expires_at": at + timedelta(seconds=seconds),
    }
    row = question.row() if question else None
    try:
        if _is_masked(store, workspace, [said, question.words if question else ""]):
            return
        with store.records.write() as connection:
            queries.keep_answer(connection, values, row, at=at, rows_max=_ANSWERS_MAX)
    except LinesideError:
        return  # the caller has the answer all the same


def _is_masked(store: Store, workspace: str, kept: Any) -> bool:
    masker = privacy.masker_of(store, workspace)
    try:
        return masker is not None and bool(masker.value(kept) != kept)
    except ValueError:
        return True  # it nests too deeply to be looked through


def keep_in_order(store: Store) -> None:
    """Let kept answers go with their traces, and with upkeep when they are over.

    Called once by every process that erases, or keeps the lake in order. An answer belongs to
    the trace of the call that asked the model, so what takes the trace away, be it by user, session
    or age, takes the answer, too.
    """
    store.trace_keepers["cached answers"] = partial(_forget_of, store)
    store.upkeep.add(partial(forget_expired, store))


def forget_expired(store: Store) -> int:
    """Delete every answer whose time is over; gives how many that were."""
    at = now()
    return store.records.delete_in_rounds(
        is_any=lambda connection: bool(queries.expired_answers(connection, at=at, rows_max=1)),
        delete_some=partial(queries.forget_expired, at=at, rows_max=_ROWS_MAX),
    )


def _forget_of(store: Store, workspace: str, trace_ids: Sequence[str], *, only_look: bool) -> int:
    with store.records.read() as connection:
        count = queries.count_answers_of(connection, workspace, trace_ids)
    if only_look or not count:
        return count
    with store.records.write() as connection:
        return queries.forget_answers_of(connection, workspace, trace_ids)
