"""Keyed digests: what stands for a person in tables and ledger, where no name may be read.

A plain hash of a name is no secret: whoever has a list of names hashes them all and compares. A
keyed digest needs a secret of the installation, and nobody makes one without it. The
secret is derived from the key that signs the ledger, which every machine of an installation has
already, guards already, and cannot exchange.
"""

import hmac

from lineside.core import NotFound
from lineside.store import Store
from lineside.trust.ledger import origin_of
from lineside.trust.queries import find_workspace
from lineside.trust.signing import derive_secret, signing_key

_DERIVED_FOR = b"lineside keyed digests v1"
_HEX_CHARACTERS = 32


class KeyedDigests:
    """Makes the digests of one workspace; the same words always give the same."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, *words: str) -> str:
        """The digest of a person, or of whatever the words name, as 32 hexadecimal digits."""
        said = "\0".join(words).encode()
        return hmac.digest(self._secret, said, "sha256").hex()[:_HEX_CHARACTERS]


def open_digests(store: Store, workspace: str) -> KeyedDigests:
    """The digests of a workspace, alike on every machine of the installation.

    Raises:
        NotFound: There is no such workspace.
        Conflict: The signing key is missing or another one; with it, digests would not match.
    """
    with store.records.read() as connection:
        found = find_workspace(connection, workspace)
    if found is None:
        raise NotFound("no_workspace", f"There is no workspace `{workspace}`")
    key = signing_key(store.home, origin=origin_of(workspace), expected=found["verifier_key"])
    return KeyedDigests(derive_secret(key, workspace, length=32, info=_DERIVED_FOR))
