"""Erasing what one person, session or trace has left."""

import hashlib
from typing import Any

from lineside.core import Invalid, Record
from lineside.store import Store
from lineside.traces import queries as opinions
from lineside.traces.rewriting import queries
from lineside.traces.rewriting.batches import Found, batches, forget
from lineside.trust import Scope, record

_FOUND_MAX = 5_000
_ROUNDS_MAX = 10_000


class Erased(Record):
    """What was erased, or would be.

    Attributes:
        feedback: What people said of those traces.
        is_done: False where it was only looked at.
    """

    traces: int
    steps: int
    feedback: int
    is_done: bool


def erase(
    scope: Scope,
    *,
    user: str | None = None,
    session: str | None = None,
    trace: str | None = None,
    only_look: bool = False,
) -> Erased:
    """Erase every trace that a user took part in, or a session's, or one; all steps of each.

    When this returns they are gone from the lake, its files, the index of words and what people
    said of them. What waits in the inbox is moved first, so that it goes with the rest; what
    arrives later is new. The ledger keeps that it was done, with a hash of the name in its place.

    Raises:
        Invalid: Not exactly one of user, session and trace is given.
        Denied: The right `erase` is missing.
        Unavailable: The lake cannot be used; run it again, nothing is half erased.
    """
    given = {"user": user, "session": session, "trace": trace}
    named = {kind: name for kind, name in given.items() if name}
    if len(named) != 1:
        raise Invalid(
            "erase_what",
            f"{len(named)} of user, session and trace are given, expected one",
            hint="Name whose traces to erase: one user, one session or one trace.",
        )
    scope.require("read" if only_look else "erase")
    ((kind, name),) = named.items()
    store = scope.store
    store.flusher.flush()
    erased = Erased(traces=0, steps=0, feedback=0, is_done=not only_look)
    for _ in range(_ROUNDS_MAX):
        found = _find(store, scope.workspace, kind, name)
        if not found:
            break
        for batch in batches(found):
            erased = _added(erased, batch, _erase_batch(scope, batch, only_look=only_look))
        if only_look:
            break
    if erased.traces and not only_look:
        store.forget_deleted()
    if not only_look:
        _write_down(scope, kind, name, erased)
    return erased


def _find(store: Store, workspace: str, kind: str, name: str) -> list[Found]:
    if store.lake.is_untouched:
        return []
    query = {
        "user": queries.OF_USER,
        "session": queries.OF_SESSION,
        "trace": queries.OF_TRACE,
    }[kind]
    asked: list[Any] = [workspace, *([workspace] if kind != "trace" else []), name, _FOUND_MAX]
    with store.lake.reading(queries.TABLES) as reading:
        return [Found(**row) for row in reading.rows(query, asked)]


def _erase_batch(scope: Scope, batch: list[Found], *, only_look: bool) -> int:
    """Erase some traces; gives how often people spoke of them."""
    trace_ids = [one.trace_id for one in batch]
    if only_look:
        with scope.store.records.read() as connection:
            return opinions.count_feedback(connection, scope.workspace, trace_ids)
    return forget(scope.store, scope.workspace, batch)


def _added(erased: Erased, batch: list[Found], feedback: int) -> Erased:
    return Erased(
        traces=erased.traces + len(batch),
        steps=erased.steps + sum(one.steps for one in batch),
        feedback=erased.feedback + feedback,
        is_done=erased.is_done,
    )


def _write_down(scope: Scope, kind: str, name: str, erased: Erased) -> None:
    hashed = hashlib.sha256(f"{scope.workspace}\0{kind}\0{name}".encode()).hexdigest()
    details = {"kind": kind, "traces": erased.traces, "steps": erased.steps}
    with scope.store.records.write() as connection:
        record(
            connection,
            scope,
            "traces.erased",
            f"sha256:{hashed}",
            details | {"feedback": erased.feedback},
        )
