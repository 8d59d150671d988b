"""The append-only log of everything decided, provable to people who do not trust its keeper.

Each entry is a leaf of an RFC 6962 Merkle tree; each append ends in a signed head. The bytes that
are hashed are the entry's *canonical payload*: one JSON object in UTF-8, keys sorted by code point
at every depth, no blanks, and only the escapes that JSON requires. Its keys are `actor` (`id`,
`kind`, `name`), `at` (UTC with microseconds, `2026-01-31T09:30:00.000000Z`), `details`, `index`,
`kind`, `subject` and `workspace`. The leaf hash is SHA-256 over a zero byte and that payload. A
payload is kept and exported byte for byte, so that whoever verifies never has to write JSON.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from lineside.core import Actor, Conflict, Invalid, NotFound, Record, now
from lineside.trust.checkpoint import public_key_of, read_checkpoint, sign_checkpoint, verifier_key
from lineside.trust.merkle import EMPTY_ROOT, frontier_root, grown, leaf_hash
from lineside.trust.outbox import emit, sentence_of
from lineside.trust.queries import (
    Connection,
    EntryRow,
    Head,
    find_workspace,
    insert_entry,
    insert_head,
    newest_head,
    select_entries,
)
from lineside.trust.scope import Scope
from lineside.trust.signing import make_signing_key, signing_key

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
PAYLOAD_BYTES_MAX = 64 * 1024
PAGE_ENTRIES_MAX = 1_000


class LedgerEntry(Record):
    """One decision, as it was written down when it was made.

    Attributes:
        index: Place in the ledger, from 0, without gaps.
        at: When it was decided, in UTC.
        workspace: Whose ledger it stands in.
        actor: Who decided.
        kind: What was decided, such as `release.created`, `release.refused` or `key.revoked`.
        subject: Id or name of what it was decided about.
        details: Whatever else the reader needs, as JSON.
        leaf_hash: SHA-256 of the leaf, in hexadecimal.
    """

    index: int
    at: datetime
    workspace: str
    actor: Actor
    kind: str
    subject: str
    details: dict[str, Any]
    leaf_hash: str


def record(
    connection: Connection,
    scope: Scope,
    kind: str,
    subject: str,
    details: Mapping[str, Any],
) -> LedgerEntry:
    """Write a decision into the ledger, in the transaction that makes it true.

    Webhooks that want this kind of entry are told of it, see `outbox`.

    Call it inside `with scope.store.records.write() as connection:`, last of all, so that decision
    and entry land together or not at all; appenders of one workspace wait for each other until the
    transaction ends. The rights of the scope are for the caller to check.

    Args:
        details: JSON values and moments; a number JSON lacks, such as NaN, is written as null.
            Never put a secret here: nothing is ever taken out.

    Raises:
        Invalid: The details are not JSON, or the entry is larger than 64 KiB.
        Conflict: The signing key is missing or another one, or the ledger was changed by hand.
    """
    workspace = find_workspace(connection, scope.workspace, for_append=True)
    if workspace is None:
        raise NotFound("no_workspace", f"There is no workspace `{scope.workspace}`")
    key = workspace["verifier_key"]
    origin = origin_of(scope.workspace)
    private_key = signing_key(scope.store.home, origin=origin, expected=key)
    head = _sound(newest_head(connection, scope.workspace), key)
    payload = _payload(scope, kind, subject, details, index=head.size)
    leaf = leaf_hash(payload)
    frontier = grown(head.frontier, head.size, leaf)
    size = head.size + 1
    checkpoint = sign_checkpoint(private_key, origin, size=size, root=frontier_root(frontier))
    insert_entry(connection, scope.workspace, EntryRow(head.size, kind, subject, payload, leaf))
    insert_head(connection, scope.workspace, Head(size, checkpoint, frontier))
    use_case = details.get("use_case")
    emit(
        connection,
        scope.workspace,
        kind,
        subject=subject,
        sentence=sentence_of(scope.actor.name, kind, subject, details),
        use_case=use_case if isinstance(use_case, str) else None,
        more={"ledger_index": head.size, "actor": scope.actor.name},
    )
    return read_payload(payload)


def ledger_entries(
    scope: Scope,
    *,
    after: int | None = None,
    limit: int = 100,
    subject: str | None = None,
    kind: str | None = None,
    newest_first: bool = False,
) -> list[LedgerEntry]:
    """What was decided, in the order it was decided, or the newest first.

    Args:
        after: Index of the last entry seen; the page goes on behind it, in the order asked for.
        limit: Entries on the page, at most 1,000.
        subject: Only entries about this id or name.
        kind: Only entries of this kind.
    """
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = select_entries(
            connection,
            scope.workspace,
            after=after,
            limit=max(0, min(limit, PAGE_ENTRIES_MAX)),
            subject=subject,
            kind=kind,
            newest_first=newest_first,
        )
    return [read_payload(row.payload) for row in rows]


def begin_ledger(home: Path, workspace: str) -> tuple[str, Head]:
    """Make the key, if need be, and the signed head of a ledger without entries."""
    origin = origin_of(workspace)
    private_key = make_signing_key(home)
    checkpoint = sign_checkpoint(private_key, origin, size=0, root=EMPTY_ROOT)
    return verifier_key(origin, public_key_of(private_key)), Head(0, checkpoint, [])


def origin_of(workspace: str) -> str:
    """Name of a workspace's ledger, under which its heads are signed."""
    return f"lineside.local/{workspace}"


