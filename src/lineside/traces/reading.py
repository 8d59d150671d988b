"""One state of what is kept of a workspace's traces: the lake, and what waits for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from lineside.store import Reading, text_index
from lineside.traces import queries
from lineside.traces.arrivals import trace_key
from lineside.traces.parts import Part, part_of_words, whole_name
from lineside.traces.sums import Made, made
from lineside.trust import Scope

_PIECES_MAX = 5_000


class TraceReading:
    """Any number of queries over one state of the traces.

    In a query, `{spans}` and `{traces}` stand for the lake's tables with what waits beside.
    """

    def __init__(
        self,
        lake: Reading | None,
        texts: text_index.TextIndex,
        waiting: Sequence[text_index.Indexed],
    ) -> None:
        self._lake = lake
        self._indexes = [texts]
        self._stretches: dict[tuple[str, str], list[datetime] | None] = {}
        if waiting:
            fresh = text_index.FolderTextIndex(None)
            fresh.add(waiting)
            self._indexes.append(fresh)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever kept."""
        return self._lake is None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run one query and return its rows; none where nothing was ever kept."""
        return [] if self._lake is None else self._lake.rows(sql, parameters)

    def columns(self, sql: str, parameters: Sequence[Any] = ()) -> list[list[Any]]:
        """The same as columns, for very many rows; none where nothing was ever kept."""
        return [] if self._lake is None else self._lake.columns(sql, parameters)

    def sums(self) -> Made | None:
        """What there is of sums; nothing where there are none."""
        return None if self._lake is None else made(self._lake)

    def stretch(self, workspace: str, trace_id: str) -> list[datetime] | None:
        """From when to when the steps of a trace began; nothing where there are none."""
        name = (workspace, trace_id)
        if name not in self._stretches:
            rows = self.rows(queries.TRACE_BOUNDS, [workspace, trace_key(trace_id)])
            is_there = bool(rows) and rows[0]["first_at"] is not None
            self._stretches[name] = list(rows[0].values()) if is_there else None
        return self._stretches[name]

    def find_words(
        self,
        workspace: str,
        wanted: Sequence[str],
        *,
        before: datetime,
        after: datetime,
        limit: int,
    ) -> list[tuple[Part, datetime]]:
        """Parts of traces that hold every word, with about when they began, newest first.

        A trace that came in several batches may hold one word here and another there; it is found
        if it is among the newest 5,000 that hold each of them.
        """

        def find(words: Sequence[str], limit: int, *, may_go_on: bool) -> dict[str, datetime]:
            held: dict[str, datetime] = {}
            for index in self._indexes:
                for key, moment in index.find(
                    workspace,
                    words,
                    before=before,
                    after=after,
                    limit=limit,
                    may_go_on=may_go_on,
                ):
                    held.setdefault(key, moment)
            return held

        found = find(wanted, limit, may_go_on=True)
        if len(wanted) > 1 and len(found) < limit:
            # What came in several batches is indexed in as many pieces.
            in_pieces: dict[str, datetime] | None = None
            for word in wanted:
                held = find([word], _PIECES_MAX, may_go_on=word == wanted[-1])
                in_pieces = held if in_pieces is None else _in_both(in_pieces, held)
                if not in_pieces:
                    break
            found = (in_pieces or {}) | found
        newest = sorted(found.items(), key=lambda one: one[1], reverse=True)
        return [(part_of_words(name), moment) for name, moment in newest[:limit]]


@contextmanager
def open_reading(scope: Scope) -> Iterator[TraceReading]:
    """See what is kept now, what was received a moment ago among it."""
    store = scope.store
    name = queries.SPANS.name
    waits = store.inbox.has(name, workspace=scope.workspace)
    if not waits and store.lake.is_untouched:
        # A new installation shows its first page without waiting for DuckDB.
        yield TraceReading(None, store.texts, ())
        return
    with store.reading(name, workspace=scope.workspace) as (lake, waiting):
        yield TraceReading(lake, store.texts, waiting)


def _in_both(one: dict[str, datetime], other: dict[str, datetime]) -> dict[str, datetime]:
    """Names that both have; words kept under the name of a whole trace are those of each part."""
    found: dict[str, datetime] = {}
    for name in one.keys() | other.keys():
        whole = whole_name(name)
        moments = [held.get(name) or held.get(whole) for held in (one, other)]
        if all(moments):
            found[name] = max(moment for moment in moments if moment)
    return found


def of_trace(
    reading: TraceReading, query: str, workspace: str, trace_id: str, parameters: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """What a query finds in the steps of one trace.

    Its parameters are the workspace, the moments between which the steps began, the trace's id, and
    then those given: with the moments, little of the lake is read.
    """
    bounds = reading.stretch(workspace, trace_id)
    return (
        [] if bounds is None else reading.rows(query, [workspace, *bounds, trace_id, *parameters])
    )
