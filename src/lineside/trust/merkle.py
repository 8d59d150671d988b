"""The Merkle tree of RFC 6962: what makes one hash stand for a whole list, in order.

All functions are pure. A *leaf* here is a leaf hash, never the content it stands for. The
algorithms are those of RFC 6962 §2.1 and, for checking proofs, RFC 9162 §2.1.3.2 and §2.1.4.2.
"""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(content: bytes) -> bytes:
    """Hash one entry; the first byte keeps it from ever being taken for an inner node."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def grown(frontier: Sequence[bytes], size: int, leaf: bytes) -> list[bytes]:
    """Add one leaf to a tree of `size` leaves that is known only by its frontier.

    The frontier holds the roots of the full subtrees that make up the tree, largest first: one for
    each 1 in the binary form of its size. That is all that is needed to go on, so that an append
    costs as many hashes as the size has binary digits, at most.
    """
    if len(frontier) != size.bit_count():
        raise AssertionError(f"a tree of {size} leaves has no frontier of {len(frontier)} hashes")
    peaks = list(frontier)
    while size & 1:
        leaf = node_hash(peaks.pop(), leaf)
        size >>= 1
    return [*peaks, leaf]


def frontier_root(frontier: Sequence[bytes]) -> bytes:
    """The root of the tree that a frontier stands for."""
    if not frontier:
        return EMPTY_ROOT
    whole = frontier[-1]
    for peak in reversed(frontier[:-1]):
        whole = node_hash(peak, whole)
    return whole


def root(leaves: Iterable[bytes]) -> bytes:
    """The hash that stands for these leaves in this order."""
    frontier: list[bytes] = []
    for size, leaf in enumerate(leaves):
        frontier = grown(frontier, size, leaf)
    return frontier_root(frontier)


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from one leaf to the root of all of them, nearest first."""
    if not 0 <= index < len(leaves):
        raise AssertionError(f"no leaf {index} among {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_path(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_path(leaves[split:], index - split), root(leaves[:split])]


def verify_inclusion(
    leaf: bytes, index: int, *, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Say whether the path proves that the leaf stands at this index in the tree with this root."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(step, found)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, step)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def consistency_path(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The hashes that prove that the first leaves are still what they were when they were all."""
    if not 0 <= first <= len(leaves):
        raise AssertionError(f"no tree of {first} leaves within {len(leaves)}")
    if first in (0, len(leaves)):
        return []
    return _subproof(leaves, first, is_whole=True)


def verify_consistency(
    first: int, second: int, *, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Say whether the path proves that the second tree only added leaves to the first."""
    if not 0 <= first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    steps = list(path)
    if first & (first - 1) == 0:
        # A full first tree is itself the first step, which the proof therefore leaves out.
        steps.insert(0, first_root)
    if not steps:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _subproof(leaves: Sequence[bytes], first: int, *, is_whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if is_whole else [root(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_subproof(leaves[:split], first, is_whole=is_whole), root(leaves[split:])]
    return [*_subproof(leaves[split:], first - split, is_whole=False), root(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below the size: how many leaves stand on the left."""
    return 1 << (size - 1).bit_length() - 1
