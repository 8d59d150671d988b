"""Some traces at a time: all their steps out, others in, in one transaction of the lake."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from lineside.store import Store, text_index
from lineside.traces.arrivals import trace_key
from lineside.traces.marks.queries import delete_marks
from lineside.traces.parts import PartKey, by_part, indexed, whole_name, words_name
from lineside.traces.payloads import Whole, set_apart
from lineside.traces.queries import delete_feedback
from lineside.traces.replies.queries import delete_replies
from lineside.traces.rewriting import queries
from lineside.traces.rollup import PAID_KINDS, call_row, roll_up, words_in

STEPS_PER_BATCH = 5_000
TRACES_PER_BATCH = 1_000

Row = dict[str, Any]


class Found(NamedTuple):
    """A trace in the lake: its id, when its steps began, and how many they are."""

    trace_id: str
    first_at: datetime
    last_at: datetime
    steps: int


def batches(found: Sequence[Found]) -> Iterator[list[Found]]:
    """So many together as fit into memory; a trace is never parted."""
    batch: list[Found] = []
    steps = 0
    for one in found:
        if batch and (steps + one.steps > STEPS_PER_BATCH or len(batch) == TRACES_PER_BATCH):
            yield batch
            batch, steps = [], 0
        batch.append(one)
        steps += one.steps
    if batch:
        yield batch


def rewrite(
    store: Store,
    workspace: str,
    batch: Sequence[Found],
    change: Callable[[Row], Row],
) -> tuple[list[Row], dict[PartKey, list[Row]]]:
    """Replace every step of some traces by what `change` makes of it.

    All or nothing, also when the process is killed; roll-ups are made anew. Gives the steps as they
    were, and as they are by part. What arrives meanwhile waits, because the lake's lock is held.
    """
    trace_ids = [one.trace_id for one in batch]
    first, last = min(one.first_at for one in batch), max(one.last_at for one in batch)
    with store.changing_lake():
        with store.lake.reading(queries.TABLES) as reading:
            steps = reading.rows(queries.STEPS, [workspace, first, last, trace_ids])
        whole = Whole(store.payloads.get)
        before = [_written(whole.row(step)) for step in steps]
        after = by_part(change(step) for step in before)
        keys = [trace_key(trace_id) for trace_id in trace_ids]
        store.lake.change(
            queries.CHANGED_TABLES,
            queries.deletions(workspace, trace_ids, keys, (first, last), queries.STEPS_TABLES),
            {
                queries.STEPS_TABLES[0]: _packed(
                    set_apart(
                        [step for steps in after.values() for step in steps],
                        store.payloads.put_all,
                    )
                ),
                queries.STEPS_TABLES[1]: _packed(
                    [
                        roll_up(steps, use_case=part[2], is_more=False)
                        for part, steps in after.items()
                    ]
                ),
                queries.STEPS_TABLES[2]: _packed(
                    [
                        call_row(step, use_case=part[2])
                        for part, steps in after.items()
                        for step in steps
                        if step["kind"] in PAID_KINDS
                    ]
                ),
            },
        )
        _remove_unnamed(store, before)
    return before, after


class Forgotten(NamedTuple):
    """What went with some traces: opinions people had of them, and what came of them elsewhere.

    Attributes:
        sessions: Those that their steps were of.
    """

    feedback: int
    beside: Counter[str]
    sessions: frozenset[str] = frozenset()


def kept_beside(
    store: Store, workspace: str, trace_ids: Sequence[str], *, only_look: bool
) -> Counter[str]:
    """Erase what rooms keep that came of some traces, or only count it; see `trace_keepers`."""
    return Counter(
        {
            what: keeper(workspace, trace_ids, only_look=only_look)
            for what, keeper in store.trace_keepers.items()
        }
    )


def forget(store: Store, workspace: str, batch: Sequence[Found]) -> Forgotten:
    """Take some traces out of lake, index of words, payloads, feedback, marks and kept replies.

    What rooms keep that came of them goes, too. Words go first: what a killed process leaves is
    found again by the traces it belongs to.
    """
    trace_ids = [one.trace_id for one in batch]
    beside_traces = kept_beside(store, workspace, trace_ids, only_look=False)
    first, last = min(one.first_at for one in batch), max(one.last_at for one in batch)
    with store.records.write() as connection:
        opinions = delete_feedback(connection, workspace, trace_ids)
        delete_marks(connection, workspace, trace_ids)
        delete_replies(connection, workspace, trace_ids)
    with store.changing_lake():
        with store.lake.reading(queries.TABLES) as reading:
            steps = reading.rows(queries.STEPS, [workspace, first, last, trace_ids])
            keys = [trace_key(trace_id) for trace_id in trace_ids]
            beside = reading.rows(queries.EVENTS, [workspace, keys])
        whole = Whole(store.payloads.get)
        before = [_written(whole.row(step)) for step in steps]
        store.texts.remove(list(_with_words_of(before, beside)))
        store.lake.change(
            queries.CHANGED_TABLES,
            queries.deletions(workspace, trace_ids, keys, (first, last), queries.TABLES),
        )
        _remove_unnamed(store, before)
    sessions = frozenset(step["session_id"] for step in steps if step["session_id"])
    return Forgotten(opinions, beside_traces, sessions)


def _with_words_of(before: list[Row], beside: list[Row]) -> Iterator[text_index.Indexed]:
    """All that some traces are found by, with the words of what came beside their steps as well.

    Each name has all words of its trace: what no use case had may be of one by now.
    """
    words: dict[str, list[str]] = {}
    found: dict[str, text_index.Indexed] = {}
    for part, steps in by_part(before).items():
        one = indexed(part, steps)
        words.setdefault(part[1], []).append(one.words)
        whole = one._replace(key=whole_name(one.key))
        found |= {one.key: one, whole.key: whole}
    for row in beside:
        name = words_name(row["trace_id"], row["use_case"])
        words.setdefault(row["trace_id"], []).append(words_in([row["event"]]))
        like = found.get(whole_name(name))
        if like is not None:
            found[name] = like._replace(key=name)
    for name, one in found.items():
        said = dict.fromkeys(" ".join(words[whole_name(name)]).split())
        yield one._replace(words=" ".join(said))


def _remove_unnamed(store: Store, before: list[Row]) -> None:
    """Delete the payloads of steps that were changed, where no step names them any more."""
    left = {digest for step in before for digest in step["blobs"] or ()}
    if not left:
        return
    with store.lake.reading(queries.TABLES) as reading:
        rows = reading.rows(queries.STILL_NAMED, [sorted(left)])
    # What arrives waits for the lock, so that nobody comes to need one of them meanwhile.
    store.payloads.remove(left - {row["digest"] for row in rows})


def _written(step: Row) -> Row:
    """A step as it is written into the lake, from how it is read."""
    return step | {"started_at": step["started_at"].isoformat(timespec="microseconds")}


def _packed(rows: list[Row]) -> list[bytes]:
    return [orjson.dumps(rows[start : start + 500]) for start in range(0, len(rows), 500)]
