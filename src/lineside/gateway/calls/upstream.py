"""One provider: sends a request by its wire and gives the answer as events."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson
from pydantic import ValidationError

from lineside.core import Invalid, Unavailable, now
from lineside.gateway.calls.endpoint import Endpoint
from lineside.gateway.calls.failures import Passing, down, marking, refused, slow, why_broken
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.assembly import events_of
from lineside.gateway.canonical.events import AnswerEvent, joined
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.keys import key_in, without_keys
from lineside.gateway.output import shorten
from lineside.gateway.retry import hear_rate_limit, read_retry_after
from lineside.gateway.sessions import LoopSessions
from lineside.gateway.wires.errors import read_error, stated_error
from lineside.gateway.wires.fields import read_object
from lineside.gateway.wires.sse import SseReader, cut_off
from lineside.gateway.wires.wire import Wire, left_out, wire_named

if TYPE_CHECKING:
    import aiohttp

_BODY_BYTES_MAX = 64 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_QUOTED_BYTES = 4_000


class Upstream(Protocol):
    """Something that answers requests in the canonical form."""

    def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        """The answer, piece by piece; ends the call where the caller stops asking.

        Raises:
            LinesideError: The answer does not come, or not whole.
        """
        ...

    def unsaid(self, request: ModelRequest) -> list[str]:
        """Fields of a request that the provider has no words for; they are left out."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class HttpUpstream:
    """A provider behind an address.

    Args:
        name: As an error names it.
        needs_key: Refuse to call where the endpoint names a variable and no key is in it.
        body_bytes_max: Longest answer that is read at once.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        needs_key: bool = True,
        body_bytes_max: int = _BODY_BYTES_MAX,
    ) -> None:
        self.endpoint = endpoint
        self._needs_key = needs_key
        self._body_bytes_max = body_bytes_max
        self.wire: Wire = wire_named(endpoint.wire)
        self._name = name
        self._base_url = endpoint.base_url.rstrip("/")
        self._sessions = LoopSessions()

    async def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Upstream`; the connection closes as soon as nobody asks on."""
        with self.marking():
            async with self._asked(request) as exchange:
                if exchange.is_stream:
                    async for event in exchange.stream(self.wire):
                        yield event
                    return
                body = await exchange.whole()
            for event in events_of(self._answer(body, where=self.where(request.model))):
                yield event

    def _asked(self, request: ModelRequest) -> "_Exchange":
        if request.is_stream and self.endpoint.wire == "chat" and not request.wants_stream_tokens:
            # Without it a stream ends without its token counts, and nobody knows what it cost.
            request = request.model_copy(update={"wants_stream_tokens": True})
        self.unsaid(request)  # what is refused is refused before anybody is asked, and paid
        return self._exchange(
            self._path(request),
            self.wire.write_request(request),
            where=self.where(request.model),
            is_streamed=bool(request.is_stream),
            traceparent=request.traceparent,
        )

    def _answer(self, body: bytes, *, where: str) -> ModelAnswer:
        if body.lstrip()[:1] == b"<":
            raise Unavailable(
                "not_a_model_endpoint",
                f"{where} sent a web page, not an answer",
                hint="Check the provider's address; it usually ends in `/v1`.",
            )
        with _readable(where, body):
            return self.wire.read_answer(read_object(body))

    def unsaid(self, request: ModelRequest) -> list[str]:
        """See `Upstream`."""
        return left_out(request, self.wire)

    async def post(
        self, path: str, body: Mapping[str, Any], *, model: str, traceparent: str | None = None
    ) -> dict[str, Any]:
        """Send a request that has a whole answer, such as one for embeddings."""
        where = self.where(model)
        with self.marking():
            async with self._exchange(path, body, where=where, traceparent=traceparent) as exchange:
                body_read = await exchange.whole()
            with _readable(where):
                return read_object(body_read)

    def addressed(self) -> "Addressed":
        """What it takes to send something that no wire has words for."""
        key = self._key()
        headers = {**self.endpoint.headers, **self._auth(key)}
        return Addressed(self._sessions, self._base_url, headers, key)

    async def close(self) -> None:
        """Give back connections in every loop."""
        await self._sessions.close()

    def where(self, model: str) -> str:
        """Model and provider as an error names them."""
        return f"`{model}` at {self._base_url}"

    def marking(self) -> AbstractContextManager[None]:
        """Mark in each error what only whoever runs lineside should read."""
        provider, variable = self._name.partition(" ")[0], self.endpoint.api_key_env
        return marking(provider, base_url=self._base_url, variable=variable)

    def _exchange(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        where: str,
        is_streamed: bool = False,
        traceparent: str | None = None,
    ) -> "_Exchange":
        key = self._key()
        named = {"traceparent": traceparent} if traceparent else {}
        return _Exchange(
            self._sessions,
            _Sent(
                url=f"{self._base_url}{path}",
                body=orjson.dumps(body),
                headers={**named, **self.endpoint.headers, **self._auth(key)},
                key=key,
                where=where,
                is_streamed=is_streamed,
                body_bytes_max=self._body_bytes_max,
            ),
            self.endpoint,
        )

    def _path(self, request: ModelRequest) -> str:
        if self.endpoint.wire == "gemini":
            verb = "streamGenerateContent?alt=sse" if request.is_stream else "generateContent"
            return f"/models/{request.model}:{verb}"
        return {
            "chat": "/chat/completions",
            "responses": "/responses",
            "messages": "/messages",
        }[self.endpoint.wire]

    def _auth(self, key: str | None) -> dict[str, str]:
        if self.endpoint.wire == "messages":
            return {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {})
        if self.endpoint.wire == "gemini":
            return {"x-goog-api-key": key} if key else {}
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key(self) -> str | None:
        variable = self.endpoint.api_key_env
        if variable is None:
            return None
        return key_in(variable, where=self._name, is_needed=self._needs_key)


