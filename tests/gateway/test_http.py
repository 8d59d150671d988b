"""The HTTP that goes out to models: what is kept, what is refused, and what an end looks like."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from lineside.gateway.http import HttpError, HttpReply, HttpSession

BODY = b'{"answer": "yes"}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Peer:
    """A server that answers each request with the bytes a test gives, and counts connections."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[bytes] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self.hangs_up_after = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(len(BODY))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.hangs_up_after:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    found = Peer()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/ask"
    yield found
    server.close()


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    found = HttpSession()
    yield found
    await found.close()


async def whole(reply: HttpReply) -> bytes:
    pieces = []
    while piece := await reply.read():
        pieces.append(piece)
    return b"".join(pieces)


async def test_a_connection_is_kept_for_the_next_request(peer: Peer, session: HttpSession) -> None:
    peer.answers = [WHOLE] * 3
    for _ in range(3):
        reply = await session.post(peer.url, BODY, {"Authorization": "Bearer k"})
        assert (reply.status, await whole(reply)) == (200, BODY)
        reply.close()

    assert peer.connections == 1
    head = peer.heads[0].decode()
    assert head.startswith("POST /v1/ask HTTP/1.1\r\nhost: 127.0.0.1:")
    assert f"content-length: {len(BODY)}\r\n" in head
    assert "authorization: Bearer k\r\n" in head


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY,
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
        + gzip.compress(BODY),
    ],
    ids=["chunked", "a sign of life before", "to the end", "an older HTTP", "packed"],
)
async def test_every_way_to_say_where_an_answer_ends(
    peer: Peer, session: HttpSession, sent: bytes
) -> None:
    peer.answers, peer.hangs_up_after = [sent], True
    reply = await session.post(peer.url, BODY, {})

    assert await whole(reply) == BODY


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (WHOLE[:-4], "hung up before its answer was whole"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "hung up before"),
        (b"", "hung up before"),
        (b"220 mail.example.com ESMTP\r\n", "does not speak HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "more than 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno", "cannot be unpacked"),
    ],
)
async def test_an_answer_that_breaks_says_why(
    peer: Peer, session: HttpSession, sent: bytes, why: str
) -> None:
    peer.answers, peer.hangs_up_after = [sent], True
    with pytest.raises(HttpError, match=why):
        await whole(await session.post(peer.url, BODY, {}))


async def test_more_than_was_asked_reaches_nobody(peer: Peer, session: HttpSession) -> None:
    peer.answers = [WHOLE + WHOLE.replace(b"yes", b"ill"), WHOLE]
    for _ in range(2):
        assert await whole(await session.post(peer.url, BODY, {})) == BODY

    assert peer.connections == 2


async def test_who_stops_waiting_hangs_up(peer: Peer, session: HttpSession) -> None:
    peer.answers = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await session.post(peer.url, BODY, {})
    await asyncio.wait_for(peer.hung_up.wait(), 10)

    peer.hung_up.clear()
    reply = await session.post(peer.url, BODY, {})
    assert await reply.read() == b"some"
    reply.close()
    await asyncio.wait_for(peer.hung_up.wait(), 10)


async def test_a_reader_who_is_slow_gets_every_byte(peer: Peer, session: HttpSession) -> None:
    size = 4 * 1024 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    peer.answers = [head + b"x" * size, WHOLE]
    reply, read = await session.post(peer.url, BODY, {}), 0
    while piece := await reply.read():
        assert len(piece) < size // 2
        read += len(piece)
        await asyncio.sleep(0.01)

    assert read == size
    assert await whole(await session.post(peer.url, BODY, {})) == BODY
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("url", "headers", "why"),
    [
        ("ftp://127.0.0.1/v1", {}, "none that can be asked"),
        ("http:///v1", {}, "none that can be asked"),
        ("http://127.0.0.1:1/v1", {"X-Team": "a\r\nX-Admin: yes"}, "line break"),
    ],
)
async def test_what_cannot_be_sent_is_not(
    session: HttpSession, url: str, headers: dict[str, str], why: str
) -> None:
    with pytest.raises(HttpError, match=why):
        await session.post(url, BODY, headers)


async def test_a_model_with_an_odd_name_breaks_no_line(peer: Peer, session: HttpSession) -> None:
    peer.answers = [WHOLE]
    await session.post(f"{peer.url}/a b\r\nX-Admin: yes/ö", BODY, {})

    assert peer.heads[0].split(b"\r\n")[0] == b"POST /v1/ask/a%20bX-Admin:%20yes/%C3%B6 HTTP/1.1"
