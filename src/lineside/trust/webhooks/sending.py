"""Sends one message as Standard Webhooks has it: signed, soon, and to where it may go alone."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

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
        # It takes a while to import, and most servers have no webhook.
        from lineside.trust.webhooks.posting import post

        try:
            # Looked at anew each time: where a name leads, and what is allowed, may have changed.
            self._places.check_url(url)
            return await post(url, body, headers, self._places, timeout_seconds=self._seconds)
        except LinesideError as error:
            return Sent(None, error.message)


def body_of(payload: Mapping[str, Any], settings: Settings) -> bytes:
    """A message as it goes out, its link whole."""
    base = settings.public_url.rstrip("/") or settings.address
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
