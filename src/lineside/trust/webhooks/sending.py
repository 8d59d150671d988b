"""Sends one message as Standard Webhooks has it: signed, soon, and to where it may go alone."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

import aiohttp
import orjson
from aiohttp.abc import ResolveResult

from lineside.core import LinesideError, Settings
from lineside.trust.webhooks.addresses import Places

TIMEOUT_SECONDS = 15.0
_AGENT = "lineside-webhooks/1"


class Sent(NamedTuple):
    """What came of an attempt.

    Attributes:
        status: Of HTTP; nothing where no answer came.
        said: In words, for people.
        retry_after_s: How long the receiver asked to wait.
    """

    status: int | None
    said: str
    retry_after_s: float | None = None

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class MessageSender:
    """Posts messages; follows no redirects, and reads nothing of an answer but its status."""

    def __init__(self, settings: Settings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._settings = settings
        self._places = Places(settings)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._seconds = timeout_seconds

    async def send(
        self, url: str, secret: str, message_id: str, payload: Mapping[str, Any], *, at: datetime
    ) -> Sent:
        """Try once to deliver a message."""
        body = body_of(payload, self._settings)
        headers = {
            "content-type": "application/json",
            "user-agent": _AGENT,
            **signed(secret, message_id, body, at=at),
        }
        try:
            # Looked at anew each time: where a name leads, and what is allowed, may have changed.
            parts = self._places.check_url(url)
            resolver = _Checked(self._places, parts.port)
            connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return _sent(answer)
        except LinesideError as error:
            return Sent(None, error.message)
        except TimeoutError:
            return Sent(None, f"No answer within {self._seconds:g} s")
        except aiohttp.ClientError as error:
            told = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
            if isinstance(told, _Refused):
                return Sent(None, told.refused.message)
            if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(
                error, aiohttp.ClientSSLError
            ):
                return Sent(None, f"Nothing answers at {error.host}:{error.port}")
            return Sent(None, f"It cannot be reached: {error}"[:300])


def body_of(payload: Mapping[str, Any], settings: Settings) -> bytes:
    """A message as it goes out, its link whole."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = settings.public_url.rstrip("/") or f"http://{host}:{settings.port}"
    data = dict(payload["data"])
    if str(data.get("link", "")).startswith("/"):
        data["link"] = base + data["link"]
    return orjson.dumps({**payload, "data": data})


def signed(secret: str, message_id: str, body: bytes, *, at: datetime) -> dict[str, str]:
    """The headers by which a receiver knows a message is ours, and when it was sent."""
    seconds = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join([message_id.encode(), seconds.encode(), body])
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


class _Refused(OSError):
    """An address that a name led to must not be called."""

    def __init__(self, refused: LinesideError) -> None:
        super().__init__(refused.message)
        self.refused = refused


class _Checked(aiohttp.ThreadedResolver):
    """Looks a name up and lets only those addresses be called that were checked."""

    def __init__(self, places: Places, port: int | None) -> None:
        super().__init__()
        self._places, self._port = places, port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        try:
            self._places.check([ip_address(one["host"]) for one in found], host, port)
        except LinesideError as error:
            raise _Refused(error) from error
        return found


def _sent(answer: aiohttp.ClientResponse) -> Sent:
    wait = answer.headers.get("retry-after", "")
    retry_after_s = float(wait) if wait.isdecimal() and len(wait) < 7 else None
    said = f"It answered {answer.status} {answer.reason or ''}".strip()
    if 300 <= answer.status < 400:
        said += ", and redirects are not followed: give the address that it leads to"
    return Sent(answer.status, said, retry_after_s)
