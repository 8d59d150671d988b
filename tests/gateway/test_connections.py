"""HTTP to providers, as much of it as a call needs: what is kept, read and refused."""

import asyncio
import datetime
import gzip
import ipaddress
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lineside.gateway.calls import connections
from lineside.gateway.calls.connections import Connections, HttpReply

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\nhi"
LONG = b"word " * 1_000_000


class Provider:
    """Answers each request with the next of the given bytes.

    Attributes:
        is_closing: Closes after each reply; else only where nothing else tells its end.
    """

    def __init__(self, replies: list[bytes], *, is_closing: bool) -> None:
        self.is_closing = is_closing
        self.replies, self.heads, self.bodies = replies, list[bytes](), list[bytes]()
        self.url, self.connections = "", 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.replies:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                reply = self.replies.pop(0)
                writer.write(reply)
                await writer.drain()
                tells_its_end = b"Content-Length" in reply or b"chunked" in reply
                if self.is_closing or not tells_its_end:
                    break
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def provider(
    *replies: bytes, tls: ssl.SSLContext | None = None, is_closing: bool = False
) -> AsyncIterator[Provider]:
    one = Provider(list(replies), is_closing=is_closing)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    one.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield one
    finally:
        server.close()


async def read(reply: HttpReply) -> bytes:
    pieces = []
    while piece := await reply.read():
        pieces.append(piece)
    return b"".join(pieces)


async def asked(there: Connections, url: str, body: bytes = b"{}") -> bytes:
    return await read(await there.post(url, body, {"Authorization": "Bearer x"}))


async def test_a_connection_whose_reply_was_read_serves_the_next_call() -> None:
    there = Connections()
    async with provider(WHOLE, WHOLE) as one:
        assert await asked(there, f"{one.url}/chat", b"{1}") == b"hi"
        assert await asked(there, f"{one.url}/chat", b"{22}") == b"hi"
        await there.close()

    assert (one.connections, one.bodies) == (1, [b"{1}", b"{22}"])
    assert one.heads[0].startswith(b"POST /v1/chat HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Authorization: Bearer x\r\n" in one.heads[1]


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (HEAD + b"\r\nuntil it closes", b"until it closes"),
        (HEAD + b"Content-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + WHOLE, b"hi"),
        (HEAD + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG, LONG),
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"packed"), b"packed"),
        (HEAD + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"packed"), b"packed"),
    ],
    ids=["chunked", "until closed", "empty", "hints first", "long", "gzip", "deflate"],
)
async def test_a_reply_is_read_however_it_says_where_it_ends(reply: bytes, body: bytes) -> None:
    there = Connections()
    async with provider(reply) as one:
        assert await asked(there, one.url) == body
        await there.close()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no reply of HTTP"),
        (HEAD + b"Content-Length: 100\r\n\r\nhalf", "Server disconnected"),
        (HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nxx", "packed its reply as `br`"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", "cannot be unpacked"),
        (HEAD + b"X: " + b"y" * 300_000, "does not end"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "no reply"),
        (b"", "Server disconnected"),
    ],
    ids=["no http", "too short", "br", "broken gzip", "endless head", "upgrade", "nothing"],
)
async def test_what_is_no_whole_reply_fails_and_says_why(reply: bytes, why: str) -> None:
    there = Connections()
    async with provider(reply, is_closing=True) as one:
        with pytest.raises(OSError, match=why):
            await asked(there, one.url)
        await there.close()


@pytest.mark.parametrize(
    "reply",
    [WHOLE + b"and more than was said", HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"],
    ids=["more", "said to close"],
)
async def test_a_connection_that_is_out_of_step_is_not_used_again(reply: bytes) -> None:
    there = Connections()
    async with provider(reply, WHOLE) as one:
        assert await asked(there, one.url) == b"hi"
        assert await asked(there, one.url) == b"hi"
        await there.close()

    assert one.connections == 2


async def test_a_reply_that_is_left_closes_its_connection() -> None:
    there = Connections()
    async with provider(HEAD + b"Content-Length: 9\r\n\r\nbegun", WHOLE) as one:
        reply = await there.post(one.url, b"{}", {})
        assert await reply.read() == b"begun"
        reply.close()
        assert await asked(there, one.url) == b"hi"
        await there.close()

    assert one.connections == 2


async def test_an_idle_connection_is_not_trusted_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Connections()
    async with provider(WHOLE, WHOLE) as one:
        await asked(there, one.url)
        monkeypatch.setattr(connections, "_IDLE_SECONDS_MAX", -1.0)
        await asked(there, one.url)
        await there.close()

    assert one.connections == 2


async def test_words_of_a_caller_cannot_end_the_line_of_a_request() -> None:
    there = Connections()
    async with provider(WHOLE) as one:
        await asked(there, f"{one.url}/models/a b\r\nX-Evil: 1\u00e9:generate?alt=sse")
        with pytest.raises(OSError, match="end of a line"):
            await there.post(one.url, b"", {"X": "1\r\nX-Evil: 1"})
        await there.close()

    [head] = one.heads
    assert b"\r\nX-Evil" not in head
    assert head.startswith(b"POST /v1/models/a%20b")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "127.0.0.1:1/v1", "http://[::1/v1"])
async def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(OSError, match="its address"):
        await Connections().post(url, b"{}", {})


async def test_a_provider_must_prove_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with provider(WHOLE, WHOLE, tls=tls) as one:
        connections._tls.cache_clear()
        with pytest.raises(OSError, match=r"Cannot connect to 127\.0\.0\.1"):
            await asked(Connections(), one.url)
        connections._tls.cache_clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        there = Connections()
        assert await asked(there, one.url) == b"hi"
        await there.close()
    connections._tls.cache_clear()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "provider.pem"
    file.write_bytes(key.private_bytes(pem, form, plain) + made.public_bytes(pem))
    return file
