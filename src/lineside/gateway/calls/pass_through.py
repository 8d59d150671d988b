"""Requests that go to a provider as they came: unread, unguarded, and never held in memory."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lineside.core import Denied, Invalid, LinesideError, NotFound
from lineside.gateway.calls.failures import down, refused, slow
from lineside.gateway.calls.gateway import Gateway
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.keys import without_keys
from lineside.gateway.wires.errors import read_error

if TYPE_CHECKING:
    import aiohttp

_PIECE_BYTES = 64 * 1024
_USAGE_BYTES_MAX = 64 * 1024
_PASSED_ON = {
    *("accept", "range", "idempotency-key"),
    *("openai-beta", "anthropic-beta", "anthropic-version"),
}
_OF_BODIES = {"content-type", "content-length"}
_PASSED_BACK = ("content-type", "content-length", "content-disposition", "content-range")
_USAGE = re.compile(r'(?<!\\)"usage"\s*:\s*(?=\{)')


@dataclass(frozen=True)
class Unread:
    """A request as it came.

    Attributes:
        path: Below the version, such as `/files/file-1`, decoded.
        model: What it names as its model, without the provider, where that could be seen.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]
    model: str | None = None

    @property
    def kind(self) -> str:
        """First part of the path, such as `files`."""
        return self.path.split("/")[1]


class UsageTail:
    """Finds what an answer says it took, in its end; holds no more of it than that."""

    def __init__(self) -> None:
        self._tail = b""

    def see(self, piece: bytes) -> None:
        """Take in the next piece."""
        self._tail = (self._tail + piece)[-_USAGE_BYTES_MAX:]

    def usage(self) -> dict[str, Any] | None:
        """The last object named `usage`, of a whole answer or of a stream; nothing for none."""
        text = self._tail.decode(errors="replace")
        for found in reversed(list(_USAGE.finditer(text))):
            try:
                usage, _ = json.JSONDecoder().raw_decode(text, found.end())
            except (ValueError, RecursionError):
                continue
            return usage if isinstance(usage, dict) else None
        return None


def passing_providers(gateway: Gateway, kind: str) -> dict[str, HttpUpstream]:
    """Providers that some kind of path is passed on to, by name."""
    return {
        name: upstream
        for name, upstream in gateway.at_addresses().items()
        if upstream.endpoint.pass_through and kind in upstream.endpoint.pass_through.paths
    }


def passing_provider(gateway: Gateway, kind: str, wanted: str | None) -> tuple[str, HttpUpstream]:
    """The provider that a request goes to.

    Args:
        wanted: Its name where the request has one.

    Raises:
        Denied: It is not switched on, for this provider or for any.
        Invalid: More than one could be meant.
        NotFound: There is no such provider.
    """
    found = passing_providers(gateway, kind)
    if wanted is not None and gateway.at_address(wanted) is None:
        raise NotFound(
            "unknown_provider",
            f"There is no provider `{wanted[:80]}` to pass `/v1/{kind}` on to",
            hint=f"Passed on to: {', '.join(found) or 'nobody'}.",
        )
    if wanted in found:
        return wanted, found[wanted]
    if wanted is not None or not found:
        whose = f"`{wanted}`" if wanted else "any provider"
        raise Denied(
            "pass_through_off",
            f"`/v1/{kind}` is not passed on to {whose}, because no guard would look at it",
            hint="To switch it on, write `pass_through: {}` below the provider in `gateway.yaml` "
            "and start the server anew; docs/guides/models.md says what that means.",
        )
    if len(found) > 1:
        raise Invalid(
            "provider_unclear",
            f"`/v1/{kind}` is passed on to {len(found)} providers, and the request names none",
            hint=f"Send the header x-lineside-provider with one of: {', '.join(sorted(found))}.",
        )
    return next(iter(found.items()))


