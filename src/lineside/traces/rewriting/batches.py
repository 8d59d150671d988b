"""Some traces at a time: all their steps out, others in, in one transaction of the lake."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from lineside.store import LakeTable, Reading, Store, text_index
from lineside.traces import clocks
from lineside.traces.arrivals import trace_key
from lineside.traces.marks.queries import delete_marks
from lineside.traces.parts import PartKey, by_part, indexed, whole_name, words_name
from lineside.traces.payloads import Whole, set_apart
from lineside.traces.queries import delete_feedback
from lineside.traces.replies.queries import delete_replies
from lineside.traces.rewriting import queries
from lineside.traces.rollup import PAID_KINDS, call_row, roll_up, words_in
from lineside.traces.sums import taken_out

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
    More than can be put back whole at once is done in two halves.
    """
    trace_ids, keys, bounds = _places(batch)
    with store.changing_lake():
        with store.lake.reading(queries.TABLES) as reading:
            before = _whole_steps(store, reading, workspace, batch)
        if before is not None:
            after = by_part(change(step) for step in before)
            steps = [step for steps in after.values() for step in steps]
            packed = _packed(set_apart(steps, store.payloads.put_all))
            store.lake.change(
                queries.CHANGED_TABLES,
                queries.deletions(workspace, trace_ids, keys, bounds, queries.STEPS_TABLES),
                {queries.STEPS_TABLES[0]: packed, **_rolled_up(after)},
            )
            _remove_unnamed(store, before)
            return before, after
    first, second = (rewrite(store, workspace, half, change) for half in _halves(batch))
    return first[0] + second[0], first[1] | second[1]


def place_anew(store: Store, workspace: str, batch: Sequence[Found]) -> None:
    """Make the roll-ups of some traces anew, by whose each of their steps is now.

    The steps stay as they are; what stood in sums is taken out of them.
    """
    _, keys, _ = _places(batch)
    with store.changing_lake():
        with store.lake.reading(queries.CHANGED_TABLES) as reading:
            steps = _whole_steps(store, reading, workspace, batch)
            unsummed = taken_out(reading, workspace, keys)
        if steps is not None:
            store.lake.change(
                queries.CHANGED_TABLES,
                [*unsummed, *queries.rolled_up_deletions(workspace, keys)],
                _rolled_up(by_part(steps)),
            )
            return
    for half in _halves(batch):
        place_anew(store, workspace, half)


def _places(batch: Sequence[Found]) -> tuple[list[str], list[int], tuple[datetime, datetime]]:
    """Ids and keys of some traces, and between which moments their steps began."""
    trace_ids = [one.trace_id for one in batch]
    bounds = min(one.first_at for one in batch), max(one.last_at for one in batch)
    return trace_ids, [trace_key(trace_id) for trace_id in trace_ids], bounds


def _whole_steps(
    store: Store, reading: Reading, workspace: str, batch: Sequence[Found]
) -> list[Row] | None:
    """All steps with what was kept apart of them; nothing where that is too much at once."""
    trace_ids, _, bounds = _places(batch)
    whole = Whole(store.payloads.get)
    rows = reading.rows(queries.STEPS, [workspace, *bounds, trace_ids])
    steps = [_written(whole.row(step)) for step in rows]
    return None if whole.is_used_up and len(batch) > 1 else steps


def _halves(batch: Sequence[Found]) -> tuple[Sequence[Found], Sequence[Found]]:
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


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
    trace_ids, keys, bounds = _places(batch)
    sessions: frozenset[str] = frozenset()
    beside_traces = kept_beside(store, workspace, trace_ids, only_look=False)
    with store.records.write() as connection:
        opinions = delete_feedback(connection, workspace, trace_ids)
        delete_marks(connection, workspace, trace_ids)
        delete_replies(connection, workspace, trace_ids)
    with store.changing_lake():
        with store.lake.reading(queries.TABLES) as reading:
            before = _whole_steps(store, reading, workspace, batch)
            beside = reading.rows(queries.EVENTS, [workspace, keys])
        if before is not None:
            store.texts.remove(list(with_words_of(before, beside)))
            store.lake.change(
                queries.CHANGED_TABLES,
                queries.deletions(workspace, trace_ids, keys, bounds, queries.TABLES),
            )
            _remove_unnamed(store, before)
            sessions = frozenset(step["session_id"] for step in before if step["session_id"])
            return Forgotten(opinions, beside_traces, sessions)
    for half in _halves(batch):
        gone = forget(store, workspace, half)
        opinions += gone.feedback
        beside_traces += gone.beside
        sessions |= gone.sessions
    return Forgotten(opinions, beside_traces, sessions)


def with_words_of(before: list[Row], beside: list[Row]) -> Iterator[text_index.Indexed]:
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
    came = step["arrived_at"]
    return step | {
        "started_at": clocks.written(step["started_at"]),
        "arrived_at": came and clocks.written(came),
    }


def _rolled_up(parts: dict[PartKey, list[Row]]) -> dict[LakeTable, list[bytes]]:
    """What is made of the steps of traces, from those of each part."""
    return {
        queries.STEPS_TABLES[1]: _packed(
            [roll_up(steps, use_case=part[2], is_more=False) for part, steps in parts.items()]
        ),
        queries.STEPS_TABLES[2]: _packed(
            [
                call_row(step, use_case=part[2])
                for part, steps in parts.items()
                for step in steps
                if step["kind"] in PAID_KINDS
            ]
        ),
    }


def _packed(rows: list[Row]) -> list[bytes]:
    return [orjson.dumps(rows[start : start + 500]) for start in range(0, len(rows), 500)]
