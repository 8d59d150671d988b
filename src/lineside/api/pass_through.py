"""Reading of a request no more than it takes to pass it on, and giving the answer back."""

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lineside.api.streaming import while_heard
from lineside.apps import passed_through
from lineside.core import Unavailable
from lineside.gateway import calls

PATHS = ("files", "batches", "audio", "images")
METHODS = ["GET", "POST", "DELETE"]
PROVIDER = "x-lineside-provider"
INERT = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
"""Headers without which a browser would run a page that somebody stored with the provider."""


async def unread(
    request: Request, gateway: calls.Gateway, *, bytes_max: int
) -> tuple[calls.pass_through.Unread, str | None]:
    """A request to pass on, and the provider it names, by its model or in a header.

    Only a body of JSON is looked into, for its `model`; a `provider/` before that is taken away.

    Args:
        bytes_max: Longest body of JSON.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    path = request.scope["path"].removeprefix("/v1")
    body, model, provider = _streamed(request), None, headers.get(PROVIDER)
    if request.method == "POST" and headers.get("content-type", "").startswith("application/json"):
        raw = await _whole(request, bytes_max)
        raw, model, named = _named(raw, gateway)
        provider = named or provider
        headers["content-length"] = str(len(raw))
        body = _once(raw)
    asked = calls.pass_through.Unread(
        method=request.method,
        path=path,
        query=request.url.query,
        headers=headers,
        body=body,
        model=model,
    )
    return asked, provider


class PassedStream(Response):
    """An answer as it comes from the provider; ends the call there when the caller hangs up."""

    def __init__(self, passed: passed_through.PassedAnswer, headers: dict[str, str]) -> None:
        super().__init__()
        self._passed = passed
        self._said_headers = {**passed.headers, **headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 # ASGI
        with suppress(ClientDisconnect):
            await while_heard(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._said_headers.items()]
        start = {"type": "http.response.start", "status": self._passed.status, "headers": headers}
        async with aclosing(self._passed.body()) as pieces:
            is_begun = False
            async for piece in pieces:
                if not is_begun:
                    await send(start)
                    is_begun = True
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not is_begun:
            await send(start)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _streamed(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        if piece:
            yield piece


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def _whole(request: Request, bytes_max: int) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > bytes_max:
            raise Unavailable("body_too_large", f"The JSON is larger than {bytes_max:,} bytes")
    return b"".join(pieces)


def _named(raw: bytes, gateway: calls.Gateway) -> tuple[bytes, str | None, str | None]:
    """The body as it is to go on, its model, and the provider named before that."""
    try:
        asked: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw, None, None  # the provider says what is wrong with it
    model = asked.get("model") if isinstance(asked, dict) else None
    if not isinstance(model, str):
        return raw, None, None
    provider, slash, rest = model.partition("/")
    if not (slash and rest and gateway.at_address(provider)):
        return raw, model, None
    return orjson.dumps(asked | {"model": rest}), rest, provider
