"""Keeping a response with what it was asked, finding it again, and going on from it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import Any

import orjson

from lineside.core import Invalid, now
from lineside.gateway.stored import queries
from lineside.gateway.stored.masking import masked
from lineside.store import Store

LINKS_MAX = 1_000
"""Responses that may follow each other in one conversation."""

_ID = re.compile(r"resp_[0-9a-f]{48}")
_KEPT_LONGER_BY = timedelta(hours=12)
_ROWS_MAX = 1_000
_ROUNDS_MAX = 1_000

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class StoredResponse:
    """One response that is kept.

    Attributes:
        previous_id: The response it went on from.
        trace_id: Of its call: what takes the trace away takes it, too.
        key: Id of the API key it was asked with, or `owner`.
        use_case: Nothing where a plain model answered.
        items: What was asked anew, as items of the wire.
        answer: The response, in the words of the wire.
    """

    workspace: str
    id: str
    previous_id: str | None
    trace_id: str
    key: str
    use_case: str | None
    items: Items = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> Items:
        """What it adds to a conversation: what was asked anew, and what was answered."""
        return [*self.items, *self.answer.get("output", [])]

    def as_sent(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item as a provider gets it: to none does an id say anything that was made here."""
        is_ours = self.id in str(item.get("id", ""))
        return {name: value for name, value in item.items() if name != "id" or not is_ours}


@dataclass(frozen=True)
class Chain:
    """A conversation up to some response: what it rests on, the oldest first.

    Attributes:
        is_whole: Nothing of it is gone.
        expiring: Ids of those that would go sooner than what is added now.
    """

    responses: tuple[StoredResponse, ...]
    is_whole: bool
    expiring: tuple[str, ...] = ()

    @property
    def items(self) -> Items:
        """All of it, as items of the wire."""
        return [one.as_sent(item) for one in self.responses for item in one.said]


def new_response_id() -> str:
    """An id that nobody guesses."""
    return f"resp_{token_hex(24)}"


def keep_response(store: Store, response: StoredResponse, *, expiring: Sequence[str] = ()) -> bool:
    """Keep a response for as long as the settings say; false where it cannot be.

    So it is where it is too large, or where a rule of masking leaves nothing that could be read.

    Args:
        expiring: Those before it that are to stay as long as it does.

    Raises:
        Unavailable: The database does not answer.
    """
    settings = store.settings
    words = {"input": response.items, "answer": response.answer}
    kept = masked(store, response.workspace, words)
    if kept is None:
        return False
    written = {name: orjson.dumps(value) for name, value in kept.items()}
    size = sum(map(len, written.values()))
    if size > settings.response_bytes_max:
        return False
    expires_at = now() + timedelta(days=settings.response_days)
    values = {
        name: getattr(response, name)
        for name in ("workspace", "id", "previous_id", "trace_id", "key", "use_case")
    }
    with store.records.write() as connection:
        queries.keep_longer(connection, response.workspace, expiring, expires_at=expires_at)
        queries.insert_response(
            connection, {**values, **written, "bytes": size, "expires_at": expires_at}
        )
    return True


def find_response(store: Store, workspace: str, response_id: str) -> StoredResponse | None:
    """One that is kept still."""
    if not _ID.fullmatch(response_id):
        return None
    with store.records.read() as connection:
        row = queries.select_response(connection, workspace, response_id, at=now())
    return None if row is None else _response(row, (bytes(row.input), bytes(row.answer)))


def find_chain(store: Store, workspace: str, response_id: str) -> Chain | None:
    """The conversation that ends with a response; nothing where that one is not kept.

    Raises:
        Invalid: It is longer than a request may be.
    """
    if not _ID.fullmatch(response_id):
        return None
    at, settings = now(), store.settings
    with store.records.read() as connection:
        rows = queries.select_chain(connection, workspace, response_id, at=at, links_max=LINKS_MAX)
        if not rows:
            return None
        size = sum(row.bytes for row in rows)
        if size > settings.model_bytes_max or len(rows) == LINKS_MAX:
            raise Invalid(
                "conversation_too_long",
                f"The conversation up to `{response_id}` has {len(rows):,} responses and "
                f"{size:,} bytes; {LINKS_MAX - 1:,} and {settings.model_bytes_max:,} are taken",
                hint="Begin anew with what matters of it as `input`.",
            )
        words = queries.select_words(connection, workspace, [row.id for row in rows])
    found = [_response(row, words[row.id]) for row in rows if row.id in words]
    stays_until = at + timedelta(days=settings.response_days)
    return Chain(
        responses=tuple(reversed(found)),
        is_whole=rows[-1].previous_id is None and len(found) == len(rows),
        expiring=tuple(row.id for row in rows if row.expires_at < stays_until - _KEPT_LONGER_BY),
    )


def delete_response(store: Store, workspace: str, response_id: str) -> None:
    """Delete one for good; what went on from it cannot be gone on from any more."""
    with store.records.write() as connection:
        queries.delete_response(connection, workspace, response_id)


def keep_in_order(store: Store) -> None:
    """Let stored responses go with their traces, and with upkeep when they are over.

    Called once by every process that erases, or keeps the lake in order.
    """
    store.trace_keepers["stored responses"] = partial(_forget_of, store)
    store.upkeep.add(partial(forget_expired, store))


def forget_expired(store: Store) -> int:
    """Delete what has been kept for long enough, or is too much; gives how many that were.

    At most 1,000 at a time, so that nobody waits for it.
    """
    return _forget_over(store) + _forget_crowded(store)


def _forget_crowded(store: Store) -> int:
    with store.records.read() as connection:
        crowded = queries.select_crowded(connection, rows_max=store.settings.responses_max)
    gone = 0
    for workspace, too_many in crowded:
        for left in range(min(too_many, _ROWS_MAX * _ROUNDS_MAX), 0, -_ROWS_MAX):
            with store.records.write() as connection:
                some = min(left, _ROWS_MAX)
                gone += queries.delete_next(connection, workspace, rows_max=some)
    return gone


def _forget_over(store: Store) -> int:
    at = now()
    return store.records.delete_in_rounds(
        is_any=partial(queries.is_any_over, at=at),
        delete_some=partial(queries.delete_over, at=at, rows_max=_ROWS_MAX),
    )


def _forget_of(store: Store, workspace: str, trace_ids: Sequence[str], *, only_look: bool) -> int:
    with store.records.read() as connection:
        count = queries.count_of_traces(connection, workspace, trace_ids)
    if only_look or not count:
        return count
    with store.records.write() as connection:
        return queries.delete_of_traces(connection, workspace, trace_ids)


def _response(row: Any, words: tuple[bytes, bytes]) -> StoredResponse:
    items, answer = map(orjson.loads, words)
    names = ("workspace", "id", "previous_id", "trace_id", "key", "use_case")
    values = {name: getattr(row, name) for name in names if hasattr(row, name)}
    return StoredResponse(**values, items=items, answer=answer)
