"""Bytes kept by what they are: the SHA-256 of the content is the address."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from lineside.core import Conflict, Invalid, NotFound, Unavailable

DIGEST_PREFIX = "sha256:"
_AT_ONCE = 8


def digest_of(content: bytes) -> str:
    """The content address of some bytes: `sha256:` and 64 hexadecimal digits."""
    return DIGEST_PREFIX + hashlib.sha256(content).hexdigest()


class BlobPlace(Protocol):
    """Where blobs lie, under their digests in hexadecimal; files are whole or not there.

    Each of these raises `Unavailable` when the place does not answer or refuses.
    """

    def write(self, name: str, content: bytes) -> None:
        """Keep the bytes; they are durable when this returns."""

    def read(self, name: str) -> bytes | None:
        """The bytes, as they are there; nothing when there are none."""

    def has(self, name: str) -> bool:
        """Whether there are any."""

    def remove(self, name: str) -> None:
        """Let go of the bytes, if there are any."""


class Blobs:
    """Bytes named by their digest, in one place; older ones may still lie in others.

    Args:
        places: The first is written to; the others are only looked at for what it lacks.
    """

    def __init__(self, places: Sequence[BlobPlace]) -> None:
        self._places = places

    def put(self, content: bytes) -> str:
        """Keep the bytes and return their digest; the same bytes are kept once.

        Raises:
            Unavailable: The disk is full, or the bucket refuses; nothing was kept.
        """
        digest = digest_of(content)
        name = _name(digest)
        if not self._places[0].has(name):
            self._places[0].write(name, content)
        return digest

    def put_all(self, contents: Iterable[bytes]) -> list[str]:
        """Keep many, several at a time, because a bucket takes long to answer and much at once."""
        waiting = list(contents)
        if len(waiting) < 2:
            return [self.put(content) for content in waiting]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lineside-blobs") as workers:
            return list(workers.map(self.put, waiting))

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest, having checked that they still are what it says."""
        name = _name(digest)
        found = (place.read(name) for place in self._places)
        content = next((content for content in found if content is not None), None)
        if content is None:
            raise NotFound(
                "blob_missing",
                f"No content is kept under `{digest}`",
                hint="The state folder may have been moved or cleaned; release the folder again.",
            )
        if digest_of(content) != digest:
            raise Conflict(
                "blob_damaged",
                f"The content kept under `{digest}` has changed on disk",
                hint="Restore it from a backup; lineside serves nothing from it.",
            )
        return content

    def remove(self, digests: Iterable[str]) -> None:
        """Let go of these, wherever they lie."""
        for name in map(_name, digests):
            for place in self._places:
                place.remove(name)

    def __contains__(self, digest: str) -> bool:
        name = _name(digest)
        return any(place.has(name) for place in self._places)


class BlobFolder:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).rename(path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise Unavailable(
                "blob_not_written",
                f"Could not keep {len(content):,} bytes in `{self._folder}`: {error.strerror}",
                hint="Check free space and rights of that folder, or run `lineside doctor`.",
            ) from error

    def read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name[2:]


def _name(digest: str) -> str:
    name = digest.removeprefix(DIGEST_PREFIX)
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise Invalid("bad_digest", f"Not a digest: `{digest[:80]}`")
    return name
