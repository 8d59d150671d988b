"""Taking the traces of a use case back to the unclaimed shelf."""

from collections.abc import Sequence
from typing import Any

from lineside.store import text_index
from lineside.traces.arrivals import trace_key
from lineside.traces.marks.queries import disown_marks
from lineside.traces.parts import PartKey, indexed, words_name
from lineside.traces.rewriting import queries
from lineside.traces.rewriting.batches import Found, Row, batches, rewrite, with_words_of
from lineside.traces.rollup import words_in
from lineside.trust import Scope

_FOUND_MAX = 5_000
_ROUNDS_MAX = 1_000_000


def traces_of(scope: Scope, use_case: str) -> int:
    """How many traces have steps of a use case, those that still wait for the lake among them.

    Raises:
        Unavailable: The lake cannot be used.
    """
    store = scope.store
    store.flusher.flush()
    if store.lake.is_untouched:
        return 0
    with store.lake.reading(queries.TABLES) as reading:
        (counted,) = reading.rows(queries.COUNT_OF_USE_CASE, [scope.workspace, use_case])
    return int(counted["traces"])


def disown(scope: Scope, use_case: str) -> int:
    """Let steps of a use case be of none, with their words, scores and marks; gives their traces.

    Some thousand steps at a time, each in one transaction: what was killed is simply done again.

    Raises:
        Denied: The right `claim` is missing, or reaches some use cases only.
        Unavailable: The lake cannot be used; what was done by then stands.
    """
    scope.require("claim")
    store = scope.store
    store.flusher.flush()
    moved = 0
    if store.lake.is_untouched:
        return moved
    for _ in range(_ROUNDS_MAX):
        with store.lake.reading(queries.TABLES) as reading:
            rows = reading.rows(queries.OF_USE_CASE, [scope.workspace, use_case, _FOUND_MAX])
        if not rows:
            break
        for batch in batches([Found(**row) for row in rows]):
            _disown_batch(scope, batch, use_case)
        moved += len(rows)
    with store.changing_lake():
        asked = [scope.workspace, use_case]
        store.lake.change(queries.TABLES, [(sql, asked) for sql in queries.DISOWN_BESIDE])
    with store.records.write() as connection:
        disown_marks(connection, scope.workspace, use_case)
    return moved


def _disown_batch(scope: Scope, batch: Sequence[Found], use_case: str) -> None:
    store = scope.store

    def freed(step: Row) -> Row:
        return step | {"use_case": None} if step["use_case"] == use_case else step

    before, after = rewrite(store, scope.workspace, batch, freed)
    keys = [trace_key(one.trace_id) for one in batch]
    with store.lake.reading(queries.TABLES) as reading:
        beside = reading.rows(queries.EVENTS, [scope.workspace, keys])
    store.texts.remove(list(with_words_of(before, beside)))
    store.texts.add(_words(after, beside, use_case))


def _words(
    after: dict[PartKey, list[Row]], beside: list[dict[str, Any]], use_case: str
) -> list[text_index.Indexed]:
    """What traces are found by from now on."""
    found = [indexed(*one) for one in after.items()]
    like = {part[1]: one for part, one in zip(after, found, strict=True)}
    for row in beside:
        name = words_name(row["trace_id"], None if row["use_case"] == use_case else row["use_case"])
        one = like.get(row["trace_id"])
        if one is not None:
            found.append(one._replace(key=name, words=words_in([row["event"]])))
    return found
