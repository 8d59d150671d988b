"""The private key that signs the heads of the ledger: one file in the state folder."""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lineside.core import Conflict
from lineside.trust.checkpoint import public_key_of, verifier_key

# Nine megabytes that a server which signs nothing does without: loaded where it is used.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def key_file(home: Path) -> Path:
    """Where the private key lies. Whoever reads it can sign heads: keep it and back it up."""
    return home / "keys" / "ledger.ed25519"


def make_signing_key(home: Path) -> "Ed25519PrivateKey":
    """Return the key of the state folder, made now if there is none.

    Of several processes that make one at once the first wins and all get the same.
    """
    path = key_file(home)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_new_pem())
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link appears whole or not at all, and never takes the place of another's.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _load(path.read_bytes())


def signing_key(home: Path, *, origin: str, expected: str) -> "Ed25519PrivateKey":
    """Return the key that signed this ledger from its first head on.

    Several machines that share one PostgreSQL share the ledger too, and so need the same private
    key: copy `keys/ledger.ed25519` from the first machine to each of the others. The records keep
    the public key, so that another private key is refused and not mixed in.

    Args:
        origin: Name of the ledger, under which the key signs.
        expected: Verifier key that the records keep for this ledger.

    Raises:
        Conflict: The key is not in the state folder, or it is another one.
    """
    path = key_file(home)
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        raise Conflict(
            "ledger_key_missing",
            f"The ledger `{origin}` was begun with a key that is not in `{path}`",
            hint="Copy `keys/ledger.ed25519` from the state folder that began the ledger.",
        ) from None
    found = _load(pem)
    if verifier_key(origin, public_key_of(found)) != expected:
        raise Conflict(
            "ledger_key_differs",
            f"The key in `{path}` is not the one that signs the ledger `{origin}`",
            hint="Copy `keys/ledger.ed25519` from the state folder that began the ledger.",
        )
    return found


def derive_secret(key: "Ed25519PrivateKey", workspace: str, *, length: int, info: bytes) -> bytes:
    """Derive a secret of a workspace from the signing key, one for each purpose (HKDF, RFC 5869).

    Args:
        length: Number of bytes.
        info: The purpose. The same purpose always gives the same secret.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), length=length, salt=workspace.encode(), info=info)
    return derived.derive(key.private_bytes_raw())


def _new_pem() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(maxsize=4)
def _load(pem: bytes) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Conflict(
            "ledger_key_unreadable",
            "The file `keys/ledger.ed25519` in the state folder holds no Ed25519 key",
            hint="Put it back from a backup; a new key cannot continue the same ledger.",
        )
    return key
