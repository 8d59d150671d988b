"""A rater at work: the next item, the answer to it, and changing one's mind."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from lineside.core import Conflict, Denied, NotFound, Record, now
from lineside.evals.reviews import queries
from lineside.evals.reviews.questions import TIE, ReviewQuestion, check_said
from lineside.evals.reviews.review import RATERS_MAX, Review, load_review, review_from
from lineside.evals.reviews.said import ItemSaid, said_from
from lineside.evals.reviews.texts import text_of
from lineside.trust import Scope

TURN_LASTS = timedelta(minutes=30)
"""How long an item waits for a rater who was shown it before somebody else may have it."""

SECONDS_COUNTED_MAX = 300.0
"""More than this is a pause, and not work on one item."""

_TRIES = 20
Standing = Literal["item", "done", "closed", "budget", "waiting"]


class ReviewTask(Record):
    """What a rater sees of an item: nothing of its release, its judge, or of other raters.

    Attributes:
        questions: What is asked of it.
        outputs: One answer, or two as `A` and `B`, in an order of its own for rater and item.
        text: The one answer as text, in which passages are marked; else empty.
        said: What the rater said of it before, where they come back to it.
    """

    item: int
    questions: tuple[ReviewQuestion, ...]
    input: Any
    outputs: tuple[Any, ...]
    expected: Any = None
    text: str
    said: dict[str, Any] | None = None
    is_answered: bool = False


class RaterTurn(Record):
    """Where a rater stands in a review, with the item to judge now if there is one.

    Attributes:
        standing: `item`; `done` when nothing is left for them; `closed`; `budget` when the
            minutes are spent; `waiting` while others look at all that is left.
        answered: Items they have judged or passed on.
        left: Items that wait for them, at most.
        before: The item they answered last, to go back to.
    """

    review: str
    name: str
    standing: Standing
    task: ReviewTask | None = None
    answered: int
    left: int
    before: int | None = None


class _Table(NamedTuple):
    """A review with what was said of its items, and who looks at which."""

    review: Review
    items: list[ItemSaid]
    turns: list[queries.Row]


def next_turn(scope: Scope, name_or_id: str, *, item: int | None = None) -> RaterTurn:
    """Give the rater an item to judge, the same one again until it is answered.

    Items come in an order of their own for each rater. Those on which raters or the judge differ
    are given to one rater more than the others; known ones to everybody.

    Args:
        item: One that the rater was shown before, to change the answer.

    Raises:
        Denied: The right `review` is missing.
        NotFound: There is no such review, or the rater was never shown that item.
    """
    found = load_review(scope, name_or_id)
    scope.require("review", found.use_case)
    rater, moment = rater_of(scope), now()
    for _ in range(_TRIES):
        with scope.store.records.read() as connection:
            table = _table(connection, found)
        open_items = _open_to(table, rater, moment)
        standing = _standing(table, rater, open_items)
        chosen = _again(table, rater, item) if item is not None else None
        if chosen is None and standing == "item":
            chosen = _first(table, rater, open_items, moment)
        if chosen is None or standing == "closed":
            return _turn(table, rater, standing, open_items)
        task = _begun(scope, found, chosen, moment, is_wanted=item is not None)
        if task is not None:
            return _turn(table, rater, "item", open_items, task)
    return _turn(table, rater, "waiting", open_items)


def seen_task(scope: Scope, name_or_id: str, item: int) -> ReviewTask:
    """An item as the rater was shown it before, while the time runs on.

    Raises:
        Denied: The right `review` is missing.
        NotFound: There is no such review, or the rater was never shown that item.
    """
    found = load_review(scope, name_or_id)
    scope.require("review", found.use_case)
    with scope.store.records.read() as connection:
        chosen = _again(_table(connection, found, item=item), rater_of(scope), item)
        row = queries.item_row(connection, found.id, item)
    return _task(found, row or {}, rater_of(scope), chosen)


def give_answer(scope: Scope, name_or_id: str, item: int, said: Mapping[str, Any] | None) -> None:
    """Keep what a rater says of an item; it is durable once this returns.

    The same answer twice is one answer; another one takes its place, and the first stays in the
    history.

    Args:
        said: Label by question, with sides as `A` and `B`; nothing passes on the item.

    Raises:
        Denied: The right `review` is missing.
        NotFound: The rater was never shown such an item.
        Conflict: The review was closed.
        Invalid: An answer does not fit its question, or one is missing.
    """
    found = load_review(scope, name_or_id)
    scope.require("review", found.use_case)
    rater, moment = rater_of(scope), now()
    with scope.store.records.write() as connection:
        table = _held(connection, scope, found, item)
        if table.review.closed_at is not None:
            raise Conflict(
                "review_closed",
                f"Review `{found.name}` is closed, so that this answer was not kept",
                hint="Ask whoever opened it to open another one.",
            )
        before = _again(table, rater, item).by_rater.get(rater)
        row = queries.item_row(connection, found.id, item)
        kept = _kept(found, row or {}, rater, said)
        if before is not None and before.said == kept:
            return
        opened_at = next(turn["opened_at"] for turn in table.turns if turn["rater"] == rater)
        seconds = (moment - opened_at).total_seconds()
        if before is not None and before.answered_at > opened_at:
            seconds = 0.0
        answer = {
            "review_id": found.id,
            "item": item,
            "rater": rater,
            "revision": 1 if before is None else before.revision + 1,
            "said": kept,
            "seconds": min(max(seconds, 0.0), SECONDS_COUNTED_MAX),
            "answered_at": moment,
        }
        queries.insert_answer(connection, answer)


def rater_of(scope: Scope) -> str:
    """Who rates, by an id that stays when a name changes.

    Raises:
        Denied: It is neither a person nor a key.
    """
    if scope.actor.kind == "system":
        raise Denied("no_rater", "Only people and the keys they were given rate answers")
    return f"{scope.actor.kind}:{scope.actor.id}"


def _table(connection: Any, review: Review, *, item: int | None = None) -> _Table:
    """A review with all of its items, or with one."""
    items = queries.item_rows(connection, review.id, item=item)
    answers = queries.answer_rows(connection, review.id, item=item)
    turns = queries.turn_rows(connection, review.id, item=item)
    return _Table(review, said_from(items, answers), turns)


def _held(connection: Any, scope: Scope, found: Review, item: int) -> _Table:
    """The same with one item, as it stands while nobody else may change it."""
    row = queries.review_row(connection, scope.workspace, found.id, for_change=True)
    if row is None:
        raise AssertionError(f"review {found.id!r} is gone")
    return _table(connection, review_from(row), item=item)


def _begun(
    scope: Scope, found: Review, chosen: ItemSaid, moment: datetime, *, is_wanted: bool
) -> ReviewTask | None:
    """Note that the rater looks at an item from now on; nothing when others took it meanwhile."""
    rater = rater_of(scope)
    with scope.store.records.write() as connection:
        table = _held(connection, scope, found, chosen.item)
        one = table.items[0]
        if table.review.closed_at is not None:
            return None
        if not is_wanted and one not in _open_to(table, rater, moment):
            return None
        _note_turn(connection, table, one, scope, moment)
        row = queries.item_row(connection, found.id, chosen.item)
    return _task(found, row or {}, rater, one)


def _turn(
    table: _Table,
    rater: str,
    standing: Standing,
    open_items: Sequence[ItemSaid],
    task: ReviewTask | None = None,
) -> RaterTurn:
    mine = [one for one in table.items if rater in one.by_rater]
    last = max(mine, key=lambda one: one.by_rater[rater].answered_at, default=None)
    return RaterTurn(
        review=table.review.id,
        name=table.review.name,
        standing=standing,
        task=task,
        answered=len(mine),
        left=len(open_items),
        before=last.item if last else None,
    )


def _open_to(table: _Table, rater: str, moment: datetime) -> list[ItemSaid]:
    """Items that the rater has not answered and that want one rater more."""
    looking = _looking(table, rater, moment)
    return [one for one in _wanting(table, rater) if looking[one.item] < _missing(table, one)]


def _wanting(table: _Table, rater: str) -> list[ItemSaid]:
    return [
        one
        for one in table.items
        if rater not in one.by_rater and one.settled is None and _missing(table, one) > 0
    ]


def _missing(table: _Table, one: ItemSaid) -> int:
    """How many raters an item still wants."""
    if one.known is not None:
        return RATERS_MAX
    wanted = table.review.raters_per_item + one.is_disputed(table.review.questions)
    return wanted - len(one.answered)


def _looking(table: _Table, rater: str, moment: datetime) -> Counter[int]:
    """How many others are at each item now."""
    answered = {(one.item, who) for one in table.items for who in one.by_rater}
    return Counter(
        turn["item"]
        for turn in table.turns
        if turn["rater"] != rater
        and moment - turn["opened_at"] < TURN_LASTS
        and (turn["item"], turn["rater"]) not in answered
    )


def _standing(table: _Table, rater: str, open_items: Sequence[ItemSaid]) -> Standing:
    if table.review.closed_at is not None:
        return "closed"
    spent = sum(one.seconds for each in table.items for one in each.by_rater.values())
    if table.review.minutes_max is not None and spent >= 60 * table.review.minutes_max:
        return "budget"
    if open_items:
        return "item"
    return "waiting" if _wanting(table, rater) else "done"


def _first(table: _Table, rater: str, open_items: Sequence[ItemSaid], moment: datetime) -> ItemSaid:
    """The item shown last and not answered, else the first in the rater's own order."""
    shown = {
        turn["item"]: turn["opened_at"]
        for turn in table.turns
        if turn["rater"] == rater and moment - turn["opened_at"] < TURN_LASTS
    }
    held = [one for one in open_items if one.item in shown]
    if held:
        return max(held, key=lambda one: shown[one.item])
    return min(open_items, key=lambda one: _place(table, rater, one))


