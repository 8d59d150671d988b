"""Answering piece by piece, and noticing when nobody listens any more."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, suppress
from types import coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from lineside.core import LinesideError
from lineside.gateway import calls, canonical

Outcome = TypeVar("Outcome")

_PIECES_MAX = 64


async def unless_gone(request: Request, work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Do the work, and drop it as soon as the caller hangs up.

    Raises:
        ClientDisconnect: The caller did.
    """
    return await while_heard(request.receive, work)


async def while_heard(receive: Receive, work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """The same, by what tells of the caller."""
    here = asyncio.current_task()
    assert here is not None  # noqa: S101 # a coroutine runs in a task
    is_gone, is_over = False, False

    def leave(leaving: "asyncio.Task[None]") -> None:
        nonlocal is_gone
        if not is_over and not leaving.cancelled():
            leaving.exception()  # heard; whatever it was, nobody listens any more
            is_gone = True
            here.cancel()

    leaving = asyncio.ensure_future(_left(receive))
    leaving.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if is_gone and here.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        is_over = True
        leaving.cancel()


def given(body: bytes) -> Receive:
    """A request whose body is there, by a caller who stays until he has his answer."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    return receive


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """An answer as server-sent events; ends the call at its provider when the caller hangs up.

    Args:
        write: Says an event in the words of the wire.
        failed: Says an error that came after the first piece, which no status can say any more.
    """

    def __init__(
        self,
        events: calls.Events,
        write: Callable[[canonical.AnswerEvent], bytes],
        failed: Callable[[LinesideError], bytes],
        *,
        headers: dict[str, str],
    ) -> None:
        self._events, self._write, self._failed = events, write, failed
        super().__init__()
        self._said_headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
            **headers,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 # ASGI
        with suppress(ClientDisconnect):
            await while_heard(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._said_headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        waiting: list[bytes] = []
        has_begun = False

        async def flush() -> None:
            nonlocal has_begun
            if waiting:
                piece = b"".join(waiting)
                waiting.clear()
                has_begun = has_begun or bool(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})

        async with aclosing(self._events) as events:
            try:
                while True:
                    event = await _or_before_waiting(anext(events), flush)
                    waiting.append(self._write(event))
                    # The first words go out before the next are looked at.
                    if len(waiting) >= _PIECES_MAX or (waiting[-1] and not has_begun):
                        await flush()
            except StopAsyncIteration:
                pass
            except LinesideError as error:
                waiting.append(self._failed(error))
        await flush()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@coroutine
def _or_before_waiting(
    work: Awaitable[Outcome], before: Callable[[], Coroutine[Any, Any, None]]
) -> Generator[Any, Any, Outcome]:
    """Await something; do something else first, but only where it has to be waited for.

    What a provider sends at once so goes out at once, in one piece, and nothing goes out later
    than it came: to hand over an event alone costs more than all else that is done with it.
    """
    steps = work.__await__()
    try:
        waited_for = next(steps)
    except StopIteration as done:
        outcome: Outcome = done.value
        return outcome
    doing: Generator[Any, Any, Any] | None = before().__await__()
    while True:
        try:
            try:
                if doing is not None:
                    yield from doing
                    doing = None
                sent = yield waited_for
            except BaseException as thrown:  # noqa: BLE001 # what is awaited has to hear of it
                doing = None
                waited_for = steps.throw(thrown)
            else:
                waited_for = steps.send(sent)
        except StopIteration as done:
            outcome = done.value
            return outcome
