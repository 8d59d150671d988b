"""A server with the limits that people get, and its store."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import open_line
from lineside.core import Settings
from lineside.server import build
from lineside.store import Store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "home"


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    """A server with the limits that people get; what waits is flushed when a test says so."""
    settings = Settings(home=home, flush_seconds=3_600, otlp_grpc_port=0)
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def store(home: Path, client: TestClient) -> Iterator[Store]:
    """The store of that server, as another process has it open."""
    opened = open_line(Settings(home=home))
    yield opened
    opened.close()


@pytest.fixture
def trace_id() -> str:
    return secrets.token_hex(16)
