"""Walks a ledger from its first entry and stops at the first thing that does not hold."""

from typing import Any, Literal

import orjson

from lineside.core import Invalid
from lineside.trust.checkpoint import Checkpoint, check_verifier_key, read_checkpoint
from lineside.trust.ledger import LedgerEntry, canonical, origin_of, read_payload
from lineside.trust.merkle import EMPTY_ROOT, frontier_root, grown, leaf_hash
from lineside.trust.proofs import LedgerFault, Verification

FORMAT = "lineside.ledger/1"
"""Written into the header of an export; a later form will bear another number."""

_CHECKPOINT_LINES = 5
_QUOTE_CHARACTERS_MAX = 200


class Broken(Exception):
    """Ends a walk at the first problem."""

    def __init__(self, fault: LedgerFault) -> None:
        super().__init__(fault.what)
        self.fault = fault


class Verifier:
    """Takes header, checkpoint of the empty ledger, then entry and checkpoint by turns.

    Each method raises `Broken` at the first problem. An entry whose bytes were changed is found by
    the checkpoint after it: that is signed and right, and stands for another root.
    """

    def __init__(self, *, key: str | None, expected: str | None) -> None:
        self._known_key = key
        self._expected_text = expected
        self._expected: Checkpoint | None = None
        self._origin: str | None = None
        self._key: str | None = None
        self._entries = 0
        self._header_line: int | None = None
        self._pending: LedgerEntry | None = None
        self._pending_line: int | None = None
        self._size = 0
        self._root = EMPTY_ROOT
        self.frontier: list[bytes] = []

    def take_header(self, header: Any, *, line: int | None) -> None:
        """Learn which ledger this is and by which key its heads are signed."""
        fields = {"entries": int, "format": str, "origin": str, "verifier_key": str}
        if not isinstance(header, dict) or header.keys() != fields.keys():
            raise _broken("header", line, "it is not the header of an exported ledger")
        for name, kind in fields.items():
            if type(header[name]) is not kind:
                raise _broken("header", line, f"`{name}` reads {_quoted(header[name])}")
        if header["format"] != FORMAT:
            what = f"its format reads {_quoted(header['format'])}, this reads `{FORMAT}`"
            raise _broken("header", line, what)
        try:
            name = check_verifier_key(header["verifier_key"])
        except Invalid as error:
            raise _broken("header", line, error.message) from None
        if name != header["origin"]:
            what = f"its origin reads {_quoted(header['origin'])}, its key is of {_quoted(name)}"
            raise _broken("header", line, what)
        if self._known_key is not None and header["verifier_key"] != self._known_key:
            what = f"its key reads {_quoted(header['verifier_key'])}, not the one you know"
            raise _broken("header", line, what)
        self._origin, self._key = name, header["verifier_key"]
        self._entries, self._header_line = header["entries"], line
        if self._expected_text is not None:
            try:
                self._expected = read_checkpoint(self._expected_text, self._key)
            except Invalid as error:
                raise _broken("expected_checkpoint", None, error.message) from None

    def take_entry(self, payload: bytes, *, line: int | None) -> LedgerEntry:
        """Take the canonical payload of the next entry."""
        index = self._size
        try:
            entry = read_payload(payload)
        except (ValueError, TypeError):
            raise _broken("entry", line, "it cannot be read as an entry", index=index) from None
        if entry.index != index:
            what = f"its index reads {entry.index}, expected {index}"
            raise _broken("entry", line, what, entry, index)
        if origin_of(entry.workspace) != self._origin:
            what = f"it is of the workspace {_quoted(entry.workspace)}"
            raise _broken("entry", line, what, entry, index)
        self._pending, self._pending_line = entry, line
        self.frontier = grown(self.frontier, index, leaf_hash(payload))
        return entry

    def take_checkpoint(self, text: Any, *, line: int | None) -> None:
        """Take the checkpoint after what was taken so far, and settle the entry before it."""
        if not isinstance(text, str) or text.count("\n") != _CHECKPOINT_LINES:
            raise _broken("checkpoint", line, "it is not one signed head")
        try:
            signed = read_checkpoint(text, self._key or "")
        except Invalid as error:
            raise _broken("checkpoint", line, error.message) from None
        size = self._size if self._pending is None else self._size + 1
        if signed.size != size:
            raise _broken("checkpoint", line, f"it signs {signed.size} entries, expected {size}")
        root = frontier_root(self.frontier)
        if signed.root != root.hex():
            if self._pending is None:
                raise _broken("checkpoint", line, "it signs another root than that of no entries")
            raise _broken(
                "entry",
                self._pending_line,
                f"its bytes are not those that were signed: root {root.hex()[:16]}…, "
                f"the signed head after it says {signed.root[:16]}…",
                self._pending,
                self._size,
            )
        self._size, self._root, self._pending = size, root, None
        if self._expected is not None and self._expected.size == size:
            self._check_expected(self._expected)

    def finish(self) -> None:
        """Say that nothing follows."""
        if self._key is None:
            raise _broken("header", 1, "there is none: the file is empty")
        if self._pending is not None:
            raise _broken(
                "checkpoint",
                None if self._pending_line is None else self._pending_line + 1,
                f"none follows entry {self._size}",
            )
        if self._entries > self._size and self._header_line is None:
            what = f"it is missing, a signed head counts {self._entries} entries"
            raise _broken("entry", None, what, index=self._size)
        if self._entries != self._size:
            raise _broken(
                "header",
                self._header_line,
                f"it says {self._entries} entries, there are {self._size}: the end was cut off, "
                "or the header was changed",
            )
        if self._expected is not None and self._expected.size > self._size:
            raise _broken(
                "expected_checkpoint",
                None,
                f"it signs {self._expected.size} entries, there are {self._size}: "
                "the newest are missing",
            )

    def outcome(self, fault: LedgerFault | None) -> Verification:
        return Verification(
            ok=fault is None,
            origin=self._origin,
            verifier_key=self._key,
            size=self._size,
            root=self._root.hex(),
            fault=fault,
        )

    def _check_expected(self, expected: Checkpoint) -> None:
        if expected.root != self._root.hex():
            raise _broken(
                "expected_checkpoint",
                None,
                f"at {expected.size} entries it signs root {expected.root[:16]}…, this ledger "
                f"had {self._root.hex()[:16]}…: history was rewritten",
            )


def read_line(line: bytes) -> Any:
    """The JSON value of a line, or nothing unless the line is that value's canonical form."""
    try:
        value = orjson.loads(line)
        return value if canonical(value) == line else None
    except (ValueError, TypeError):
        # Reading admits deeper nesting than writing, which then refuses with a TypeError.
        return None


def _quoted(value: object) -> str:
    text = str(value)
    return f"`{text[:_QUOTE_CHARACTERS_MAX]}{'…' if len(text) > _QUOTE_CHARACTERS_MAX else ''}`"


def _broken(
    part: Literal["header", "entry", "checkpoint", "expected_checkpoint"],
    line: int | None,
    what: str,
    entry: LedgerEntry | None = None,
    index: int | None = None,
) -> Broken:
    kind = entry.kind[:_QUOTE_CHARACTERS_MAX] if entry else None
    return Broken(LedgerFault(part=part, line=line, index=index, kind=kind, what=what))
