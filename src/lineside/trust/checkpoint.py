"""Signed heads of the ledger, in the checkpoint form that transparency logs share.

A checkpoint is text: the origin, the number of entries, the root in base64, an empty line, and a
signature line. The forms are C2SP's tlog-checkpoint and signed-note, so that tools which know those
can read ours. A *verifier key* is signed-note's one-line form of a public key with its name.
"""

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from lineside.core import Invalid, Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_ROOT_BYTES = 32
_NOTE_CHARACTERS_MAX = 10_000


class Checkpoint(Record):
    """A signed statement: at this size the ledger had this root.

    Attributes:
        origin: Which ledger it speaks of.
        size: Number of entries.
        root: Root of the tree over them, in hexadecimal.
    """

    origin: str
    size: int
    root: str


def verifier_key(name: str, public_key: bytes) -> str:
    """Write a public key with its name in one line, as signed-note does: `name+hash+key`."""
    coded = _encode(_ED25519 + public_key)
    return f"{name}+{_key_hash(name, public_key).hex()}+{coded}"


def public_key_of(private_key: "Ed25519PrivateKey") -> bytes:
    return private_key.public_key().public_bytes_raw()


def sign_checkpoint(
    private_key: "Ed25519PrivateKey", origin: str, *, size: int, root: bytes
) -> str:
    """Make the checkpoint of a tree, signed under the name of its origin."""
    body = f"{origin}\n{size}\n{_encode(root)}\n"
    signature = private_key.sign(body.encode())
    key_hash = _key_hash(origin, public_key_of(private_key))
    return f"{body}\n{_DASH}{origin} {_encode(key_hash + signature)}\n"


def read_checkpoint(text: str, key: str) -> Checkpoint:
    """Read a checkpoint after its signature was found right.

    Signature lines of others, such as witnesses, may stand beside ours and are passed over.

    Raises:
        Invalid: It is no checkpoint, speaks of another ledger, or the key did not sign it.
    """
    name, key_hash, public_key = _read_verifier_key(key)
    body, signatures = _split_note(text)
    lines = body.split("\n")
    if len(lines) < 4 or lines[-1] != "":
        raise _unreadable("it needs an origin, a size and a root, each on a line")
    origin, size, root = lines[:3]
    if origin != name:
        raise _unreadable(f"it speaks of `{origin[:200]}`, the key belongs to `{name}`")
    if not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
        raise _unreadable(f"its size is `{size[:40]}`, not a plain number")
    _check_signature(body, signatures, name=name, key_hash=key_hash, public_key=public_key)
    root_bytes = _decode(root)
    if root_bytes is None or len(root_bytes) != _ROOT_BYTES:
        raise _unreadable("its root is not 32 bytes in base64")
    return Checkpoint(origin=origin, size=int(size), root=root_bytes.hex())


def check_verifier_key(key: str) -> str:
    """Return the name in a verifier key after its form and its hash were found right."""
    return _read_verifier_key(key)[0]


def _check_signature(
    body: str, signatures: list[str], *, name: str, key_hash: bytes, public_key: bytes
) -> None:
    from cryptography.exceptions import InvalidSignature

    for line in signatures:
        signer, _, coded = line.removeprefix(_DASH).partition(" ")
        signature = _decode(coded)
        if signer != name or signature is None or signature[:4] != key_hash:
            continue
        try:
            _public_key(public_key).verify(signature[4:], body.encode())
        except InvalidSignature:
            raise _unreadable("its signature does not fit what it says") from None
        return
    raise _unreadable("it has no signature by the ledger's key")


def _split_note(text: str) -> tuple[str, list[str]]:
    start = text.rfind("\n\n")
    signatures = text[start + 2 :].split("\n")
    if start < 0 or len(text) > _NOTE_CHARACTERS_MAX or signatures.pop() != "":
        raise _unreadable("it is not a signed note")
    if not signatures or not all(line.startswith(_DASH) for line in signatures):
        raise _unreadable("it carries no signature line")
    return text[: start + 1], signatures


@lru_cache(maxsize=16)
def _read_verifier_key(key: str) -> tuple[str, bytes, bytes]:
    name, _, rest = key.partition("+")
    hash_text, _, coded = rest.partition("+")
    decoded = _decode(coded)
    if not name or decoded is None or len(decoded) != 33 or decoded[:1] != _ED25519:
        raise _bad_key("its form is `name+hash+base64`")
    public_key = decoded[1:]
    key_hash = _key_hash(name, public_key)
    if hash_text != key_hash.hex():
        raise _bad_key("its hash does not fit its name and key")
    return name, key_hash, public_key


@lru_cache(maxsize=16)
def _public_key(public_key: bytes) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public_key)


def _key_hash(name: str, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes | None:
    """Bytes of base64 in its one right spelling; base64 alone would accept several for the same."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _encode(data) == text else None


def _unreadable(reason: str) -> Invalid:
    return Invalid(
        "bad_checkpoint",
        f"The checkpoint does not hold: {reason}",
        hint="Take the checkpoint again from where it was kept, unchanged to the last byte.",
    )


def _bad_key(reason: str) -> Invalid:
    return Invalid(
        "bad_verifier_key",
        f"The ledger's public key cannot be read: {reason}",
        hint="Copy it again, whole, from the first line of an exported ledger.",
    )