class UnreadAnswer:
    """An answer as it comes back; its body is to be read once, and closed."""

    def __init__(
        self, response: "aiohttp.ClientResponse", where: str, total_s: float, whole: bytes | None
    ) -> None:
        self._response, self._where, self._total_s, self._whole = response, where, total_s, whole
        self.status = response.status
        names = [name for name in _PASSED_BACK if name in response.headers]
        self.headers = {name: response.headers[name] for name in names}
        if whole is not None:
            self.headers["content-length"] = str(len(whole))

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body, piece by piece; a provider that falls silent is not waited for longer."""
        import aiohttp

        if self._whole is not None:
            yield self._whole
            return
        try:
            while True:
                async with asyncio.timeout(self._total_s):
                    piece = await self._response.content.read(_PIECE_BYTES)
                if not piece:
                    return
                yield piece
        except TimeoutError:
            raise slow(self._where, self._total_s, "further piece of an answer") from None
        except (aiohttp.ClientError, OSError) as error:
            raise down(self._where, str(error) or type(error).__name__) from None
        finally:
            self.close()

    def close(self) -> None:
        """End it at the provider."""
        self._response.close()


async def pass_on(
    name: str, upstream: HttpUpstream, asked: Unread, *, traceparent: str
) -> UnreadAnswer:
    """Send a request as it came, with the provider's key in place of the caller's.

    Raises:
        LinesideError: The provider cannot be reached, is silent, or refuses its key.
    """
    with upstream.marking():
        return await _passed_on(name, upstream, asked, traceparent)


async def _passed_on(
    name: str, upstream: HttpUpstream, asked: Unread, traceparent: str
) -> UnreadAnswer:
    import aiohttp
    from yarl import URL

    to = upstream.addressed()
    where = f"`/v1{asked.path[:80]}` at `{name}`"
    query = f"?{asked.query}" if asked.query else ""
    url = URL(f"{to.base_url}{quote(_safe(asked.path), safe='/-_.~:')}{query}", encoded=True)
    has_body = asked.method in ("POST", "PUT", "PATCH")
    # A length without its body would take it from the next call on the connection.
    taken = _PASSED_ON | _OF_BODIES if has_body else _PASSED_ON
    named = {key: value for key, value in asked.headers.items() if key in taken}
    total_s = upstream.endpoint.total_s
    session = await to.sessions.session()
    try:
        async with asyncio.timeout(total_s):
            response = await session.request(
                asked.method,
                url,
                data=asked.body if has_body else None,
                headers={
                    **named,
                    "Accept-Encoding": "identity",
                    "traceparent": traceparent,
                    **to.headers,
                },
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
            whole = await _said_of_failure(response)
    except TimeoutError:
        raise slow(where, total_s, "answer") from None
    except (aiohttp.ClientError, OSError) as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, LinesideError):
            raise cause from None  # of the caller's own body
        raise down(where, str(error) or type(error).__name__) from None
    if whole is not None:
        if response.status < 400 or response.status in (401, 403):
            key_from = upstream.endpoint.api_key_env if to.key else None
            error_read = read_error(whole)
            said = (error_read[0], without_keys(error_read[1], key=to.key))
            raise refused(response.status, response.headers, said, where=where, key_from=key_from)
        whole = without_keys(whole.decode(errors="replace"), key=to.key).encode()
    return UnreadAnswer(response, where, total_s, whole)


async def _said_of_failure(response: "aiohttp.ClientResponse") -> bytes | None:
    """The beginning of what is said of a failure; nothing of an answer."""
    if response.status < 300:
        return None
    said = b""
    try:
        while len(said) < _PIECE_BYTES and (piece := await response.content.readany()):
            said += piece
    finally:
        response.close()
    return said[:_PIECE_BYTES]


def _safe(path: str) -> str:
    if any(part in (".", "..") or "\\" in part for part in path.split("/")):
        raise Invalid("bad_path", f"`{path[:80]}` leads out of where it begins")
    return path