def _place(table: _Table, rater: str, one: ItemSaid) -> tuple[bool, bool, int]:
    """Differing items first, then those that others began, so that what is spent tells most."""
    chance = _drawn(table.review, rater, one.item, "order")
    # A known item must not stand out by its place, so that it falls where chance puts it.
    is_begun = bool(one.answered) if one.known is None else chance % 2 == 0
    return not one.is_disputed(table.review.questions), not is_begun, chance


def _again(table: _Table, rater: str, item: int) -> ItemSaid:
    for one in table.items:
        if one.item == item and any(
            (turn["item"], turn["rater"]) == (item, rater) for turn in table.turns
        ):
            return one
    raise NotFound(
        "no_item",
        f"Review `{table.review.name}` has shown you no item {item}",
        hint="Ask for the next one.",
    )


def _task(review: Review, row: Mapping[str, Any], rater: str, chosen: ItemSaid) -> ReviewTask:
    shown = row["shown"]
    outputs: tuple[Any, ...] = (shown["output"],)
    if review.is_pairwise:
        outputs = (shown["output"], shown.get("other"))
        if _is_swapped(review, rater, chosen.item):
            outputs = outputs[::-1]
    before = chosen.by_rater.get(rater)
    said = None if before is None or before.said is None else dict(before.said)
    if said is not None:
        said = _turned(review, rater, chosen.item, said, {"first": "A", "second": "B"})
    return ReviewTask(
        item=chosen.item,
        questions=review.questions,
        input=shown["input"],
        outputs=outputs,
        expected=shown.get("expected"),
        text="" if review.is_pairwise else text_of(shown["output"]),
        said=said,
        is_answered=before is not None,
    )


