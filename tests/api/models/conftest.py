"""A running server with its model doors, and an upstream that speaks every wire."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
import uvicorn
from aiohttp import web

from api.models.fakes import running
from lineside.core import Settings
from lineside.server import build

SHAKY = 40
SCRIPT = [
    {
        "when": {"contains": {"message": "weather"}},
        "output": {
            "reasoning": "Two towns, two calls.",
            "tool_calls": [
                {"name": "weather", "arguments": {"city": "Graz"}},
                {"name": "weather", "arguments": {"city": "Linz"}},
            ],
        },
        "tokens_in": 12,
        "tokens_out": 7,
    },
    {"when": {"contains": {"message": "broken"}}, "fail": "unavailable"},
    {
        "when": {"default": True},
        "output": {"text": "Grüß Gott aus Graz."},
        "tokens_in": 5,
        "tokens_out": 4,
    },
]


@dataclass
class FakeUpstream:
    """Answers each request as a test says, by the bytes it is to send."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    by_provider: dict[str, tuple[int, str, list[Any], dict[str, str]]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    def answers_for(self, provider: str, *pieces: Any, status: int = 200) -> None:
        """What one provider, the first word of its path, answers for ever."""
        kind = "text/event-stream" if status == 200 else "application/json"
        self.by_provider[provider] = (status, kind, list(pieces), {})

    def asked_of(self, provider: str) -> int:
        """How often a provider was asked."""
        return sum(path.startswith(f"/{provider}/") for path in self.paths)

    def answer(self, body: object, *, status: int = 200) -> None:
        """Queue a whole answer; the last one is given for ever."""
        self.answers.append((status, "application/json", [orjson.dumps(body)], {}))

    def stream(self, *pieces: bytes | float | str, status: int = 200) -> None:
        """Queue a stream; a number is a pause, `hang` and `reset` are what they say."""
        self.answers.append((status, "text/event-stream", list(pieces), {}))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.paths.append(request.path_qs)
        provider = request.path.split("/")[1]
        status, kind, pieces, headers = self.by_provider.get(provider) or (
            self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        )
        response = web.StreamResponse(status=status, headers={"Content-Type": kind, **headers})
        try:
            if pieces and pieces[0] == "hang":
                await asyncio.sleep(30)
            for piece in pieces:
                if isinstance(piece, bytes):
                    if not response.prepared:
                        await response.prepare(request)
                    await response.write(piece)
                elif isinstance(piece, float):
                    await asyncio.sleep(piece)
                elif piece == "hang":
                    await asyncio.sleep(30)
                elif piece == "reset":
                    assert request.transport is not None
                    request.transport.abort()
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.append(provider)
            self.left.set()
            raise
        return response


@pytest.fixture(scope="module")
def _upstream() -> Iterator[FakeUpstream]:
    upstream = FakeUpstream()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{path:.*}", upstream.handle)
    with running(app) as upstream.url:
        yield upstream


@pytest.fixture
def upstream(_upstream: FakeUpstream) -> FakeUpstream:
    """The upstream, with nothing asked yet."""
    for kept in (_upstream.asked, _upstream.headers, _upstream.paths, _upstream.answers):
        kept.clear()
    _upstream.by_provider.clear()
    _upstream.gone.clear()
    _upstream.left.clear()
    return _upstream


@pytest.fixture(scope="module")
def gateway_yaml(_upstream: FakeUpstream) -> dict[str, Any]:
    """What `gateway.yaml` says; a provider for each wire, and two that are short of patience."""
    limits = {"first_token_s": 20, "total_s": 30, "api_key_env": "FAKE_KEY"}
    providers = {
        f"fake-{wire}": {"wire": wire, "base_url": f"{_upstream.url}/{wire}/v1", **limits}
        for wire in ("chat", "messages", "responses", "gemini")
    }
    providers["fake-chat"]["models"] = ["small"]
    # A breaker opens after some failures, so each test of failures has a provider of its own.
    shaky = {f"shaky-{at}": providers["fake-chat"] for at in range(SHAKY)}
    again = {f"again-{at}": {"targets": [f"shaky-{at}/m"], "retries_max": 1} for at in range(SHAKY)}
    for name, hasty in {"first": {"first_token_s": 0.5}, "whole": {"total_s": 3}}.items():
        shaky[f"hasty-{name}"] = providers["fake-chat"] | hasty
        again[f"hasty-{name}"] = {"targets": [f"hasty-{name}/m"], "retries_max": 1}
    return {
        "providers": providers | shaky,
        "scripted": {"play": {"file": "play.jsonl"}},
        "routes": {
            "kept": {"targets": ["fake-chat/kept"], "cache_s": 60},
            "alike": {"targets": ["fake-chat/alike"], "cache_s": 60, "semantic_cache": True},
            "near": {
                "targets": ["fake-chat/near"],
                "cache_s": 60,
                "semantic_cache": True,
                "semantic_similarity_min": 0.8,
            },
            "fast": {"targets": ["shaky-0/one", "fake-messages/two"], "retries_max": 0},
            **again,
        },
    }


@pytest.fixture(scope="module")
def home(
    made_folder: Path, tmp_path_factory: pytest.TempPathFactory, gateway_yaml: dict[str, Any]
) -> Iterator[Path]:
    """State folder of the server, with what its gateway knows."""
    import shutil

    patch = pytest.MonkeyPatch()
    patch.setenv("FAKE_KEY", "sk-fake-0123456789abcdef")
    home = shutil.copytree(made_folder, tmp_path_factory.mktemp("models") / "home")
    (home / "gateway.yaml").write_text(json.dumps(gateway_yaml))
    (home / "play.jsonl").write_text("\n".join(map(json.dumps, SCRIPT)))
    yield home
    patch.undo()


@pytest.fixture(scope="module")
def settings_more() -> dict[str, Any]:
    """What the settings of the server say beside the usual."""
    return {}


@pytest.fixture(scope="module")
def server(home: Path, settings_more: dict[str, Any]) -> Iterator[str]:
    """Address of a real server, over a real socket, so that hanging up is a real hanging up."""
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0, **settings_more))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def openai_client(server: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server}/v1", api_key="local", max_retries=0)


@pytest.fixture(scope="module")
def anthropic_client(server: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server, api_key="local", max_retries=0)
