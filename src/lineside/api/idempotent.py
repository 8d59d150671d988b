"""Answering a call once: passes on what is answered, and keeps it to be given again.

A caller who sends a key says that they will ask again. So the call is carried to its end though
they leave, and whoever asks again finds its answer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from lineside.api.streaming import given, while_heard
from lineside.core import LinesideError
from lineside.gateway import idempotency
from lineside.traces import replies

REPLAYED = "idempotent-replayed"
_WAITING_MAX = 64
_PIECE_BYTES = 64 * 1024
_OF_THE_FIRST = {"x-request-id", "request-id", "x-lineside-own-ms", "traceparent", "content-length"}
_LIMITS = "x-ratelimit-"

_running: set["asyncio.Task[None]"] = set()


class AnsweredOnce(Response):
    """An answer that is passed on as it comes, and kept once it is whole.

    Args:
        claim: Given back where the answer is not to be given again.
        answer: Answers, and never raises what a caller should be told.
        is_final: Asked once the answer is out: whether the next call gets it again.
    """

    def __init__(
        self,
        claim: idempotency.IdempotencyClaim,
        answer: Callable[[], Awaitable[Response]],
        is_final: Callable[[], bool],
        *,
        trace_id: str,
    ) -> None:
        super().__init__()
        self._claim, self._answer, self._is_final = claim, answer, is_final
        self._trace_id = trace_id
        self._waiting: asyncio.Queue[Message | BaseException] = asyncio.Queue(_WAITING_MAX)
        self._is_left = False
        self._start: Message = {}
        self._body: list[bytes] = []
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        making = asyncio.create_task(self._make(scope))
        _running.add(making)
        making.add_done_callback(_running.discard)
        try:
            with suppress(ClientDisconnect):
                await while_heard(receive, self._pass_on(send))
        finally:
            self._is_left = True
            while not self._waiting.empty():  # whoever waits for room need not any more
                self._waiting.get_nowait()

    async def _pass_on(self, send: Send) -> None:
        while True:
            message = await self._waiting.get()
            if isinstance(message, BaseException):
                raise message
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                return

    async def _make(self, scope: Scope) -> None:
        """Make the call; the key stays claimed as long as that takes."""
        holding = asyncio.create_task(self._claim.hold())
        last: Message | BaseException | None = None
        try:
            response = await self._answer()
            last = await self._recorded(response, scope)
        except BaseException as error:
            last = error
            if not isinstance(error, Exception):
                raise
        finally:
            holding.cancel()
            try:
                # Before the caller hears the end, so that his next call finds it.
                with suppress(LinesideError):  # nobody can ask again for as long as the claim lives
                    await self._settle(is_whole=isinstance(last, dict))
            finally:
                if last is not None:
                    await self._hand_over(last)

    async def _recorded(self, response: Response, scope: Scope) -> Message:
        """Pass on all but the last message, which is given back."""
        last: Message = {"type": "http.response.body", "body": b"", "more_body": False}

        async def record(message: Message) -> None:
            nonlocal last
            if message["type"] == "http.response.start":
                self._start = message
            else:
                self._add(message.get("body", b""))
                if not message.get("more_body"):
                    last = message
                    return
            await self._hand_over(message)

        await response(scope, given(b""), record)
        return last

    def _add(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._bytes > replies.REPLY_BYTES_MAX:
            self._body.clear()
        else:
            self._body.append(piece)

    async def _hand_over(self, message: Message | BaseException) -> None:
        if not self._is_left:
            await self._waiting.put(message)

    async def _settle(self, *, is_whole: bool) -> None:
        if not (is_whole and self._is_final()):
            await self._claim.free()
            return
        reply = None
        if self._bytes <= replies.REPLY_BYTES_MAX:
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self._start["headers"]
            ]
            reply = replies.Reply(
                status=self._start["status"],
                headers=tuple(pair for pair in headers if _is_kept(pair[0])),
                body=b"".join(self._body),
            )
        await self._claim.keep(reply, trace_id=self._trace_id)


async def finish_answers(*, seconds_max: float) -> None:
    """Let calls end that are carried on, some for callers who have left, before a server does."""
    if _running:
        await asyncio.wait(_running, timeout=seconds_max)


def answered_before(reply: replies.Reply, headers: dict[str, str]) -> Response:
    """An answer that was given before, as it was, and said to be that.

    Args:
        headers: Of the present request.
    """
    said = dict(reply.headers) | headers | {REPLAYED: "true"}
    if said.get("content-type", "").startswith("text/event-stream"):
        return StreamingResponse(_pieces(reply.body), reply.status, said)
    return Response(reply.body, reply.status, said)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]


def _is_kept(name: str) -> bool:
    return name not in _OF_THE_FIRST and not name.startswith(_LIMITS)