def canonical(value: Any) -> bytes:
    """The one form in which a JSON value is hashed and exported."""
    return orjson.dumps(value, default=_moment_text, option=_CANONICAL)


def read_payload(payload: bytes) -> LedgerEntry:
    """Read an entry back from its canonical payload; its leaf hash is computed from the bytes."""
    fields = orjson.loads(payload)
    return LedgerEntry(**fields, leaf_hash=leaf_hash(payload).hex())


def _moment_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    raise TypeError(f"`{type(value).__name__}` has no form in JSON")


def _payload(
    scope: Scope, kind: str, subject: str, details: Mapping[str, Any], *, index: int
) -> bytes:
    try:
        payload = canonical(
            {
                "actor": scope.actor.model_dump(),
                "at": now(),
                "details": dict(details),
                "index": index,
                "kind": kind,
                "subject": subject,
                "workspace": scope.workspace,
            }
        )
    except TypeError as error:
        raise Invalid(
            "ledger_details_not_json",
            f"The details of `{kind}` on `{subject}` are not JSON: {error}",
            hint="Give text, numbers, booleans, lists and objects with text keys.",
        ) from error
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Invalid(
            "ledger_entry_too_large",
            f"The entry `{kind}` on `{subject}` has {len(payload):,} bytes, "
            f"the limit is {PAYLOAD_BYTES_MAX:,}",
            hint="Keep the long part as a blob and put its digest into the details.",
        )
    return payload


def _sound(head: Head | None, key: str) -> Head:
    """Never sign on top of a head that we did not sign: that would make a forgery ours."""
    if head is None:
        raise _damaged("it has no signed head")
    try:
        signed = read_checkpoint(head.checkpoint, key)
    except Invalid as error:
        raise _damaged(error.message) from error
    if len(head.frontier) != head.size.bit_count():
        raise _damaged("its newest head has lost its tree")
    if (signed.size, signed.root) != (head.size, frontier_root(head.frontier).hex()):
        raise _damaged("its newest head does not fit its tree")
    return head


def _damaged(reason: str) -> Conflict:
    return Conflict(
        "ledger_damaged",
        f"The ledger was changed outside lineside: {reason}",
        hint="Run `lineside ledger verify`; nothing is decided until it holds again.",
    )
