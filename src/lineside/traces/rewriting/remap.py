"""Reading history anew with today's mapping, from what was received."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson

from lineside.core import Record, Unavailable, clock
from lineside.store import Store
from lineside.traces import prices
from lineside.traces.mapping import MAPPING_VERSION, RawSpan, fields_of
from lineside.traces.parts import by_part, indexed
from lineside.traces.payloads import is_kept_apart
from lineside.traces.rewriting import queries
from lineside.traces.rewriting.batches import Found, Row, batches, rewrite
from lineside.traces.row import span_row
from lineside.trust import Scope

LEFT_SHOWN_MAX = 20
_FOUND_MAX = 5_000
_ROUNDS_MAX = 1_000_000
_EARLIEST = datetime(1, 1, 1)  # noqa: DTZ001 # the lake keeps UTC without saying so
_NOT_MAPPED = 0
# What people, keys or the door said of a step, not its sender.
_KEPT = ("use_case", "run_id", "case_id", "named", "arrived_at")


class Remapped(Record):
    """What reading history anew came to.

    Attributes:
        traces: Whose steps were looked at.
        changed: Steps that now read otherwise; the others are written as they were.
        traces_left: Traces that take more memory than the lake may, and stay as they were; `left`
            are the ids of the first of them, 20 at most.
    """

    traces: int
    steps: int
    changed: int
    traces_left: int = 0
    left: tuple[str, ...] = ()


def remap(
    scope: Scope,
    *,
    use_case: str | None = None,
    since: datetime | None = None,
    everything: bool = False,
    progress: Callable[[Remapped], None] = lambda _: None,
) -> Remapped:
    """Map steps again that an older mapping has read, and make their roll-ups anew.

    Where one step of a trace is wanted, all of it is written anew, so that roll-ups have all steps.
    Goes through the lake by trace, some thousand steps at a time, each in one transaction: a run
    that was killed is simply run again. Which use case a step belongs to stays. Costs that a price
    table gave are worked out again at today's table; those a sender gave stay.

    Args:
        use_case: Only steps of this one are mapped; the others of their traces stay as they are.
        since: Only traces of which some step began then or later.
        everything: Also what today's mapping has read already.

    Raises:
        Denied: The right `release` is missing.
        Unavailable: The lake cannot be used; what was done by then stands.
    """
    scope.require("release", use_case=use_case)
    store = scope.store
    store.flusher.flush()
    table = prices.price_table(scope)
    version = MAPPING_VERSION if everything else MAPPING_VERSION - 1
    start = clock.in_utc(since).replace(tzinfo=None) if since else _EARLIEST
    done = Remapped(traces=0, steps=0, changed=0)
    last_id = ""
    for _ in range(_ROUNDS_MAX):
        with store.lake.reading(queries.TABLES) as reading:
            asked = [scope.workspace, start, use_case, last_id, version, _FOUND_MAX]
            rows = reading.rows(queries.READ_BEFORE, asked)
        if not rows:
            break
        last_id = rows[-1]["trace_id"]
        for batch in batches([Found(**row) for row in rows]):
            changed, left = _remap_or_leave(scope, batch, table, use_case)
            done = Remapped(
                traces=done.traces + len(batch) - len(left),
                steps=done.steps + sum(one.steps for one in batch if one.trace_id not in left),
                changed=done.changed + changed,
                left=(*done.left, *left)[:LEFT_SHOWN_MAX],
                traces_left=done.traces_left + len(left),
            )
            progress(done)
    return done


def _remap_or_leave(
    scope: Scope, batch: list[Found], table: prices.PriceTable, use_case: str | None
) -> tuple[int, list[str]]:
    """How many steps changed, and the traces left as they were, each too large for the memory."""
    try:
        return _remap_batch(scope, batch, table, use_case), []
    except Unavailable as error:
        if error.code != scope.store.lake.out_of_memory:
            raise
    if len(batch) == 1:
        return 0, [batch[0].trace_id]
    each = [_remap_or_leave(scope, [one], table, use_case) for one in batch]
    return sum(changed for changed, _ in each), [id_ for _, left in each for id_ in left]


def _remap_batch(
    scope: Scope, batch: list[Found], table: prices.PriceTable, use_case: str | None
) -> int:
    changed = 0

    def again(step: Row) -> Row:
        nonlocal changed
        is_meant = use_case in (None, step["use_case"])
        row = _mapped_again(step, table) if is_meant else step
        changed += row != step | {"mapping": row["mapping"]}
        return row

    rewrite_found(scope.store, scope.workspace, batch, again)
    return changed


def rewrite_found(
    store: Store, workspace: str, batch: Sequence[Found], change: Callable[[Row], Row]
) -> None:
    """The same as `rewrite`; words that are new are added to those that a trace is found by."""
    before, after = rewrite(store, workspace, batch, change)
    fresh = [indexed(*one) for one in after.items()]
    known = {
        one.key: set(one.words.split())
        for one in (indexed(*one) for one in by_part(before).items())
    }
    store.texts.add(
        [one for one in fresh if not set(one.words.split()) <= known.get(one.key, set())]
    )


def _mapped_again(step: Row, table: prices.PriceTable) -> Row:
    if step["mapping"] in (None, _NOT_MAPPED) or not step["raw"]:
        return step
    raw = received_for(step)
    if raw is None:
        return step  # more was received than is put back at once
    return row_of(raw, step, table) | {"raw": step["raw"]}


def received_for(step: Row) -> RawSpan | None:
    """What was received for a step in the lake; nothing where some of that is kept apart."""
    received: dict[str, Any] = orjson.loads(step["raw"])
    if step["blobs"] and is_kept_apart(received):
        return None
    return RawSpan(
        trace_id=step["trace_id"],
        span_id=step["span_id"],
        name=step["name"],
        parent_span_id=step["parent_span_id"],
        **received,
    )


def row_of(raw: RawSpan, step: Row, table: prices.PriceTable) -> Row:
    """What takes the place of a step in the lake for which something else counts as received."""
    row = span_row(step["workspace"], fields_of(raw))
    row |= {name: step[name] for name in _KEPT}
    prices.price_row(row, table)
    return row
