import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from starlette.testclient import TestClient

from api.models.conftest import FakeUpstream
from api.models.fakes import running
from lineside.core import Settings
from lineside.server import build

ANSWERS = {
    "chat": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Mark: [EMAIL_1]"},
                "finish_reason": "stop",
            }
        ],
    },
    "messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Mark: [EMAIL_1]"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "responses": {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Mark: [EMAIL_1]", "annotations": []}],
            }
        ],
    },
}


@pytest.fixture
def guarded_folder(make_folder: Callable[..., Path]) -> Callable[[str], Path]:
    """A use case with guards of one's own choice; its model knows the messages it is told of."""

    def make(guards: str, **files: str) -> Path:
        folder = make_folder()
        for name, content in files.items():
            (folder / f"{name}.py").write_text(content)
        with (folder / "usecase.yaml").open("a") as manifest:
            manifest.write(f"\nguards:\n{guards}")
        return folder

    return make


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    upstream = FakeUpstream()
    app = web.Application()
    app.router.add_post("/{path:.*}", upstream.handle)
    with running(app) as upstream.url:
        for wire, answer in ANSWERS.items():
            pieces = [json.dumps(answer).encode()]
            upstream.by_provider[wire] = (200, "application/json", pieces, {})
        yield upstream


@pytest.fixture(scope="module")
def doors_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def doors(upstream: FakeUpstream, doors_home: Path) -> Iterator[TestClient]:
    """A server whose plain models are served by the upstream, by wire, and are guarded."""
    patch = pytest.MonkeyPatch()
    patch.setenv("FAKE_KEY", "sk-fake-0123456789abcdef")
    home = doors_home
    providers = {
        wire: {"wire": wire, "base_url": f"{upstream.url}/{wire}/v1", "api_key_env": "FAKE_KEY"}
        for wire in ANSWERS
    }
    (home / "gateway.yaml").write_text(json.dumps({"providers": providers}))
    (home / "guards.yaml").write_text("input: [mask_pii, no_secrets]\n")
    patch.setattr("lineside.apps.guards_file._LOOK_SECONDS", 0)
    app = build(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client
    patch.undo()
