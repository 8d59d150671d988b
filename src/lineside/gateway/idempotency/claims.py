"""Claiming a key before a call, and keeping the call's answer under it.

A key is a row: whoever writes it first makes the call, on whichever server. What stands there is
digests alone; the answer lies beside the call's trace, and goes with it when that is erased.
"""

import asyncio
import contextlib
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from lineside.core import Conflict, Invalid, Unavailable
from lineside.gateway.budgets.queries import moment
from lineside.gateway.idempotency import queries
from lineside.store import Store
from lineside.traces import replies

LEASE_S = 30.0
"""How long a claim lives without a sign of life from the process that made it."""

KEY_CHARACTERS_MAX = 255
_AGAIN = "Send it again in some seconds with the same key: you then get the answer of the first."


@dataclass(frozen=True)
class KeyedCall:
    """A call that is to count once.

    Attributes:
        caller: Id of the API key it is made with, or `owner`.
        key_digest: Of the key that the caller gave.
        request_digest: Of all that is asked.
    """

    workspace: str
    caller: str
    key_digest: str
    request_digest: str


def keyed_call(header: str, workspace: str, caller: str, asked: Any) -> KeyedCall:
    """A call by the key in its header, plain or in quotes as the IETF's draft writes it.

    Args:
        asked: What makes it this call and no other; the order of fields does not count.

    Raises:
        Invalid: That cannot be a key.
    """
    is_quoted = len(header) > 1 and header[0] == header[-1] == '"'
    key = header[1:-1] if is_quoted else header
    if not (0 < len(key) <= KEY_CHARACTERS_MAX and key.isascii() and key.isprintable()):
        raise Invalid(
            "bad_idempotency_key",
            f"The header Idempotency-Key has {len(key):,} characters: `{key[:40]}`",
            hint=f"Send 1 to {KEY_CHARACTERS_MAX} printable ASCII characters, best a new UUID "
            "for each call.",
        )
    said = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    return KeyedCall(
        workspace,
        caller,
        hashlib.sha256(key.encode()).hexdigest(),
        hashlib.sha256(said).hexdigest(),
    )


async def begin(
    store: Store, call: KeyedCall, *, seconds: int
) -> "IdempotencyClaim | replies.Reply":
    """Claim the key for a call that is to be made now, or give the answer it had.

    Args:
        seconds: How long the answer is then kept.

    Raises:
        Invalid: The key was given for another request, or no keys are taken.
        Conflict: The first call is under way, or its answer is not there to be given again.
        Unavailable: The database does not answer, so that nobody can say; nothing was asked.
    """
    if seconds <= 0:
        raise Invalid(
            "no_idempotency_keys",
            "This server takes no Idempotency-Key; nothing was asked",
            hint="Leave the header out, or set LINESIDE_IDEMPOTENCY_SECONDS above 0.",
        )
    claim = IdempotencyClaim(store, call, timedelta(seconds=seconds))
    return await asyncio.to_thread(_begin, store, claim)


class IdempotencyClaim:
    """A key held for one call: until its answer is kept, or it is given back."""

    def __init__(self, store: Store, call: KeyedCall, kept_for: timedelta) -> None:
        self._store, self._kept_for = store, kept_for
        self.call = call
        self.id = secrets.token_hex(16)

    @property
    def values(self) -> dict[str, str]:
        """The row's columns that are known from the beginning."""
        return {**vars(self.call), "claim": self.id}

    async def hold(self) -> None:
        """Hold the key for as long as the call takes; ends when it is cancelled."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            with contextlib.suppress(Unavailable):  # tried again before the lease is over
                await asyncio.to_thread(self._hold)

    async def keep(self, reply: replies.Reply | None, *, trace_id: str) -> None:
        """Keep the answer; nothing where it is too long, so that it cannot be given again."""
        await asyncio.to_thread(self._keep, reply, trace_id)

    async def free(self) -> None:
        """Give the key back: the next call with it is made anew."""
        await asyncio.to_thread(self._free)

    def _hold(self) -> None:
        with self._store.records.write() as connection:
            until = moment(connection) + timedelta(seconds=LEASE_S)
            queries.hold_key(connection, self.values, until=until)

    def _keep(self, reply: replies.Reply | None, trace_id: str) -> None:
        with self._store.records.write() as connection:
            expires_at = moment(connection) + self._kept_for
            is_ours = queries.answer_key(connection, self.values, expires_at=expires_at)
            if is_ours and reply is not None:
                replies.keep_reply(
                    connection,
                    self.call.workspace,
                    reply,
                    reply_id=self.id,
                    trace_id=trace_id,
                    expires_at=expires_at,
                )

    def _free(self) -> None:
        with self._store.records.write() as connection:
            queries.free_key(connection, self.values)


def _begin(store: Store, claim: IdempotencyClaim) -> IdempotencyClaim | replies.Reply:
    call = claim.call
    with store.records.write() as connection:
        at = moment(connection)
        until = at + timedelta(seconds=LEASE_S)
        row = {"claimed_until": until, "expires_at": until}
        found = queries.take_key(connection, {**claim.values, **row}, at=at)
        if found.claim == claim.id:
            queries.delete_over(connection, at=at, but=claim.id)
            return claim
        reply = None
        if found.claimed_until is None:
            reply = replies.find_reply(connection, call.workspace, found.claim)
    if found.request_digest != call.request_digest:
        raise Invalid(
            "idempotency_key_reused",
            "The header Idempotency-Key was sent before with another request",
            hint="Send a new key for a new request; for the old one send exactly what you sent.",
        )
    if found.claimed_until is not None:
        raise Conflict(
            "idempotency_key_in_use",
            "The first call with this Idempotency-Key is still under way; nothing was asked again",
            hint=_AGAIN,
        )
    if reply is None:
        raise Conflict(
            "idempotent_answer_gone",
            "The call with this Idempotency-Key was answered, but the answer is not kept: it was "
            f"longer than {replies.REPLY_BYTES_MAX // 2**20} MiB, or its trace was erased since",
            hint="Nothing was asked again. Send a new key to ask once more, and to pay for it.",
        )
    return reply