def _kept(
    review: Review, row: Mapping[str, Any], rater: str, said: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if said is None:
        return None
    meant = _turned(review, rater, row["item"], said, {"A": "first", "B": "second"})
    return check_said(review.questions, meant, text=text_of(row["shown"]["output"]))


def _turned(
    review: Review, rater: str, item: int, said: Mapping[str, Any], words: Mapping[str, str]
) -> dict[str, Any]:
    """Answers about sides, from the words of the rater's page to those that are kept or back."""
    if _is_swapped(review, rater, item):
        words = dict(zip(words, reversed(list(words.values())), strict=True))
    pairwise = {question.name for question in review.questions if question.kind == "pairwise"}
    return {
        name: words.get(value, value if value == TIE else None)
        if name in pairwise and isinstance(value, str)
        else value
        for name, value in said.items()
    }


def _is_swapped(review: Review, rater: str, item: int) -> bool:
    return review.is_pairwise and _drawn(review, rater, item, "sides") % 2 == 1


def _drawn(review: Review, rater: str, item: int, what: str) -> int:
    """A number by chance that is the same whenever it is asked for."""
    text = f"{review.seed} {rater} {item} {what}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _note_turn(
    connection: Any, table: _Table, chosen: ItemSaid, scope: Scope, moment: datetime
) -> None:
    """Begin to count the time, unless the rater has the item before them already."""
    rater = rater_of(scope)
    before = chosen.by_rater.get(rater)
    for turn in table.turns:
        is_same = (turn["item"], turn["rater"]) == (chosen.item, rater)
        is_begun = before is None or before.answered_at < turn["opened_at"]
        if is_same and is_begun and moment - turn["opened_at"] < TURN_LASTS:
            return
    queries.open_turn(
        connection,
        {
            "review_id": table.review.id,
            "item": chosen.item,
            "rater": rater,
            "rater_name": scope.actor.name,
            "opened_at": moment,
        },
    )
