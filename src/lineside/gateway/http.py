"""HTTP/1.1 to endpoints of models, over connections that are kept for the next request.

A request costs a general client more of the processor than all that the gateway itself does to send
it. This one sends a body and reads an answer: it follows no redirect, keeps no cookie, asks no
proxy and tries nothing twice.
"""

import asyncio
import re
import socket
import ssl
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httptools

_IDLE_SECONDS_MAX = 15.0
_WAITING_BYTES_MAX = 256 * 1024
_HEAD_BYTES_MAX = 64 * 1024
_ALWAYS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "lineside"}
_KNOWN_MAX = 1_000
_KNOWN_CHARACTERS_MAX = 500
_PORTS = {"http": 80, "https": 443}
_ENCODINGS = {"gzip", "x-gzip", "deflate"}  # though nobody asked for them
_UNPACKED_BYTES_MAX = 16 * 1024 * 1024
# What may stand in a path and its query as it is; all else is written as `%XX`.
_PLAIN = "/?:@!$&'()*+,;=-._~%"
_BREAKS = re.compile(r"[\r\n\0]")


class HttpError(OSError):
    """No answer, or none that can be read; says why, and nothing of the request."""


class _Place(NamedTuple):
    """Where connections lead that may stand in for each other."""

    host: str
    port: int
    is_secure: bool


