"""One POST to an address of somebody else, which is looked up and checked before it is called."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult

from lineside.core import LinesideError
from lineside.trust.webhooks.addresses import Places
from lineside.trust.webhooks.sending import Sent


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    places: Places,
    *,
    timeout_seconds: float,
) -> Sent:
    """Post a body; follows no redirect, and reads nothing of the answer but its status."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    connector = aiohttp.TCPConnector(resolver=_Checked(places), use_dns_cache=False)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return _sent(answer)
    except TimeoutError:
        return Sent(None, f"No answer within {timeout_seconds:g} s")
    except aiohttp.ClientSSLError as error:
        return Sent(None, f"No safe connection to {error.host}:{error.port}: {error}"[:300])
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, _Refused):
            return Sent(None, error.os_error.refused.message)
        return Sent(None, f"Nothing answers at {error.host}:{error.port}")
    except aiohttp.ClientError as error:
        return Sent(None, f"The connection broke: {error}"[:300])


class _Refused(OSError):
    """An address that a name led to must not be called."""

    def __init__(self, refused: LinesideError) -> None:
        super().__init__(refused.message)
        self.refused = refused


class _Checked(aiohttp.ThreadedResolver):
    """Looks a name up and lets only those addresses be called that were checked."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self._places = places

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
