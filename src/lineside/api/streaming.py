"""Answering piece by piece, and noticing when nobody listens any more."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lineside.apps import model_calls
from lineside.core import LinesideError
from lineside.gateway import canonical

Outcome = TypeVar("Outcome")


async def unless_gone(request: Request, work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Do the work, and drop it as soon as the caller hangs up.

    Raises:
        ClientDisconnect: The caller did.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        await _stop(working, leaving)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stop(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    # What they raise at their end nobody waits for any more.
    await asyncio.gather(*tasks, return_exceptions=True)


class EventStream(Response):
    """An answer as server-sent events; ends the call at its provider when the caller hangs up.

    Args:
        write: Says an event in the words of the wire.
        failed: Says an error that came after the first piece, which no status can say any more.
    """

    def __init__(
        self,
        opened: model_calls.OpenAnswer,
        write: Callable[[canonical.AnswerEvent], bytes],
        failed: Callable[[LinesideError], bytes],
        *,
        headers: dict[str, str],
    ) -> None:
        self._opened, self._write, self._failed = opened, write, failed
        super().__init__()
        self._said_headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
            **headers,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 # ASGI
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            await _stop(sending, leaving)

    async def _send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._said_headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with aclosing(self._opened.events()) as events:
            try:
                async for event in events:
                    piece = self._write(event)
                    if piece:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except LinesideError as error:
                piece = self._failed(error)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
