"""Giving steps to the use case of what is above them, where that came later than they did."""

import logging
from itertools import groupby
from operator import itemgetter

from lineside.core import Unavailable
from lineside.store import Store
from lineside.traces.rewriting import queries
from lineside.traces.rewriting.batches import Found, batches, place_anew
from lineside.traces.strays.queries import STRAYS

_FOUND_MAX = 2_000
_ROUNDS_MAX = 10


def place_strays(store: Store) -> int:
    """Make the roll-ups of traces anew of which a step came after others that are below it.

    Upkeep does this. Each round takes 20,000 traces at most and leaves the rest to the next; where
    there is none, it costs a look at an empty table. Gives how many traces that were.
    """
    placed = 0
    for _ in range(_ROUNDS_MAX):
        found = _find(store)
        for workspace, those in groupby(found, key=itemgetter(0)):
            for batch in batches([one for _, one in those]):
                _place(store, workspace, batch)
        placed += len(found)
        if not found:
            break
    return placed


def _find(store: Store) -> list[tuple[str, Found]]:
    if store.lake.is_untouched:
        return []
    with store.lake.reading(queries.STEPS_TABLES) as reading:
        if not reading.has(STRAYS):
            return []
        rows = reading.rows(queries.STRAYS_FOUND, [_FOUND_MAX])
    return [(row.pop("workspace"), Found(**row)) for row in rows]


def _place(store: Store, workspace: str, batch: list[Found]) -> None:
    try:
        place_anew(store, workspace, batch)
    except Unavailable as error:
        if error.code != store.lake.out_of_memory:
            raise
        if len(batch) > 1:
            for one in batch:
                _place(store, workspace, [one])
            return
        # Else all that come after it would wait for ever.
        logging.getLogger(__name__).warning(
            "Trace %s is too large to be put in order: %s", batch[0].trace_id, error.message
        )
        with store.changing_lake():
            store.lake.change(*queries.stray_deletion(workspace, batch[0].trace_id))
