"""From waiting events to steps: once a trace is quiet, its steps take their place in the inbox."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from lineside.core import Unavailable, now
from lineside.store import Store, intake
from lineside.traces import clocks, queries
from lineside.traces.arrivals import SpanKey, arrived
from lineside.traces.ingested.merging import Event, StepSaid, is_going_on, steps_said, with_said
from lineside.traces.mapping import moment_of
from lineside.traces.prices import PriceTables
from lineside.traces.receive import Route, row_fields
from lineside.traces.rewriting.batches import Found, Row
from lineside.traces.rewriting.queries import OF_TRACE, TABLES
from lineside.traces.rewriting.remap import received_for, rewrite_found, row_of
from lineside.traces.row import span_row

NAME = "langfuse"
"""What events wait under in the inbox: an envelope for what one request says of one trace."""

QUIET = timedelta(seconds=15)
"""Clients send every half to ten seconds what they have."""

ENDS_WITHIN = timedelta(minutes=2)
"""After so long without a word, what has not ended is taken as it is."""

_EVENTS_MAX = 20_000
_BYTES_MAX = 32 * 1024 * 1024
_TRACES_AT_ONCE = 1_000


class _Waiting(NamedTuple):
    """All that waits of one trace, from those who may write to the same use cases."""

    workspace: str
    trace_id: str
    route: Route
    envelopes: list[intake.Envelope]
    events: list[Event]

    @property
    def last_at(self) -> datetime:
        return moment_of(max(one.about["received_ns"] for one in self.envelopes))


def gather(store: Store, *, everything: bool = False) -> int:
    """Let the steps of traces that are quiet take the place of the events they were told in.

    Steps that the lake has already are changed in place; see `with_said`. Whoever dies in between
    does it again, to the same end. Where more waits than can be looked at, the oldest is taken as
    it is, as its rest may come later.

    Args:
        everything: Also what may go on.

    Returns:
        How many events were taken.
    """
    if not store.inbox.has(NAME):
        return 0
    found = store.inbox.oldest(NAME, rows_max=_EVENTS_MAX, bytes_max=_BYTES_MAX)
    is_full = (
        sum(one.rows for one in found) >= _EVENTS_MAX
        or sum(len(one.payload) for one in found) >= _BYTES_MAX
    )
    ready: dict[str, list[_Waiting]] = {}
    for waiting in _by_trace(found):
        if everything or is_full or _is_quiet(waiting):
            ready.setdefault(waiting.workspace, []).append(waiting)
    return sum(
        _take(store, workspace, some[start : start + _TRACES_AT_ONCE])
        for workspace, some in ready.items()
        for start in range(0, len(some), _TRACES_AT_ONCE)
    )


def _by_trace(found: Sequence[intake.Envelope]) -> list[_Waiting]:
    traces: dict[tuple[Any, ...], _Waiting] = {}
    for envelope in found:
        route = Route.of(envelope.about)
        key = (envelope.workspace, route.limit, envelope.about["trace_id"])
        waiting = traces.setdefault(key, _Waiting(key[0], key[2], route, [], []))
        waiting.envelopes.append(envelope)
        waiting.events.extend(orjson.loads(envelope.payload))
    return list(traces.values())


def _is_quiet(waiting: _Waiting) -> bool:
    since = now() - waiting.last_at.replace(tzinfo=UTC)
    return since > ENDS_WITHIN or (since > QUIET and not is_going_on(waiting.events))


def _take(store: Store, workspace: str, some: list[_Waiting]) -> int:
    told = [(one, _steps(one)) for one in some]
    rows = [[_row(waiting, said) for said in steps] for waiting, steps in told]
    there = _there(store, [row for of_trace in rows for row in of_trace])
    fresh: list[Row] = []
    for (waiting, steps), of_trace in zip(told, rows, strict=True):
        known = {
            key[3]
            for key in there.get((workspace, of_trace[0]["trace_id"]), ())
            if waiting.route.allows(key[2])
        }
        fresh += [row for row in of_trace if row["span_id"] not in known]
        if known:
            _change(store, waiting, {said.raw.span_id: said for said in steps})
    spans = intake.Envelope(workspace, queries.SPANS.name, len(fresh), orjson.dumps(fresh))
    ids = [one.id for waiting in some for one in waiting.envelopes if one.id is not None]
    is_ours = store.inbox.exchange(ids, [spans] if fresh else [])
    return sum(len(waiting.events) for waiting in some) if is_ours else 0


def _steps(waiting: _Waiting) -> list[StepSaid]:
    try:
        return steps_said(waiting.trace_id, waiting.events)
    except Exception:  # they were accepted, so they are kept; each could be read by itself
        logging.getLogger(__name__).warning("Events do not go together", exc_info=True)
        alone = (steps_said(waiting.trace_id, [event]) for event in waiting.events)
        return list({said.raw.span_id: said for one in alone for said in one}.values())


def _row(waiting: _Waiting, said: StepSaid) -> Row:
    row = span_row(waiting.workspace, row_fields(said.raw, waiting.route))
    return row | {"arrived_at": clocks.written(waiting.last_at)}


def _there(store: Store, rows: list[Row]) -> dict[tuple[str, str], list[SpanKey]]:
    """Those of some steps that the lake has, by workspace and trace."""
    if store.lake.is_untouched:
        return {}
    with store.lake.reading(TABLES) as lake:
        before = arrived(rows, lake.rows)
    there: dict[tuple[str, str], list[SpanKey]] = {}
    for key in before.spans:
        there.setdefault(key[:2], []).append(key)
    return there


def _change(store: Store, waiting: _Waiting, said: dict[str, StepSaid]) -> None:
    table = PriceTables(store).of(waiting.workspace)
    trace_id = next(iter(said.values())).raw.trace_id

    def changed(step: Row) -> Row:
        one = said.get(step["span_id"])
        if one is None or not step["raw"] or not waiting.route.allows(step["use_case"]):
            return step
        raw = received_for(step)
        return step if raw is None else row_of(with_said(raw, one), step, table)

    with store.lake.reading(TABLES) as lake:
        asked = [waiting.workspace, trace_id, 1]
        found = [Found(**row) for row in lake.rows(OF_TRACE, asked)]
    try:
        rewrite_found(store, waiting.workspace, found, changed)
    except Unavailable as error:
        if error.code != store.lake.out_of_memory:
            raise
        logging.getLogger(__name__).warning(
            "Trace %s is too large to have steps changed: %s", trace_id, error.message
        )
