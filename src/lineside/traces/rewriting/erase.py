"""Erasing what one person, session or trace has left."""

from collections import Counter
from typing import Any, Literal

from lineside.core import Invalid, Record
from lineside.store import Store
from lineside.traces import privacy
from lineside.traces import queries as opinions
from lineside.traces.rewriting import leftovers, queries
from lineside.traces.rewriting.batches import Forgotten, Found, batches, forget, kept_beside
from lineside.trust import Scope, keyed_digests, record

_FOUND_MAX = 5_000
_ROUNDS_MAX = 10_000
_ALIASED: dict[str, Literal["user", "session"]] = {"user": "user", "session": "session"}


class Erased(Record):
    """What was erased, or would be.

    Attributes:
        feedback: What people said of those traces.
        beside: What else was kept, such as a user's `knob settings`, `scores` of a session, or
            `cached answers` that came of those traces, and how much of each.
        is_done: False where it was only looked at.
    """

    traces: int
    steps: int
    feedback: int
    beside: dict[str, int] = {}  # noqa: RUF012 # pydantic copies it
    is_done: bool

    @property
    def is_nothing(self) -> bool:
        """There was nothing to erase."""
        return not self.traces and not any(self.beside.values())


def erase(
    scope: Scope,
    *,
    user: str | None = None,
    session: str | None = None,
    trace: str | None = None,
    only_look: bool = False,
) -> Erased:
    """Erase every trace that a user took part in, or a session's, or one; all steps of each.

    What was kept under an alias of the user or session goes as well, by whichever rule it was made.

    When this returns they are gone from the lake, its files, the index of words and what people
    said of them, with what rooms keep that came of them, of their sessions or of the user, see the
    keepers of `Store`. What waits in the inbox is moved first, so that it goes with the rest; what
    arrives later is new. The ledger keeps that it was done, with a keyed digest in the name's
    place.

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
    store.flusher.flush(everything=True)
    # These first: where one cannot, such as for want of a key, nothing is gone yet.
    beside = {
        what: keeper(scope.workspace, user, only_look=only_look)
        for what, keeper in store.keepers.items()
        if user
    }
    beside |= _leftovers(store, scope.workspace, kind, name, only_look=only_look)
    beside |= dict.fromkeys(store.trace_keepers, 0)
    erased = Erased(traces=0, steps=0, feedback=0, beside=beside, is_done=not only_look)
    for _ in range(_ROUNDS_MAX):
        found = _find(store, scope.workspace, kind, name)
        if not found:
            break
        for batch in batches(found):
            erased = _added(erased, batch, _erase_batch(scope, batch, only_look=only_look))
        if only_look:
            break
    if not (only_look or erased.is_nothing):
        store.forget_deleted()
    if not only_look:
        _write_down(scope, kind, name, erased)
    return erased


def _leftovers(
    store: Store, workspace: str, kind: str, name: str, *, only_look: bool
) -> dict[str, int]:
    """What no step leads to. First of all, since only steps say which sessions a user had."""
    if kind == "trace":
        if store.lake.is_untouched or _find(store, workspace, kind, name):
            return {}  # it goes with its steps
        found = leftovers.of_trace(store, workspace, name, only_look=only_look)
        return {"scores": found.scores, "records of events": found.events}
    sessions = [name] if kind == "session" else []
    scores = 0
    if not store.lake.is_untouched:
        query = queries.SESSIONS_OF_USER if kind == "user" else queries.SESSIONS_KEPT
        ending = privacy.aliases_of(store, workspace).ending(_ALIASED[kind], name)
        asked = [workspace, name, ending] if kind == "user" else [workspace, ending]
        with store.lake.reading(queries.TABLES) as reading:
            sessions += [row["session_id"] for row in reading.rows(query, asked)]
        scores = leftovers.of_sessions(store, workspace, sessions, only_look=only_look)
    gone = {
        what: keeper(workspace, sessions, only_look=only_look)
        for what, keeper in store.session_keepers.items()
    }
    return {"scores of sessions": scores, **gone}


def _find(store: Store, workspace: str, kind: str, name: str) -> list[Found]:
    if store.lake.is_untouched:
        return []
    query = {
        "user": queries.OF_USER,
        "session": queries.OF_SESSION,
        "trace": queries.OF_TRACE,
    }[kind]
    asked: list[Any] = [workspace, name, _FOUND_MAX]
    if kind != "trace":
        ending = privacy.aliases_of(store, workspace).ending(_ALIASED[kind], name)
        asked = [workspace, workspace, name, ending, _FOUND_MAX]
    with store.lake.reading(queries.TABLES) as reading:
        return [Found(**row) for row in reading.rows(query, asked)]


def _erase_batch(scope: Scope, batch: list[Found], *, only_look: bool) -> Forgotten:
    """Erase some traces, or only look; gives what goes with them."""
    if not only_look:
        return forget(scope.store, scope.workspace, batch)
    trace_ids = [one.trace_id for one in batch]
    with scope.store.records.read() as connection:
        feedback = opinions.count_feedback(connection, scope.workspace, trace_ids)
    beside = kept_beside(scope.store, scope.workspace, trace_ids, only_look=True)
    return Forgotten(feedback, beside)


def _added(erased: Erased, batch: list[Found], gone: Forgotten) -> Erased:
    steps = sum(one.steps for one in batch)
    beside = Counter(erased.beside)
    beside.update(gone.beside)
    return erased.model_copy(
        update={
            "traces": erased.traces + len(batch),
            "steps": erased.steps + steps,
            "feedback": erased.feedback + gone.feedback,
            "beside": dict(beside),
        }
    )


def _write_down(scope: Scope, kind: str, name: str, erased: Erased) -> None:
    whose = keyed_digests.open_digests(scope.store, scope.workspace).of("erased", kind, name)
    details = {"kind": kind} | erased.model_dump(exclude={"is_done"})
    with scope.store.records.write() as connection:
        record(connection, scope, "traces.erased", f"hmac:{whose}", details)
