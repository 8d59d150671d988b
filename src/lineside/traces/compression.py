"""Unpacks what was sent compressed, and never more of it than is allowed.

The limit holds while unpacking: a few kilobytes that claim to be gigabytes cost no memory.
"""

import zlib
from collections.abc import Callable
from typing import Any

from lineside.core import Invalid, Unavailable

ENCODINGS = ("identity", "gzip", "deflate", "zstd")

_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 31, 15, -15
_PIECE_BYTES = 64 * 1024
# A block of four bytes may stand for 128 KiB, so that one piece makes 4 MiB at most.
_ZSTD_PIECE_BYTES = 128
_ZSTD_WINDOW_BYTES_MAX = 32 * 1024 * 1024


def unpack(body: bytes, encoding: str, *, bytes_max: int) -> bytes:
    """The body as it was before it was compressed.

    Args:
        encoding: As in the header Content-Encoding; empty means not compressed.

    Raises:
        Invalid: The encoding is unknown, or the body is cut short or damaged.
        Unavailable: It would be larger than `bytes_max`.
    """
    name = encoding.strip().lower().removeprefix("x-") or "identity"
    if name == "identity":
        if len(body) > bytes_max:
            raise too_large(bytes_max)
        return body
    if name not in ENCODINGS:
        raise Invalid(
            "unknown_encoding",
            f"Content-Encoding is `{encoding[:40]}`",
            hint=f"There are: {', '.join(ENCODINGS)}.",
        )
    try:
        if name == "zstd":
            return _unpack_zstd(body, bytes_max)
        return _unpack_zlib(body, _window(name, body), bytes_max)
    except zlib.error as error:
        raise _damaged(name, str(error)) from None


def too_large(bytes_max: int) -> Unavailable:
    return Unavailable(
        "body_too_large",
        f"The body is larger than {bytes_max:,} bytes, unpacked",
        hint="Send fewer spans at once.",
    )


def _window(name: str, body: bytes) -> int:
    if name == "gzip":
        return _GZIP_WINDOW
    # By its definition `deflate` has the zlib frame; many senders leave the frame out.
    has_frame = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _ZLIB_WINDOW if has_frame else _RAW_WINDOW


def _unpack_zlib(body: bytes, window: int, bytes_max: int) -> bytes:
    unpacked = bytearray()
    rest = body
    while rest:
        unpacker = zlib.decompressobj(window)
        while not unpacker.eof:
            piece = unpacker.decompress(rest, min(_PIECE_BYTES, bytes_max + 1 - len(unpacked)))
            rest = unpacker.unconsumed_tail
            unpacked += piece
            if len(unpacked) > bytes_max:
                raise too_large(bytes_max)
            if not piece and not rest and not unpacker.eof:
                raise _damaged("gzip" if window == _GZIP_WINDOW else "deflate", "it is cut short")
        # A gzip file may hold several members, one after the other.
        rest = unpacker.unused_data
    return bytes(unpacked)


def _unpack_zstd(body: bytes, bytes_max: int) -> bytes:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
    new: Callable[[], Any] = decompressor.decompressobj
    unpacked = bytearray()
    unpacker = new()
    for start in range(0, len(body), _ZSTD_PIECE_BYTES):
        piece = body[start : start + _ZSTD_PIECE_BYTES]
        while piece:
            try:
                if unpacker.eof:
                    unpacker = new()
                unpacked += unpacker.decompress(piece)
            except zstandard.ZstdError as error:
                raise _damaged("zstd", str(error)) from None
            piece = unpacker.unused_data if unpacker.eof else b""
            if len(unpacked) > bytes_max:
                raise too_large(bytes_max)
    if body and not unpacker.eof:
        raise _damaged("zstd", "it is cut short")
    return bytes(unpacked)


def _damaged(name: str, why: str) -> Invalid:
    return Invalid(
        "bad_compression",
        f"The body could not be unpacked as {name}: {why}",
        hint="Nothing was kept. Send the whole body, with the Content-Encoding it has.",
    )
