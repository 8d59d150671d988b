"""What an outsider gets, to need no belief in us: signed heads, proofs, verifications."""

from typing import Literal

from lineside.core import Invalid, NotFound, Record
from lineside.trust import merkle
from lineside.trust.queries import head_at, iterate_leaves, newest_head
from lineside.trust.scope import Scope


class InclusionProof(Record):
    """Proof that an entry stands in the ledger that a checkpoint signs; hashes in hexadecimal.

    Check it with the algorithm of RFC 9162 §2.1.3.2 against the root in the checkpoint.

    Attributes:
        index: Place of the entry.
        size: Entries in the tree it is proved for.
        leaf_hash: The entry's leaf hash.
        path: From the leaf to the root, nearest first.
        checkpoint: Signed head of that size.
    """

    index: int
    size: int
    leaf_hash: str
    path: tuple[str, ...]
    checkpoint: str


class ConsistencyProof(Record):
    """Proof that the ledger only grew between two checkpoints; hashes in hexadecimal.

    Check it with the algorithm of RFC 9162 §2.1.4.2 against the roots in the checkpoints.
    """

    first: int
    second: int
    path: tuple[str, ...]
    first_checkpoint: str
    second_checkpoint: str


class LedgerFault(Record):
    """The first thing found wrong in a ledger.

    Attributes:
        part: What is wrong; `expected_checkpoint` is the one that was kept elsewhere.
        line: Line of the export, from 1; nothing when the database itself was verified.
        index: Place of the entry, for an entry.
        kind: Kind of the entry as it reads now, for an entry that still can be read.
        what: What differs, in one sentence.
    """

    part: Literal["header", "entry", "checkpoint", "expected_checkpoint"]
    line: int | None
    index: int | None
    kind: str | None
    what: str


class Verification(Record):
    """Whether a ledger holds, and up to where.

    Attributes:
        ok: Nothing was found wrong.
        origin: Name of the ledger, if it could be read.
        verifier_key: Public key all heads were checked with; compare it with the one you know.
        size: Entries found right before the first problem.
        root: Root over those entries, in hexadecimal.
        fault: The first thing found wrong, if any.
    """

    ok: bool
    origin: str | None
    verifier_key: str | None
    size: int
    root: str
    fault: LedgerFault | None

    @property
    def sentence(self) -> str:
        """The outcome in one sentence, as people read it."""
        if self.fault is None:
            noun = "entry holds" if self.size == 1 else "entries hold"
            return f"{self.size:,} {noun}, root {self.root[:16]}…"
        where = {
            "header": "The header",
            "entry": f"Entry {self.fault.index}",
            "checkpoint": "A checkpoint",
            "expected_checkpoint": "The checkpoint kept elsewhere",
        }[self.fault.part]
        kind = f" (`{self.fault.kind}`)" if self.fault.kind else ""
        line = f", line {self.fault.line}" if self.fault.line else ""
        return f"{where}{kind}{line}: {self.fault.what}"


def ledger_head(scope: Scope) -> str:
    """The newest checkpoint. Kept elsewhere, it later proves that nothing was rewritten or cut."""
    scope.require("read")
    with scope.store.records.read() as connection:
        head = newest_head(connection, scope.workspace)
    if head is None:
        raise NotFound("no_ledger", f"The workspace `{scope.workspace}` has no ledger")
    return head.checkpoint


def inclusion_proof(scope: Scope, index: int, size: int | None = None) -> InclusionProof:
    """Prove that the entry at an index stands in the ledger, as it is now or was at a size.

    Reads the leaf hashes of the whole tree, so that the cost grows with its size.

    Raises:
        NotFound: The ledger has no such entry or size.
    """
    scope.require("read")
    leaves, checkpoint = _tree(scope, size)
    if not 0 <= index < len(leaves):
        raise NotFound(
            "no_ledger_entry",
            f"There is no entry {index} in a ledger of {len(leaves)}",
            hint="Entries count from 0.",
        )
    path = merkle.inclusion_path(leaves, index)
    return InclusionProof(
        index=index,
        size=len(leaves),
        leaf_hash=leaves[index].hex(),
        path=tuple(step.hex() for step in path),
        checkpoint=checkpoint,
    )


def consistency_proof(scope: Scope, first: int, second: int | None = None) -> ConsistencyProof:
    """Prove that between two sizes entries were added and nothing else; the second may be now.

    Raises:
        NotFound: The ledger never had such a size.
        Invalid: The first size is larger than the second.
    """
    scope.require("read")
    leaves, checkpoint = _tree(scope, second)
    if first > len(leaves):
        raise Invalid(
            "sizes_reversed",
            f"The first size is {first}, the second {len(leaves)}",
            hint="Give the earlier, smaller size first.",
        )
    _, first_checkpoint = _tree(scope, first)
    return ConsistencyProof(
        first=first,
        second=len(leaves),
        path=tuple(step.hex() for step in merkle.consistency_path(leaves, first)),
        first_checkpoint=first_checkpoint,
        second_checkpoint=checkpoint,
    )


def _tree(scope: Scope, size: int | None) -> tuple[list[bytes], str]:
    """Leaf hashes and checkpoint of the ledger at a size, or now."""
    with scope.store.records.read() as connection:
        if size is None:
            head = newest_head(connection, scope.workspace)
        else:
            head = head_at(connection, scope.workspace, size)
        if head is None:
            raise NotFound(
                "no_ledger_size",
                f"The ledger of `{scope.workspace}` never had {size} entries",
                hint="`lineside ledger head` shows how many it has.",
            )
        leaves = list(iterate_leaves(connection, scope.workspace, size=head.size))
    return leaves, head.checkpoint
