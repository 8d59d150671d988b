"""`/v1/traces`, `/v1/logs`, `/v1/metrics` and their aliases: OTLP over HTTP.

A program that sends elsewhere today changes one address only. An address may end with a slash, as
some senders put one there; whoever only looks at it is told what it takes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import orjson
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lineside.api import answers
from lineside.api.senders import PATHS, Senders, brings_key, secret_of
from lineside.core import LinesideError, Unavailable
from lineside.gateway import calls
from lineside.traces import logs, metrics, receive, refusals
from lineside.trust import Scope

_INLINE_BYTES_MAX = 64 * 1024
_WORKERS = 2
_WAITING_BYTES_MAX = 128 * 1024 * 1024
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


class _SlashConvertor(StringConvertor):
    regex = "/?"


# One route for both, since every other request is held against each of these routes as well.
register_url_convertor("slash", _SlashConvertor())


class _Signal(NamedTuple):
    """What takes one kind of message, and how JSON answers name what was refused of it."""

    take: Callable[..., receive.Receipt]
    rejected: str


_SIGNALS = {
    "traces": _Signal(receive.receive_otlp, "rejectedSpans"),
    "logs": _Signal(logs.receive_logs, "rejectedLogRecords"),
    "metrics": _Signal(metrics.receive_metrics, "rejectedDataPoints"),
}


def otlp_routes(local: Scope) -> list[Route]:
    """The receiver's routes, for the root of the server.

    Args:
        local: Scope of a sender without a key: the owner, on this machine.
    """
    receiver = _Receiver(local)
    return [
        Route(
            path.removesuffix("traces") + name + "{end:slash}",
            receiver.endpoint(name, signal),
            methods=_METHODS,
        )
        for path in PATHS
        for name, signal in _SIGNALS.items()
    ]


class _Receiver:
    def __init__(self, local: Scope) -> None:
        self._local = local
        self._senders = Senders(local)
        self._turned_away = refusals.TurnedAway(local.store)
        self._bytes_max = local.store.settings.otlp_bytes_max
        self._waiting_bytes = 0
        # Reading is work for the interpreter, one thread at a time: more threads than these would
        # only hold more unpacked bodies in memory.
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="lineside-otlp")

    def endpoint(self, name: str, signal: _Signal) -> Callable[[Request], Awaitable[Response]]:
        """Keeps what a body holds; the answer comes once it is durable."""

        async def answer(request: Request) -> Response:
            if request.method != "POST":
                return _only_post(request, name)
            return await self._answer(request, name, signal)

        return answer

    async def _answer(self, request: Request, name: str, signal: _Signal) -> Response:
        seen = 0
        try:
            pieces = []
            async for piece in request.stream():
                seen += len(piece)
                self._waiting_bytes += len(piece)
                self._refuse_too_much(seen)
                pieces.append(piece)
            receipt = await self._receive(signal, request.headers, b"".join(pieces))
            del pieces
            await _kept(receipt)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it, and nothing was kept
        except LinesideError as error:
            await self._count(request, error, name)
            told = calls.for_callers(error) if brings_key(request.headers) else error
            return _status(request, answers.http_status(error), answers.in_words(told))
        finally:
            self._waiting_bytes -= seen
        return _success(request, receipt, signal.rejected)

    async def _count(self, request: Request, error: LinesideError, name: str) -> None:
        loop, sender = asyncio.get_running_loop(), self._local
        with suppress(LinesideError):  # a key that cannot be read
            if secret_of(request.headers) is not None:
                known = self._senders.known
                sender = await loop.run_in_executor(self._workers, known, request.headers)
        self._turned_away.count(sender, error, door=name, status=answers.http_status(error))

    async def _receive(self, signal: _Signal, headers: Headers, body: bytes) -> receive.Receipt:
        encoding = headers.get("content-encoding", "")
        is_quick = len(body) <= _INLINE_BYTES_MAX and not encoding and secret_of(headers) is None
        if is_quick:
            return self._take(signal, headers, body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, self._take, signal, headers, body)

    def _take(self, signal: _Signal, headers: Headers, body: bytes) -> receive.Receipt:
        scope = self._senders.scope(headers)
        return signal.take(
            scope,
            body,
            media_type=_media_type(headers),
            encoding=headers.get("content-encoding", ""),
            bytes_max=self._bytes_max,
            use_cases=self._senders.use_cases(scope),
        )

    def _refuse_too_much(self, seen: int) -> None:
        if seen > self._bytes_max:
            raise Unavailable(
                "body_too_large",
                f"The body is larger than {self._bytes_max:,} bytes",
                hint="Send less at once.",
            )
        if self._waiting_bytes > _WAITING_BYTES_MAX and seen != self._waiting_bytes:
            raise Unavailable(
                "too_much_at_once",
                f"{self._waiting_bytes:,} bytes are being received, "
                f"the limit is {_WAITING_BYTES_MAX:,}",
                hint="Send it again later.",
            )


def _only_post(request: Request, name: str) -> Response:
    """What is said to a person who opens the address, and to a program that is set up wrongly."""
    said = (
        f"This address takes OpenTelemetry {name} by POST, as OTLP in protobuf or JSON; "
        f"it was asked by {request.method}. Point an OTLP exporter here, "
        "and look at what arrives under /traces.\n"
    )
    return PlainTextResponse(said, 405, {"allow": "POST"})


async def _kept(receipt: receive.Receipt) -> None:
    try:
        await asyncio.wrap_future(receipt.durable)
    except LinesideError:
        raise
    except Exception as error:
        raise answers.not_kept(error) from error


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _answers_in(request: Request) -> str:
    return receive.MEDIA_TYPES.get(_media_type(request.headers), receive.JSON)


def _success(request: Request, receipt: receive.Receipt, rejected: str) -> Response:
    media_type = _answers_in(request)
    if media_type == receive.PROTOBUF:
        content = answers.partial_success(receipt.refused, receipt.why)
    elif receipt.refused:
        # A 64-bit number is a text in OTLP's JSON.
        partial_success = {rejected: str(receipt.refused), "errorMessage": receipt.why}
        content = orjson.dumps({"partialSuccess": partial_success})
    else:
        content = b"{}"
    return Response(content, media_type=media_type)


def _status(request: Request, status: int, text: str) -> Response:
    """A google.rpc.Status, which is what senders of OTLP read and log."""
    media_type, code = _answers_in(request), answers.grpc_code(status)
    headers = {"retry-after": str(answers.RETRY_AFTER_SECONDS)} if status == 503 else {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if media_type == receive.PROTOBUF:
        content = answers.rpc_status(code, text)
    else:
        content = orjson.dumps({"code": code, "message": text})
    return Response(content, status, headers, media_type)
