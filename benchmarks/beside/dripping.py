"""Stands in for a slow provider: streams a word to every caller now and then, until told to end.

    python benchmarks/beside/dripping.py PORT SECONDS

`GET /end` lets every stream that is open say its last word, a hundred a second. Who wants no
stream is answered at once.
"""

import asyncio
import json
import sys
from typing import Any

from upstream import WHOLE


def _chunk(delta: dict[str, str], **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}
    said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small"}
    event = f"data: {json.dumps({**said, 'choices': [choice], **more})}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_FIRST = _chunk({"content": "word " * 20})  # more than guards hold back
_WORD = _chunk({"content": "word "})
_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
_LAST = _chunk({}, finish="stop", usage=_USAGE) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_PAGE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class _Provider(asyncio.Protocol):
    open: dict["_Provider", Any] = {}  # noqa: RUF012 # of the whole program

    def __init__(self) -> None:
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # asyncio's name
        self.open.pop(self, None)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if (head := self._read.find(b"\r\n\r\n")) < 0:
            return
        said = bytes(self._read[:head]).lower()
        at = said.find(b"content-length:")
        length = int(said[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._read) < head + 4 + length:
            return
        wants = b'"stream":true' in self._read.replace(b" ", b"")
        self._read.clear()
        if said.startswith(b"get /end"):
            self.ending = asyncio.ensure_future(_end(list(self.open)))
        if said.startswith(b"get"):
            self._transport.write(_PAGE)
            return
        if not wants:
            self._transport.write(WHOLE)
            return
        self._transport.write(_HEAD + _FIRST)
        self.open[self] = self._transport


async def _end(streams: list[_Provider]) -> None:
    """Say the last word to all of them, in so many seconds as there are hundreds."""
    for at in range(0, len(streams), 50):
        for one in streams[at : at + 50]:
            transport = _Provider.open.pop(one, None)
            if transport is not None:
                transport.write(_LAST)
        await asyncio.sleep(0.5)


async def _serve(port: int, seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        _Provider, "127.0.0.1", port, backlog=4096
    )
    async with server:
        while True:
            # Not all in one moment: real callers do not breathe together either.
            each = list(_Provider.open.values())
            for at in range(20):
                await asyncio.sleep(seconds / 20)
                for transport in each[at::20]:
                    if not transport.is_closing():
                        transport.write(_WORD)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
