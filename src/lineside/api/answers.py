"""What senders of OTLP are answered in protobuf.

The answers are so small that importing protobuf's classes for them would be the larger part.
"""

from lineside.core import Denied, Invalid, LinesideError, Unavailable

RETRY_AFTER_SECONDS = 2

_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_STATUS_OF_CODE = {
    "bad_key": 401,
    "body_too_large": 413,
    "unknown_media_type": 415,
    "unknown_encoding": 415,
}
_GRPC_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 501: 12, 503: 14}


def http_status(error: LinesideError) -> int:
    """The status of HTTP that tells a sender whether to send the same again."""
    kinds = {Invalid: 400, Denied: 403, Unavailable: 503}
    return _STATUS_OF_CODE.get(error.code) or kinds[type(error)]


def grpc_code(status: int) -> int:
    """The number gRPC has for what that status says."""
    return _GRPC_CODES[status]


def in_words(error: LinesideError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message


def not_kept(error: Exception) -> Unavailable:
    """What a sender is told when the disk or the database did not take what was good.

    One that hears this sends it again; one that hears of an error of ours drops it.
    """
    return Unavailable(
        "not_kept",
        f"What you sent could not be written: {type(error).__name__}",
        hint="Send it again later; `lineside doctor` says what stands in the way.",
    )


def partial_success(refused: int, why: str) -> bytes:
    """An `Export…ServiceResponse`; those of spans, log records and data points look the same."""
    if not refused:
        return b""
    return _bytes_field(1, _varint_field(1, refused) + _text_field(2, why))


def rpc_status(code: int, text: str, *, is_retryable: bool = False) -> bytes:
    """A `google.rpc.Status`, which is what senders of OTLP read and log.

    Args:
        is_retryable: Whether it says in how many seconds to send again, which is what makes an
            exporter over gRPC do so.
    """
    status = _varint_field(1, code) + _text_field(2, text)
    if not is_retryable:
        return status
    delay = _varint_field(1, RETRY_AFTER_SECONDS)
    detail = _text_field(1, _RETRY_INFO) + _bytes_field(2, _bytes_field(1, delay))
    return status + _bytes_field(3, detail)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _varint_field(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes_field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text_field(field: int, text: str) -> bytes:
    return _bytes_field(field, text.encode())
