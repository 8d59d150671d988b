"""The ledger as a file that anybody can verify, and the verifying.

An export is JSON Lines in UTF-8, each line in canonical form (see `ledger`), each ended by one line
feed: a header (`format`, `origin`, `verifier_key`, `entries`), the checkpoint of the empty ledger,
then for each entry its canonical payload, which is the very bytes that were hashed, and the
checkpoint signed when it was appended (`{"checkpoint": text}`). The last line is the newest
checkpoint.

What a file cannot prove alone is that it is whole and by the right key: whoever holds the private
key can cut the end off or write another ledger. A checkpoint kept elsewhere shows both.
"""

from collections.abc import Iterable, Iterator

from lineside.core import NotFound
from lineside.trust.checkpoint import public_key_of, verifier_key
from lineside.trust.ledger import canonical, origin_of
from lineside.trust.proofs import LedgerFault, Verification
from lineside.trust.queries import (
    EntryRow,
    Head,
    find_workspace,
    head_at,
    newest_head,
    select_entries,
)
from lineside.trust.scope import Scope
from lineside.trust.signing import key_file, make_signing_key
from lineside.trust.verifier import FORMAT, Broken, Verifier, read_line

_PAGE_ENTRIES = 500


def export_ledger(scope: Scope) -> Iterator[str]:
    """The whole ledger as lines to write to a file, in UTF-8, each with its line feed.

    Entries appended meanwhile are left out. What is damaged is exported as it is.
    """
    scope.require("read")
    return _export_lines(scope)


def verify_export(
    lines: Iterable[bytes | str],
    *,
    expected_checkpoint: str | None = None,
    known_key: str | None = None,
) -> Verification:
    """Say whether an exported ledger holds, or name the first place where it does not.

    Needs nothing but the lines. Signatures, leaf hashes, the root at every entry and gapless
    indexes are checked, so that one changed byte anywhere is found.

    Args:
        lines: The file's lines; open the file in binary mode, so that no byte is lost on the way.
        expected_checkpoint: A checkpoint that was kept elsewhere; the export must contain all it
            signed, or entries were rewritten or cut off at the end.
        known_key: The verifier key as you know it; without it the one in the header is believed.
    """
    verifier = Verifier(key=known_key, expected=expected_checkpoint)
    try:
        for number, line in enumerate(lines, start=1):
            _take_line(verifier, number, _as_bytes(line))
        verifier.finish()
    except Broken as broken:
        return verifier.outcome(broken.fault)
    return verifier.outcome(None)


def verify_ledger(scope: Scope, *, expected_checkpoint: str | None = None) -> Verification:
    """Say whether the ledger in the database holds, or name the first entry that does not.

    Checks what `verify_export` checks, and besides that the columns searched by agree with the
    entries and that the key in the records is that of the state folder, if one is there.
    """
    scope.require("read")
    key, start, head = _opening(scope)
    origin = origin_of(scope.workspace)
    known_key = None
    if key_file(scope.store.home).exists():
        private_key = make_signing_key(scope.store.home)
        known_key = verifier_key(origin, public_key_of(private_key))
    verifier = Verifier(key=known_key, expected=expected_checkpoint)
    try:
        verifier.take_header(_header(origin, key, head.size), line=None)
        verifier.take_checkpoint(start.checkpoint if start else None, line=None)
        for row in _rows(scope, size=head.size):
            entry = verifier.take_entry(row.payload, line=None)
            verifier.take_checkpoint(row.checkpoint, line=None)
            searched = (row.position, row.kind, row.subject, row.leaf_hash.hex())
            if searched != (entry.index, entry.kind, entry.subject, entry.leaf_hash):
                what = "the columns it is searched by differ from its content"
                raise _bad_entry(entry.index, entry.kind, what)
        verifier.finish()
        _refuse_unsigned(scope)
        if verifier.frontier != head.frontier:
            what = "the newest head keeps another tree than that of the entries"
            fault = LedgerFault(part="checkpoint", line=None, index=None, kind=None, what=what)
            raise Broken(fault)
    except Broken as broken:
        return verifier.outcome(broken.fault)
    return verifier.outcome(None)


def _export_lines(scope: Scope) -> Iterator[str]:
    key, start, head = _opening(scope)
    yield _line(_header(origin_of(scope.workspace), key, head.size))
    if start is not None:
        yield _line({"checkpoint": start.checkpoint})
    for row in _rows(scope, size=head.size):
        yield row.payload.decode() + "\n"
        if row.checkpoint is not None:
            yield _line({"checkpoint": row.checkpoint})


def _opening(scope: Scope) -> tuple[str, Head | None, Head]:
    """Verifier key, head of the empty ledger, newest head."""
    with scope.store.records.read() as connection:
        workspace = find_workspace(connection, scope.workspace)
        start = head_at(connection, scope.workspace, 0)
        head = newest_head(connection, scope.workspace)
    if workspace is None or head is None:
        raise NotFound("no_ledger", f"The workspace `{scope.workspace}` has no ledger")
    return workspace["verifier_key"], start, head


def _rows(scope: Scope, *, size: int) -> Iterator[EntryRow]:
    after: int | None = None
    # One entry over the size ends the walk, if the pages do not.
    while after is None or after < size - 1:
        with scope.store.records.read() as connection:
            rows = select_entries(connection, scope.workspace, after=after, limit=_PAGE_ENTRIES)
        if not rows:
            return
        yield from (row for row in rows if row.position < size)
        after = rows[-1].position


def _refuse_unsigned(scope: Scope) -> None:
    """Find an entry that was put in without a head."""
    with scope.store.records.read() as connection:
        # In this order an entry appended meanwhile is always seen together with its head.
        last = select_entries(connection, scope.workspace, after=None, limit=1, newest_first=True)
        head = newest_head(connection, scope.workspace)
    if last and (head is None or head.size <= last[0].position):
        raise _bad_entry(last[0].position, last[0].kind, "no head was ever signed for it")


def _header(origin: str, key: str, entries: int) -> dict[str, object]:
    return {"entries": entries, "format": FORMAT, "origin": origin, "verifier_key": key}


def _take_line(verifier: Verifier, number: int, line: bytes) -> None:
    if number == 1:
        verifier.take_header(read_line(line), line=number)
    elif number % 2:
        verifier.take_entry(line, line=number)
    else:
        value = read_line(line)
        is_checkpoint = isinstance(value, dict) and value.keys() == {"checkpoint"}
        verifier.take_checkpoint(value["checkpoint"] if is_checkpoint else None, line=number)


def _as_bytes(line: bytes | str) -> bytes:
    data = line.encode(errors="surrogatepass") if isinstance(line, str) else line
    return data.removesuffix(b"\n")


def _line(value: dict[str, object]) -> str:
    return canonical(value).decode() + "\n"


def _bad_entry(index: int, kind: str, what: str) -> Broken:
    return Broken(LedgerFault(part="entry", line=None, index=index, kind=kind, what=what))
