"""`/v1/traces` and its aliases: OTLP over HTTP, so that a program changes one address only."""

import asyncio
import base64
import binascii
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import orjson
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.core import Denied, Invalid, LinesideError, Unavailable
from lineside.traces import receive
from lineside.trust import Scope, scope_for_key
from lineside.usecases import list_use_cases

PATHS = (
    "/v1/traces",  # OpenTelemetry, Phoenix, MLflow
    "/otel/v1/traces",  # Braintrust, LangSmith, Weave
    "/api/public/otel/v1/traces",  # Langfuse
    "/api/v1/private/otel/v1/traces",  # Opik
)
_KEY_HEADERS = ("x-api-key", "api_key", "api-key", "wandb-api-key")

_INLINE_BYTES_MAX = 64 * 1024
_WORKERS = 2
_WAITING_BYTES_MAX = 128 * 1024 * 1024
_NAMES_SECONDS = 5.0
_RETRY_AFTER_SECONDS = "2"
_STATUS_OF_CODE = {
    "bad_key": 401,
    "body_too_large": 413,
    "unknown_media_type": 415,
    "unknown_encoding": 415,
}
_GRPC_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 501: 12, 503: 14}


def otlp_routes(local: Scope) -> list[Route]:
    """The receiver's routes, for the root of the server.

    Args:
        local: Scope of a sender without a key: the owner, on this machine.
    """
    receiver = _Receiver(local)
    routes = [Route(path, receiver.traces, methods=["POST"]) for path in PATHS]
    for path in PATHS:
        for other in ("logs", "metrics"):
            place = path.removesuffix("traces") + other
            routes.append(Route(place, _not_yet, methods=["POST"]))
    return routes


class _Receiver:
    def __init__(self, local: Scope) -> None:
        self._local = local
        self._bytes_max = local.store.settings.otlp_bytes_max
        self._waiting_bytes = 0
        # Reading is work for the interpreter, one thread at a time: more threads than these would
        # only hold more unpacked bodies in memory.
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="lineside-otlp")
        self._names: dict[str, tuple[float, frozenset[str]]] = {}

    async def traces(self, request: Request) -> Response:
        """Keep the spans of the body; the answer comes once they are durable."""
        seen = 0
        try:
            pieces = []
            async for piece in request.stream():
                seen += len(piece)
                self._waiting_bytes += len(piece)
                self._refuse_too_much(seen)
                pieces.append(piece)
            receipt = await self._receive(request.headers, b"".join(pieces))
            del pieces
            await _kept(receipt)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it, and nothing was kept
        except LinesideError as error:
            return _refusal(request, error)
        finally:
            self._waiting_bytes -= seen
        return _success(request, receipt)

    async def _receive(self, headers: Headers, body: bytes) -> receive.Receipt:
        encoding = headers.get("content-encoding", "")
        is_quick = len(body) <= _INLINE_BYTES_MAX and not encoding and _secret(headers) is None
        if is_quick:
            return self._take(headers, body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, self._take, headers, body)

    def _take(self, headers: Headers, body: bytes) -> receive.Receipt:
        secret = _secret(headers)
        scope = self._local if secret is None else scope_for_key(self._local.store, secret)
        return receive.receive_otlp(
            scope,
            body,
            media_type=_media_type(headers),
            encoding=headers.get("content-encoding", ""),
            bytes_max=self._bytes_max,
            use_cases=self._use_cases(scope),
        )

    def _use_cases(self, scope: Scope) -> frozenset[str]:
        """Names of the workspace's use cases, a few seconds old at most."""
        asked_at, names = self._names.get(scope.workspace, (0.0, frozenset[str]()))
        if not asked_at or time.monotonic() - asked_at > _NAMES_SECONDS:
            # The sender need not see the use cases for its spans to find theirs.
            looking = replace(scope, rights=frozenset({"read"}), use_cases=None)
            names = frozenset(use_case.name for use_case in list_use_cases(looking))
            self._names[scope.workspace] = (time.monotonic(), names)
        return names

    def _refuse_too_much(self, seen: int) -> None:
        if seen > self._bytes_max:
            raise Unavailable(
                "body_too_large",
                f"The body is larger than {self._bytes_max:,} bytes",
                hint="Send fewer spans at once.",
            )
        if self._waiting_bytes > _WAITING_BYTES_MAX and seen != self._waiting_bytes:
            raise Unavailable(
                "too_much_at_once",
                f"{self._waiting_bytes:,} bytes are being received, "
                f"the limit is {_WAITING_BYTES_MAX:,}",
                hint="Send it again later.",
            )


async def _kept(receipt: receive.Receipt) -> None:
    try:
        await asyncio.wrap_future(receipt.durable)
    except LinesideError:
        raise
    except Exception as error:
        # Whatever kept them from the disk, these spans are good: a sender that hears 503 sends
        # them again, one that hears 500 drops them.
        raise Unavailable(
            "not_kept",
            f"The spans could not be written: {type(error).__name__}",
            hint="Send them again later; `lineside doctor` says what stands in the way.",
        ) from error


async def _not_yet(request: Request) -> Response:
    what = request.url.path.rpartition("/")[2]
    text = f"Only traces are received yet: these {what} were not kept"
    return _status(request, 501, text)


def _secret(headers: Headers) -> str | None:
    """The secret of the key that came along, in whichever way the sender's own product has it."""
    given = headers.get("authorization", "").strip()
    if not given:
        return next((headers[name].strip() for name in _KEY_HEADERS if name in headers), None)
    scheme, _, rest = given.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return given
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        raise Denied(
            "bad_key",
            "The Authorization header is not `Basic` with base64",
            hint="Send `Basic` and base64 of `public:secret`; the secret is the key `lsk_…`.",
        ) from None


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _answers_in(request: Request) -> str:
    return receive.MEDIA_TYPES.get(_media_type(request.headers), receive.JSON)


def _success(request: Request, receipt: receive.Receipt) -> Response:
    media_type = _answers_in(request)
    content = b"" if media_type == receive.PROTOBUF else b"{}"
    if receipt.refused and media_type == receive.PROTOBUF:
        partial = _varint_field(1, receipt.refused) + _text_field(2, receipt.why)
        content = _bytes_field(1, partial)
    elif receipt.refused:
        # A 64-bit number is a text in OTLP's JSON.
        partial_success = {"rejectedSpans": str(receipt.refused), "errorMessage": receipt.why}
        content = orjson.dumps({"partialSuccess": partial_success})
    return Response(content, media_type=media_type)


def _refusal(request: Request, error: LinesideError) -> Response:
    kinds = {Invalid: 400, Denied: 403, Unavailable: 503}
    status = _STATUS_OF_CODE.get(error.code) or kinds[type(error)]
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    return _status(request, status, text)


def _status(request: Request, status: int, text: str) -> Response:
    """A google.rpc.Status, which is what senders of OTLP read and log."""
    media_type, code = _answers_in(request), _GRPC_CODES[status]
    headers = {"retry-after": _RETRY_AFTER_SECONDS} if status == 503 else {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if media_type == receive.PROTOBUF:
        content = _varint_field(1, code) + _text_field(2, text)
    else:
        content = orjson.dumps({"code": code, "message": text})
    return Response(content, status, headers, media_type)


# The two answers are so small that importing protobuf's classes for them would be the larger part.


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