class Addressed(NamedTuple):
    """Where a provider is, with the headers that open it."""

    sessions: LoopSessions
    base_url: str
    headers: dict[str, str]
    key: str | None


@contextmanager
def _readable(where: str, body: bytes | None = None) -> Iterator[None]:
    """What cannot be read is the provider's fault and not the caller's.

    Its words may be an answer's, and no guard has seen them: only an error that it states is said.
    """
    try:
        yield
    except (Invalid, ValidationError, TypeError, KeyError, AttributeError, ValueError) as error:
        why = error.message if isinstance(error, Invalid) else type(error).__name__
        if isinstance(error, Invalid) and error.code == "not_json":
            why = "it is no JSON object"  # its own words quote the body
        said = stated_error(body or b"")
        if said:
            why = f"{why}; it says `{without_keys(shorten(said, 200))}`"
        unreadable = Unavailable(
            "reply_unreadable",
            f"{where} sent an answer that cannot be read: {why}",
            hint="Check that the provider speaks the wire that `gateway.yaml` names.",
        )
        if body and not said:
            unreadable.quotes = (without_keys(body[:_QUOTED_BYTES].decode(errors="replace")),)
        raise unreadable from error


class _Sent(NamedTuple):
    """A request as it goes over HTTP."""

    url: str
    body: bytes
    headers: dict[str, str]
    key: str | None
    where: str
    is_streamed: bool
    body_bytes_max: int


class _Exchange:
    """One request over HTTP and its reply, within the endpoint's limits of time."""

    def __init__(self, sessions: LoopSessions, sent: _Sent, endpoint: Endpoint) -> None:
        self._sessions, self._sent, self._endpoint = sessions, sent, endpoint
        self._where = sent.where
        self._started = monotonic()
        self._has_begun = False
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> "_Exchange":
        import aiohttp

        session = await self._sessions.session()
        headers = {"Content-Type": "application/json", **self._sent.headers}
        try:
            async with asyncio.timeout(self._left_s()):
                self._response = await session.post(
                    self._sent.url,
                    data=self._sent.body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                )
            if self._response.status != 200:
                raise await self._refusal(self._response)
        except TimeoutError:
            self._close()
            raise self._slow() from None
        except (aiohttp.ClientError, OSError) as error:
            self._close()
            # The error itself carries the request with its key: only its text goes on.
            raise down(self._where, why_broken(error)) from None
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    @property
    def is_stream(self) -> bool:
        return self._reply.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def _reply(self) -> "aiohttp.ClientResponse":
        assert self._response is not None  # noqa: S101 # entered by `async with` alone
        return self._response

    async def whole(self) -> bytes:
        """The body, once it is there."""
        pieces, size = [], 0
        while piece := await self._read():
            pieces.append(piece)
            size += len(piece)
            if size > self._sent.body_bytes_max:
                raise Invalid(
                    "reply_too_large",
                    f"{self._where} sent more than {self._sent.body_bytes_max} bytes",
                    hint="Check that its address is an endpoint of a model.",
                )
        return b"".join(pieces)

    async def stream(self, wire: Wire) -> AsyncGenerator[AnswerEvent, None]:
        """The events of a stream as they come."""
        sse, reader = SseReader(), wire.stream_reader()
        while piece := await self._read():
            with _readable(self._where):
                for said in joined(one for event in sse.feed(piece) for one in reader.read(event)):
                    self._has_begun = True
                    yield said
        with _readable(self._where):
            for event in sse.end():
                for said in reader.read(event):
                    yield said
            for said in reader.end():
                yield said

    async def _read(self) -> bytes:
        import aiohttp

        try:
            async with asyncio.timeout(self._left_s()):
                return await self._reply.content.read(_PIECE_BYTES)
        except TimeoutError:
            raise self._slow() from None
        except (aiohttp.ClientError, OSError) as error:
            if self._has_begun:
                raise cut_off() from error
            raise down(self._where, why_broken(error)) from None

    def _left_s(self) -> float:
        limits = self._endpoint
        is_waiting = self._sent.is_streamed and not self._has_begun
        end = min(limits.first_token_s, limits.total_s) if is_waiting else limits.total_s
        return max(0.0, self._started + end - monotonic())

    def _slow(self) -> Passing:
        if not self._sent.is_streamed:
            return slow(self._where, self._endpoint.total_s, "answer")
        if self._has_begun:
            return slow(self._where, self._endpoint.total_s, "whole answer")
        return slow(self._where, self._endpoint.first_token_s, "first piece of an answer")

    async def _refusal(self, response: "aiohttp.ClientResponse") -> Exception:
        body = await response.content.read(_PIECE_BYTES)
        code, text = read_error(body)
        key = self._sent.key
        # Endpoints quote the key they refuse; nothing of it may reach a log or a page.
        error = (code, without_keys(text, key=key))
        if response.status == 429:
            hear_rate_limit(read_retry_after(response.headers.get("retry-after"), moment=now()))
        key_from = self._endpoint.api_key_env if key else None
        return refused(
            response.status, response.headers, error, where=self._where, key_from=key_from
        )

    def _close(self) -> None:
        if self._response is not None:
            # Closed and not released: a caller who left must not be read for any longer.
            self._response.close()
