"""What was kept of a session, or of a trace that never came: scores and records of no step."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lineside.store import Store, text_index
from lineside.traces.arrivals import trace_key
from lineside.traces.logs.queries import SPAN_EVENTS
from lineside.traces.parts import words_name
from lineside.traces.rewriting import queries
from lineside.traces.rewriting.batches import Found, batches
from lineside.traces.rollup import words_in
from lineside.traces.scores.queries import SCORES

_TABLES = (SCORES, SPAN_EVENTS)
_FOUND_MAX = 20_000
_ROUNDS_MAX = 10_000


class Leftovers(NamedTuple):
    """How many of each there were."""

    scores: int
    events: int


def of_sessions(store: Store, workspace: str, names: Sequence[str], *, only_look: bool) -> int:
    """Take out the scores of whole sessions; gives how many there were."""
    if not names:
        return 0
    meant = queries.Meant(SCORES, queries.SCORES_OF_SESSIONS, [workspace, list(names)])
    return _take(store, workspace, [meant], only_look=only_look).scores


def of_trace(store: Store, workspace: str, trace_id: str, *, only_look: bool) -> Leftovers:
    """Take out what came for a trace of which no step is here."""
    asked = [workspace, trace_key(trace_id), trace_id]
    chosen = [queries.Meant(table, queries.BESIDE_OF_TRACE, asked) for table in _TABLES]
    return _take(store, workspace, chosen, only_look=only_look)


def older_than(store: Store, workspace: str, use_case: str, before: datetime) -> Leftovers:
    """Take out what is old and belongs to no trace, and to no session, that is here."""
    asked = [workspace, before, use_case]
    scores = sum(
        _take(store, workspace, [queries.Meant(SCORES, one, asked)], only_look=False).scores
        for one in (queries.OLD_SCORES, queries.OLD_SCORES_OF_SESSIONS)
    )
    return Leftovers(scores, _take_events(store, workspace, asked))


def of_ended_sessions(
    store: Store, workspace: str, names: Collection[str], before: datetime
) -> int:
    """Take out old scores of sessions of which no step is left; gives how many there were.

    Only those that say no use case themselves: it was that of the traces that have gone.
    """
    if not names:
        return 0
    asked = [workspace, before, sorted(names)]
    meant = queries.Meant(SCORES, queries.SCORES_OF_ENDED_SESSIONS, asked)
    return _take(store, workspace, [meant], only_look=False).scores


def _take_events(store: Store, workspace: str, asked: list[Any]) -> int:
    """Take out old records, those of some traces at a time; gives how many there were.

    Where all calls are logged and few are traced, they are far too many to be held at once.
    """
    taken = 0
    for _ in range(_ROUNDS_MAX):
        with store.lake.reading(queries.TABLES) as reading:
            rows = reading.rows(queries.TRACES_OF_OLD_EVENTS, [*asked, _FOUND_MAX])
        for batch in batches([Found(**row) for row in rows]):
            of_batch = [*asked, [one.trace_id for one in batch]]
            meant = queries.Meant(SPAN_EVENTS, queries.OLD_EVENTS_OF_TRACES, of_batch)
            taken += _take(store, workspace, [meant], only_look=False).events
        if len(rows) < _FOUND_MAX:
            break
    return taken


def _take(
    store: Store, workspace: str, chosen: Sequence[queries.Meant], *, only_look: bool
) -> Leftovers:
    if store.lake.is_untouched:
        return Leftovers(0, 0)
    counts = {SCORES: 0, SPAN_EVENTS: 0}
    with store.lake.reading(queries.TABLES) as reading:
        for meant in chosen:
            counts[meant.table] = reading.rows(meant.counted, meant.asked)[0]["number"]
    if not only_look and any(counts.values()):
        with store.changing_lake():
            with store.lake.reading(queries.TABLES) as reading:
                events = [
                    row
                    for meant in chosen
                    if meant.table is SPAN_EVENTS
                    for row in reading.rows(meant.events, meant.asked)
                ]
            store.texts.remove(_indexed(workspace, events))
            store.lake.change(queries.TABLES, [(one.deleted, one.asked) for one in chosen])
    return Leftovers(counts[SCORES], counts[SPAN_EVENTS])


def _indexed(workspace: str, events: list[dict[str, Any]]) -> list[text_index.Indexed]:
    """The traces of some records, with the words the records put into the index."""
    by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in events:
        for name in {row["trace_id"], words_name(row["trace_id"], row["use_case"])}:
            by_name[name].append(row)
    return [
        text_index.Indexed(
            workspace,
            name,
            min(row["happened_at"] for row in rows),
            words_in(row["event"] for row in rows),
        )
        for name, rows in by_name.items()
    ]
