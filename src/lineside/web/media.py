"""Pictures and sound that somebody sent: only what a browser can do no harm with is shown. Pure."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

BASE64_CHARACTERS_MAX = 12_000_000
_HEAD_CHARACTERS = 64
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf2": "audio/mpeg",
}
_IN_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_SAFE = {*_STARTS.values(), *_IN_RIFF.values()}
_WEB = ("https://", "http://")


class Medium(NamedTuple):
    """How a media part is shown.

    Attributes:
        kind: `link` leads out of here or to a download; `words` only says what there was.
        address: To load or to follow; a picture of another host is never loaded by itself.
    """

    kind: Literal["picture", "sound", "link", "words"]
    address: str
    mime_type: str


def safe_type(content: bytes) -> str | None:
    """The type of a picture or sound, by its first bytes; nothing for whatever else it may be."""
    if content[:4] == b"RIFF":
        return _IN_RIFF.get(content[8:12])
    return next((kind for start, kind in _STARTS.items() if content.startswith(start)), None)


def blob_of(value: Any) -> Mapping[str, Any] | None:
    """A value that was too large to stay where it was, if this is one: `$blob` is its digest."""
    is_blob = isinstance(value, Mapping) and isinstance(value.get("$blob"), str)
    return value if is_blob else None


def medium_of(part: Mapping[str, Any]) -> Medium:
    """How a part of a message of type `media` is shown, whatever a sender wrote into it."""
    said = str(part.get("mime_type") or "a file")[:80]
    for value in (part.get("data"), part.get("uri")):
        if (blob := blob_of(value)) is not None:
            kept = str(blob.get("mime_type") or said)
            kind = _kind(kept) if kept in _SAFE else "link"
            return Medium(kind, f"/blobs/{blob['$blob']}", kept)
    data, uri = part.get("data"), part.get("uri")
    if isinstance(uri, str) and uri.startswith("data:"):
        _, _, data = uri.partition(";base64,")
    if isinstance(data, str) and (found := _type_of_base64(data)):
        return Medium(_kind(found), f"data:{found};base64,{data}", found)
    if isinstance(uri, str) and uri.startswith(_WEB):
        return Medium("link", uri[:4_000], said)
    return Medium("words", uri[:200] if isinstance(uri, str) else "", said)


def _kind(mime_type: str) -> Literal["picture", "sound"]:
    return "picture" if mime_type.startswith("image/") else "sound"


def _type_of_base64(text: str) -> str | None:
    if len(text) > BASE64_CHARACTERS_MAX:
        return None
    try:
        return safe_type(base64.b64decode(text[:_HEAD_CHARACTERS], validate=True))
    except binascii.Error:
        return None
