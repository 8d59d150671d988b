"""A model endpoint on loopback that plays what a test scripts."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gateway.small_model import KEY, QUICK, Opened, setup_of
from lineside.gateway import Model
from lineside.gateway.prompted import PromptedProvider


@dataclass(frozen=True)
class Played:
    status: int
    body: bytes
    headers: dict[str, str]
    delay_s: float = 0.0


@dataclass
class Endpoint:
    """Plays replies in order, the last one for ever, and keeps every request it got."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    _script: list[Played] = field(default_factory=list)
    _at_once: int = 0
    at_once_max: int = 0

    def plays(
        self,
        body: object,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        delay_s: float = 0.0,
    ) -> "Endpoint":
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        self._script.append(Played(status, raw, {"Content-Type": kind, **(headers or {})}, delay_s))
        return self

    def answers(self, content: object, *, delay_s: float = 0.0, **changes: Any) -> "Endpoint":
        text = content if isinstance(content, str) or content is None else json.dumps(content)
        message = {"role": "assistant", "content": text, "refusal": changes.pop("refusal", None)}
        reason = changes.pop("finish_reason", "stop")
        reply = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": "small-2026-01-01",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
        return self.plays({**reply, **changes}, delay_s=delay_s)

    def fails(
        self,
        status: int,
        *,
        headers: dict[str, str] | None = None,
        text: str = "no",
        code: str = "",
    ) -> "Endpoint":
        error = {"message": text, "type": "error", "param": None, "code": code or None}
        return self.plays({"error": error}, status=status, headers=headers)

    async def handle(self, request: web.Request) -> web.Response:
        played = self._script[min(len(self.requests), len(self._script) - 1)]
        self.requests.append(
            {
                "path": request.path,
                "headers": dict(request.headers),
                "body": await request.json(),
                "at_s": time.monotonic(),
            }
        )
        self._at_once += 1
        self.at_once_max = max(self.at_once_max, self._at_once)
        await asyncio.sleep(played.delay_s)
        self._at_once -= 1
        return web.Response(status=played.status, body=played.body, headers=played.headers)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A real server in a thread of its own, so that a test may use any event loop, or none."""
    endpoint = Endpoint()
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/v1/{path:.*}", endpoint.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        loops.append(asyncio.get_running_loop())
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    yield endpoint
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(10)


@pytest.fixture
def folder() -> Callable[[Mapping[str, str | bytes]], Callable[[str], bytes]]:
    """Makes `ModelSetup.read_file` over files that a test writes down as a mapping."""
    from lineside.core import NotFound

    def of(files: Mapping[str, str | bytes]) -> Callable[[str], bytes]:
        def read(path: str) -> bytes:
            if path not in files:
                raise NotFound("no_such_file", f"No file `{path}` in the use case folder")
            content = files[path]
            return content.encode() if isinstance(content, str) else content

        return read

    return of


@pytest.fixture
def openai_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def opened(endpoint: Any, folder: Any) -> Opened:
    def of(*, prompt: str | None = "Name the topic.", **options: Any) -> Model:
        schemas = {
            name: options.pop(name) for name in ("input_schema", "output_schema") if name in options
        }
        limits = {"timeout_s": 2.0, "retries_max": 2}
        given = {"base_url": endpoint.url, "api_key_env": "OPENAI_API_KEY", **limits, **options}
        options = {name: value for name, value in given.items() if value is not None}
        return PromptedProvider("openai", QUICK).open(
            setup_of(folder, prompt=prompt, options=options, **schemas)
        )

    return of
