"""HTTP/1.1 to providers: as much of it as a call needs, for a quarter of what a whole client takes.

A request is sent in one piece, and its answer read as it comes. A connection whose answer was read
to its end is kept for the next call; one whose caller left is closed. Nothing is followed, kept
between two calls, or asked again.
"""

import asyncio
import ssl
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import httptools
from aiohappyeyeballs import start_connection

_IDLE_SECONDS_MAX = 15.0
_HEAD_BYTES_MAX = 256 * 1024
_WAITING_BYTES_MAX = 1024 * 1024
_UNZIPPED = ("gzip", "x-gzip", "deflate")
_EITHER_ZIP = 32 + zlib.MAX_WBITS
_NEXT_ADDRESS_SECONDS = 0.25
_MAY_STAND_IN_URLS = "/:?#[]@!$&'()*+,;=%~"


class _Target(NamedTuple):
    """Where a request goes; `head` is how it begins there."""

    host: str
    port: int
    is_tls: bool
    head: str


@lru_cache(1_000)
def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("idna").decode()
    except ValueError as error:
        raise ConnectionError(f"its address is none: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConnectionError("its address does not begin with http:// or https:// and a name")
    is_tls = parts.scheme == "https"
    at = f"[{host}]" if ":" in host else host
    named = at if port is None else f"{at}:{port}"
    path = quote(parts.path or "/", safe=_MAY_STAND_IN_URLS)
    query = f"?{quote(parts.query, safe=_MAY_STAND_IN_URLS)}" if parts.query else ""
    head = f"POST {path}{query} HTTP/1.1\r\nHost: {named}\r\n"
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        head += f"Authorization: Basic {b64encode(pair.encode()).decode()}\r\n"
    return _Target(host, port or (443 if is_tls else 80), is_tls, head)


@lru_cache(1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connections:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int, bool], deque[_Connection]] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> "HttpReply":
        """Send a request; the reply is there once its head is.

        Raises:
            OSError: The provider cannot be reached, hung up, or sent what is no reply.
        """
        target = _target(url)
        named = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if named.count("\n") != len(headers) or named.count("\r") != len(headers):
            raise ConnectionError("a header for it holds the end of a line")
        # Little is sent, and to unpack it would take longer than to send it.
        own = f"Accept-Encoding: identity\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = self._kept(target) or await self._connected(target)
        reply = connection.ask(f"{target.head}{named}{own}".encode() + body)
        try:
            await reply.begun()
        except BaseException:
            reply.close()
            raise
        return reply

    async def close(self) -> None:
        """Close all that nobody reads from."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def _kept(self, target: _Target) -> "_Connection | None":
        idle = self._idle.get(target[:3])
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS_MAX
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connected(self, target: _Target) -> "_Connection":
        loop = asyncio.get_running_loop()
        kept = self._idle.setdefault(target[:3], deque())
        context = await asyncio.to_thread(_tls) if target.is_tls else None
        try:
            found = await loop.getaddrinfo(target.host, target.port, type=1)
            # One of its addresses may lead nowhere: the next is tried before that is certain.
            opened = await start_connection(
                found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1
            )
            _, connection = await loop.create_connection(
                lambda: _Connection(kept),
                sock=opened,
                ssl=context,
                server_hostname=target.host if context else None,
            )
        except OSError as error:
            why = error.strerror or str(error) or type(error).__name__
            raise ConnectionError(f"Cannot connect to {target.host}:{target.port}: {why}") from None
        return connection


class _Connection(asyncio.Protocol):
    """One connection, with one reply at a time on it.

    Attributes:
        is_open: More can be asked on it.
        idle_since: When its last reply was read to its end, by the clock of its loop.
    """

    def __init__(self, kept: "deque[_Connection]") -> None:
        self._kept = kept
        self._parser = httptools.HttpResponseParser(self)
        self._reply: HttpReply | None = None
        self._head_bytes = 0
        self.is_open = True
        self.idle_since = 0.0

    def ask(self, request: bytes) -> "HttpReply":
        """Send a request."""
        reply = self._reply = HttpReply(self)
        self._head_bytes = 0
        self._transport.write(request)
        return reply

    def close(self) -> None:
        """Close it, also in the middle of a reply."""
        self.is_open = False
        with suppress(RuntimeError):  # its loop has ended, and with it the connection
            self._transport.abort()

    def pause(self, *, is_full: bool) -> None:
        """Read no more until what was read is taken."""
        if self.is_open:
            change = self._transport.pause_reading if is_full else self._transport.resume_reading
            change()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:  # nothing was asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.close()
            reply.fail(ConnectionError(f"it sent what is no reply of HTTP: {error}"))
            return
        if not reply.has_begun:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES_MAX:
                self.close()
                reply.fail(ConnectionError("the head of its reply does not end"))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if error is None and reply.lasts_until_closed:
            reply.end()
        else:
            reply.fail(ConnectionResetError("Server disconnected"))

    def on_message_begin(self) -> None:
        if self._reply is None:  # more came than was said to come
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reply is not None:
            headers, called = self._reply.headers, name.decode("latin-1").lower()
            text = value.decode("utf-8", "surrogateescape")
            headers[called] = f"{headers[called]}, {text}" if called in headers else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._reply is not None and status >= 200:
            self._reply.begin(status)

    def on_body(self, piece: bytes) -> None:
        if self._reply is not None:
            self._reply.take(piece)

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None:
            return
        if not reply.has_begun:  # what comes before a reply, such as early hints
            reply.headers.clear()
            return
        self._reply = None
        if self._parser.should_keep_alive() and self.is_open:
            self.idle_since = asyncio.get_running_loop().time()
            self._kept.append(self)
        else:
            self.close()
        reply.end()


class HttpReply:
    """What came back: its head, and its body piece by piece.

    Attributes:
        status: 0 until its head is there.
        headers: By names in small letters.
    """

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._is_whole = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unzip: Any = None
        self.status = 0
        self.headers: dict[str, str] = {}

    @property
    def has_begun(self) -> bool:
        """Whether its head is there."""
        return bool(self.status)

    @property
    def lasts_until_closed(self) -> bool:
        """Whether its end is told by nothing but the end of the connection."""
        return self.has_begun and not self.headers.keys() & {"content-length", "transfer-encoding"}

    @property
    def is_over(self) -> bool:
        """Whether all of it was read."""
        return self._is_whole and not self._pieces and self._error is None

    async def begun(self) -> None:
        """Wait for its head."""
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._more()

    async def read(self) -> bytes:
        """What has come since; nothing at its end.

        Raises:
            OSError: It broke off.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._is_whole:
                return b""
            await self._more()
        found = b"".join(self._pieces)
        self._pieces.clear()
        if self._waiting_bytes > _WAITING_BYTES_MAX:
            self._connection.pause(is_full=False)
        self._waiting_bytes = 0
        return found

    def close(self) -> None:
        """Leave the rest; what is not whole is not read any further."""
        if not self._is_whole:
            self._is_whole = True
            self._connection.close()

    def begin(self, status: int) -> None:
        """Take in that its head is there."""
        self.status = status
        packed = self.headers.get("content-encoding", "identity").strip().lower()
        if packed in _UNZIPPED:
            self._unzip = zlib.decompressobj(_EITHER_ZIP)
        elif packed != "identity":
            self.fail(ConnectionError(f"it packed its reply as `{packed[:40]}`, unasked"))
        self._wake()

    def take(self, piece: bytes) -> None:
        """Take in more of its body."""
        if self._unzip is not None:
            try:
                piece = self._unzip.decompress(piece)
            except zlib.error as error:
                self.fail(ConnectionError(f"its reply cannot be unpacked: {error}"))
                return
        if not piece:
            return
        before, self._waiting_bytes = self._waiting_bytes, self._waiting_bytes + len(piece)
        if before <= _WAITING_BYTES_MAX < self._waiting_bytes:
            self._connection.pause(is_full=True)
        self._pieces.append(piece)
        self._wake()

    def end(self) -> None:
        """Take in that it is whole; what it holds no longer keeps the connection from others."""
        self._is_whole = True
        if self._waiting_bytes > _WAITING_BYTES_MAX:
            self._connection.pause(is_full=False)
            self._waiting_bytes = 0
        self._wake()

    def fail(self, error: Exception) -> None:
        """Take in that it breaks off."""
        if not self._is_whole:
            self._error = self._error or error
            self._wake()

    async def _more(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
