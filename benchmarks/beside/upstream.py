"""Stands in for a provider: answers Chat Completions at once, whole or streamed, from fixed bytes.

    python benchmarks/beside/upstream.py PORT

It reads no more of a request than its length and whether it wants a stream, so that what is
measured is what stands in front of it.
"""

import asyncio
import json
import sys
from typing import Any

WORDS = '{"topic": "card", "confidence": 0.9}'
_PIECES = 20


def _whole() -> bytes:
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "small",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": WORDS},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    ).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _chunk(delta: dict[str, str], **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}
    said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small"}
    event = f"data: {json.dumps({**said, 'choices': [choice], **more})}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


def _streamed() -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    pieces = [_chunk({"role": "assistant", "content": ""})]
    pieces += [_chunk({"content": f"word{at} "}) for at in range(_PIECES)]
    pieces += [_chunk({}, finish="stop", usage=usage), b"e\r\ndata: [DONE]\n\n\r\n", b"0\r\n\r\n"]
    return head + b"".join(pieces)


WHOLE = _whole()


class _Provider(asyncio.Protocol):
    whole, streamed = WHOLE, _streamed()

    def __init__(self) -> None:
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (head := self._read.find(b"\r\n\r\n")) >= 0:
            said = bytes(self._read[:head]).lower()
            at = said.find(b"content-length:")
            length = int(said[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            end = head + 4 + length
            if len(self._read) < end:
                return
            body = bytes(self._read[head + 4 : end]).replace(b" ", b"")
            del self._read[:end]
            wants = b'"stream":true' in body
            self._transport.write(self.streamed if wants else self.whole)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(_serve(int(sys.argv[1])))
    except ImportError:
        asyncio.run(_serve(int(sys.argv[1])))