class HttpReply:
    """An answer whose head is there; its body is read piece by piece, or closed.

    Attributes:
        headers: By their names in small letters; of a name that comes twice the last counts.
    """

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_head = self.is_whole = False
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether `read` gives something without a wait."""
        return self.is_whole or bool(self._pieces)

    async def read(self) -> bytes:
        """All that is there by now, waited for where that is nothing; empty at the end.

        Raises:
            OSError: The connection broke before the end.
        """
        while not self.is_ready:
            await self.more()
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        self._connection.go_on(self)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Hang up, where the answer has not come to its end."""
        if not self.is_whole:
            self._connection.fail(HttpError("the connection was closed"))

    async def more(self) -> None:
        """Wait until more of it is there."""
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def took(self, body: bytes) -> bool:
        """Take in a piece of the body; say whether that is enough for now."""
        self._pieces.append(body)
        self._bytes += len(body)
        return self._bytes > _WAITING_BYTES_MAX

    def tell(self, error: Exception | None = None) -> None:
        """Let whoever waits look again."""
        self._error = self._error or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class HttpSession:
    """Connections of one event loop, as many as are asked for at a time."""

    def __init__(self) -> None:
        self._idle: dict[_Place, deque[_Connection]] = {}
        self._open: set[_Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Send a body and wait for the head of the answer; a wait that is cancelled hangs up.

        Raises:
            HttpError: The address is none, or what is there does not speak HTTP.
            OSError: Nobody can be reached there.
        """
        place, host, path = _parts(url)
        said = {"host": host, **_ALWAYS, **{name.lower(): headers[name] for name in headers}}
        said["content-length"] = str(len(body))
        head = "\r\n".join([f"POST {path} HTTP/1.1", *map(": ".join, said.items())])
        if _BREAKS.search("".join((*said, *said.values()))):
            raise HttpError("a header that should be sent has a line break in it")
        connection = self._kept(place)
        if connection is None:
            try:
                connection = await self._opened(place)
            except OSError as error:
                why = error.strerror or str(error)
                raise HttpError(f"Cannot connect to {place.host}:{place.port}: {why}") from error
        return await connection.ask(f"{head}\r\n\r\n".encode() + body)

    async def close(self) -> None:
        """Hang up everywhere."""
        for connection in list(self._open):
            connection.fail(HttpError("the session was closed"))
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes sockets in its next turn

    def _kept(self, place: _Place) -> "_Connection | None":
        idle = self._idle.get(place)
        oldest = monotonic() - _IDLE_SECONDS_MAX
        while idle:
            connection = idle.pop()
            if connection.is_usable and connection.idle_since > oldest:
                return connection
            connection.fail(HttpError("it was kept for too long"))
        return None

    async def _opened(self, place: _Place) -> "_Connection":
        from aiohappyeyeballs import start_connection

        loop = asyncio.get_running_loop()
        # Two kinds of address may be known, of which one leads nowhere: both are tried at once.
        found = await loop.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        there = await start_connection(found, happy_eyeballs_delay=0.25, interleave=1)
        tls: dict[str, Any] = {}
        if place.is_secure:
            self._tls = self._tls or _tls_context()
            tls = {"ssl": self._tls, "server_hostname": place.host}
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(lambda one: self._done(place, one), self._open.discard),
                sock=there,
                **tls,
            )
        except BaseException:
            there.close()
            raise
        self._open.add(connection)
        return connection

    def _done(self, place: _Place, connection: "_Connection") -> None:
        idle = self._idle.setdefault(place, deque())
        idle.append(connection)
        while idle[0].idle_since < monotonic() - _IDLE_SECONDS_MAX:
            idle.popleft().fail(HttpError("it was kept for too long"))


class _Connection(asyncio.Protocol):
    """One request after the other, and what comes of each; bytes nobody asked for end it.

    Args:
        done: Told when it may take the next request.
        gone: Told when it can take none any more.
    """

    def __init__(
        self, done: Callable[["_Connection"], object], gone: Callable[["_Connection"], object]
    ) -> None:
        self._tell_done, self._tell_gone = done, gone
        self._transport: Any = None
        self._reply: HttpReply | None = None
        self._is_paused = self._stays = False
        self.idle_since = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether a request can be sent."""
        return not self._transport.is_closing()

    async def ask(self, request: bytes) -> HttpReply:
        """Send a request and wait for the head of its answer; hangs up where none comes."""
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._unpacking: Any = None
        reply = self._reply = HttpReply(self)
        self._transport.write(request)
        try:
            while not reply.has_head:
                await reply.more()
        except BaseException:
            reply.close()
            raise
        return reply

    def go_on(self, reply: HttpReply) -> None:
        """Read on, where a reply had taken in enough."""
        if self._is_paused and reply is self._reply:
            self._is_paused = False
            self._transport.resume_reading()

    def fail(self, error: Exception) -> None:
        """Hang up, and tell whoever waits why."""
        reply, self._reply = self._reply, None
        self._tell_gone(self)
        self._transport.abort()
        if reply is not None:
            reply.tell(error)

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.fail(HttpError("the endpoint said what nobody had asked"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(HttpError("the endpoint left HTTP"))
        except httptools.HttpParserError as error:
            said = error.__context__ if isinstance(error.__context__, HttpError) else None
            self.fail(said or HttpError(f"the endpoint does not speak HTTP/1.1: {error}"))
        else:
            if reply.is_whole:
                self._end(reply)
            reply.tell()

    def connection_lost(self, error: Exception | None) -> None:
        reply = self._reply
        if error is None and reply is not None and reply.has_head:
            # An answer that says nothing of its length ends with its connection.
            reply.is_whole = not {"content-length", "transfer-encoding"} & reply.headers.keys()
        self.fail(error or HttpError("the endpoint hung up before its answer was whole"))

    def _end(self, reply: HttpReply) -> None:
        self.go_on(reply)
        self.idle_since = monotonic()
        if self._stays and not self._transport.get_write_buffer_size():
            self._reply = None
            self._tell_done(self)
        else:
            self.fail(HttpError("the connection was closed"))

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._reply is None or self._reply.is_whole:
            raise HttpError("the endpoint said more than was asked")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _HEAD_BYTES_MAX:
            raise HttpError(f"the head of the answer has more than {_HEAD_BYTES_MAX} bytes")
        assert self._reply is not None  # noqa: S101 # seen when its message began
        self._reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        reply, status = self._reply, self._parser.get_status_code()
        assert reply is not None  # noqa: S101 # as above
        if status < 200:
            reply.headers.clear()  # only a sign of life
            return
        reply.status, reply.has_head = status, True
        if reply.headers.get("content-encoding", "").lower() in _ENCODINGS:
            self._unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def on_body(self, body: bytes) -> None:
        if self._unpacking is not None:
            body = _unpacked(self._unpacking, body)
        if body and self._reply is not None and self._reply.took(body) and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._reply is not None and self._reply.has_head:
            self._reply.is_whole = True
            self._stays = self._parser.should_keep_alive()


def _unpacked(unpacking: Any, body: bytes) -> bytes:
    try:
        found: bytes = unpacking.decompress(body, _UNPACKED_BYTES_MAX)
    except zlib.error:
        raise HttpError("the answer is packed, and cannot be unpacked") from None
    if unpacking.unconsumed_tail:
        raise HttpError(f"a piece of the answer unpacks to more than {_UNPACKED_BYTES_MAX} bytes")
    return found


def _parts(url: str) -> tuple[_Place, str, str]:
    """Where an address leads, what it is called there, and the path to ask for."""
    # A caller names the model, at some providers a part of the address: no long one is kept.
    return _known_parts(url) if len(url) <= _KNOWN_CHARACTERS_MAX else _read_parts(url)


def _read_parts(url: str) -> tuple[_Place, str, str]:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        host = ""
    if not host or parts.username is not None:
        raise HttpError("the address is none that can be asked")
    named = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        named += f":{port}"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    place = _Place(host, port, parts.scheme == "https")
    return place, named, quote(path or "/", safe=_PLAIN)


_known_parts = lru_cache(_KNOWN_MAX)(_read_parts)


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
