"""Providers of the long tail, by the package `litellm`: an extra that is imported when first asked.

Only the fields of the canonical form go on: what else a caller sends could name another address,
another key or a fallback that no step has seen.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from typing import Any

import orjson
from pydantic import Field, ValidationError

from lineside.core import Invalid, LinesideError, Record, Unavailable
from lineside.gateway.calls.endpoint import CacheSeconds, Seconds
from lineside.gateway.calls.failures import down, marking, refused, slow
from lineside.gateway.canonical.assembly import events_of
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.keys import key_in, without_keys
from lineside.gateway.output import shorten
from lineside.gateway.retry import hear_rate_limit
from lineside.gateway.wires.sse import SseEvent, failed
from lineside.gateway.wires.wire import StreamReader, left_out, wire_named

# By its own documentation; each is set only where the environment does not say otherwise.
_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no price map from the network
    "LITELLM_OFFLINE_MODE": "true",  # nor anything else that no call asked for
    "LITELLM_MODE": "PRODUCTION",  # no `.env` of whatever folder this is
}
_OF_A_KEY = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_KEY_CHARACTERS_MIN = 8  # what is shorter might stand in any words
# One thread, so that whoever waits for the import takes none from anybody else.
_IMPORTING = ThreadPoolExecutor(1, "lineside-litellm")


class LitellmProvider(Record):
    """A provider that litellm speaks to.

    Attributes:
        provider: What litellm calls it, the word before the slash in its names of models, such as
            `cohere` or `bedrock`; the provider's name here unless given.
        api_key_env: Name of the environment variable that holds the key; litellm looks into the
            provider's usual ones where nothing is named.
        base_url: Address, where it is not the provider's own.
        options: Further arguments, such as `aws_region_name`; keys do not belong here.
        first_token_s: Longest wait for the first piece of a streamed answer.
        total_s: Longest time that one answer may take.
        models: Models that `/v1/models` is to name.
        cache_s: Seconds for which the same question gets the same answer without asking anew.
    """

    provider: str | None = None
    api_key_env: str | None = None
    base_url: str | None = None
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    first_token_s: Seconds = 60.0
    total_s: Seconds = 600.0
    models: tuple[str, ...] = ()
    cache_s: CacheSeconds = 0


class LitellmUpstream:
    """A provider of the long tail; its calls are made in this process.

    Args:
        name: As it is called here.
    """

    def __init__(self, name: str, settings: LitellmProvider) -> None:
        self._name = name
        self._settings = settings
        self._prefix = settings.provider or name
        self._wire = wire_named("chat")

    async def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Upstream`; the connection closes as soon as nobody asks on."""
        named = self._settings
        with marking(self._name, base_url=named.base_url, variable=named.api_key_env):
            async with aclosing(self._events(request)) as events:
                async for event in events:
                    yield event

    async def _events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        self.unsaid(request)  # what is refused is refused before anybody is asked, and paid
        asked = self._arguments(request)
        loop = asyncio.get_running_loop()
        complete = await loop.run_in_executor(_IMPORTING, _acompletion)
        where = f"`{request.model}` of {self._name}, by litellm,"
        started = monotonic()
        limit_s = self._settings.total_s
        if request.is_stream:
            limit_s = min(self._settings.first_token_s, limit_s)
        async with self._failing(where, started + limit_s, limit_s):
            answer = await complete(**asked)
        if not request.is_stream:
            read = self._readable(where, lambda: self._wire.read_answer(_plain(answer)))
            for event in events_of(read):
                yield event
            return
        async with aclosing(self._stream(answer, where, started)) as events:
            async for event in events:
                yield event

    def unsaid(self, request: ModelRequest) -> list[str]:
        """See `Upstream`."""
        unknown = [word for word in request.extras if not word.startswith("~")]
        return sorted({*left_out(request, self._wire), *unknown})

    async def close(self) -> None:
        """Do nothing: litellm keeps its connections to itself."""

    def _arguments(self, request: ModelRequest) -> dict[str, Any]:
        settings, key = self._settings, None
        # As from another wire: what only a caller's wire knows stays behind.
        plain = request.model_copy(update={"wire": "lineside", "extras": {}})
        if plain.is_stream:
            plain = plain.model_copy(update={"wants_stream_tokens": True})
        if settings.api_key_env:
            key = key_in(settings.api_key_env, where=self._name)
        headers = {"traceparent": request.traceparent} if request.traceparent else {}
        return {
            **settings.options,
            **self._wire.write_request(plain),
            "model": f"{self._prefix}/{request.model}",
            "timeout": settings.total_s,
            "num_retries": 0,  # who routes also asks again
            "max_retries": 0,
            **({"extra_headers": headers} if headers else {}),
            **({"api_key": key} if key else {}),
            **({"api_base": settings.base_url} if settings.base_url else {}),
        }

    async def _stream(
        self, chunks: AsyncIterator[Any], where: str, started: float
    ) -> AsyncGenerator[AnswerEvent, None]:
        reader, has_begun = self._wire.stream_reader(), False
        limits = self._settings
        try:
            while True:
                limit_s = limits.total_s if has_begun else limits.first_token_s
                end = started + min(limit_s, limits.total_s)
                async with self._failing(where, end, limit_s, has_begun=has_begun):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                for event in self._readable(where, partial(_read, reader, chunk)):
                    has_begun = True
                    yield event
            for event in [*reader.read(SseEvent("", "[DONE]")), *reader.end()]:
                yield event
        finally:
            if hasattr(chunks, "aclose"):
                with suppress(Exception):
                    await chunks.aclose()

    @asynccontextmanager
    async def _failing(
        self, where: str, end: float, limit_s: float, *, has_begun: bool = False
    ) -> AsyncGenerator[None, None]:
        """Say in our words what litellm raises, and give up in time."""
        try:
            async with asyncio.timeout(max(0.0, end - monotonic())):
                yield
        except TimeoutError:
            raise slow(where, limit_s, "whole answer" if has_begun else "answer") from None
        except LinesideError:
            raise
        except Exception as error:  # noqa: BLE001 # whatever a provider's own code raises
            if has_begun:
                raise failed({"message": self._text(error)}) from None
            # The error itself may carry the request with its key: only its text goes on.
            raise self._failure(error, where) from None

    def _failure(self, error: Exception, where: str) -> LinesideError:
        text, kind = self._text(error), type(error).__name__
        if kind == "Timeout":
            return slow(where, self._settings.total_s, "answer")
        status = getattr(error, "status_code", None)
        if kind == "APIConnectionError" or not isinstance(status, int):
            return down(where, text or kind)
        if status == 429:
            hear_rate_limit(None)
        code = "context_length_exceeded" if kind == "ContextWindowExceededError" else ""
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        return refused(
            status, headers, (code, text), where=where, key_from=self._settings.api_key_env
        )

    def _text(self, error: Exception) -> str:
        text = without_keys(str(error).removeprefix("litellm."))
        for key in self._keys():
            text = without_keys(text, key=key)
        return shorten(" ".join(text.split()), 400)

    def _keys(self) -> list[str]:
        """What may be the key: where no variable is named litellm takes one that it knows of."""
        named = self._settings.api_key_env
        if named is not None:
            return [os.environ.get(named, "").strip()]
        found = [value.strip() for name, value in os.environ.items() if _OF_A_KEY.search(name)]
        return [key for key in found if len(key) >= _KEY_CHARACTERS_MIN]

    @staticmethod
    def _readable(where: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (Invalid, ValidationError, TypeError, KeyError, ValueError) as error:
            raise Unavailable(
                "reply_unreadable",
                f"{where} gave an answer that cannot be read: {type(error).__name__}",
                hint="See whether another version of litellm gives one that can.",
            ) from error


def _read(reader: StreamReader, chunk: Any) -> list[AnswerEvent]:
    return [*reader.read(SseEvent("", orjson.dumps(_plain(chunk)).decode()))]


def _plain(answer: Any) -> dict[str, Any]:
    plain: dict[str, Any] = answer.model_dump(exclude_none=True, mode="json")
    return plain


def _acompletion() -> Callable[..., Any]:
    """What asks; the first time in a process it takes some ten seconds and 200 MB."""
    if find_spec("litellm") is None:
        raise Unavailable(
            "litellm_missing",
            "This provider is asked by the package `litellm`, which is not here",
            hint="Install `lineside[litellm]`, or name the provider by an address of its own.",
        )
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    litellm: Any = import_module("litellm")
    litellm.suppress_debug_info = True
    complete: Callable[..., Any] = litellm.acompletion
    return complete
