"""Bytes kept by what they are: the SHA-256 of the content is the address."""

import hashlib
import os
import tempfile
from pathlib import Path

from lineside.core import Conflict, Invalid, NotFound, Unavailable

DIGEST_PREFIX = "sha256:"


def digest_of(content: bytes) -> str:
    """The content address of some bytes: `sha256:` and 64 hexadecimal digits."""
    return DIGEST_PREFIX + hashlib.sha256(content).hexdigest()


class Blobs:
    """Files in a folder, named by their digest, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their digest; the same bytes are kept once."""
        digest = digest_of(content)
        path = self._path(digest)
        if path.exists():
            return digest
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).rename(path)
        except OSError as error:
            raise Unavailable(
                "blob_not_written",
                f"Could not keep {len(content):,} bytes in the state folder: {error.strerror}",
                hint="Check free space and rights of LINESIDE_HOME, or run `lineside doctor`.",
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest, having checked that they still are what it says."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(
                "blob_missing",
                f"No content is kept under `{digest}`",
                hint="The state folder may have been moved or cleaned; release the folder again.",
            ) from None
        if digest_of(content) != digest:
            raise Conflict(
                "blob_damaged",
                f"The content kept under `{digest}` has changed on disk",
                hint="Restore the state folder from a backup; lineside serves nothing from it.",
            )
        return content

    def __contains__(self, digest: str) -> bool:
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        name = digest.removeprefix(DIGEST_PREFIX)
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise Invalid("bad_digest", f"Not a digest: `{digest[:80]}`")
        return self._folder / name[:2] / name[2:]
