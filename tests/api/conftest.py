"""A running server's doors, without a socket."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.server import build


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[TestClient]:
    """One server for all tests of a file: each sends traces with ids of its own."""
    home = tmp_path_factory.mktemp("api") / "home"
    settings = Settings(
        home=home, flush_seconds=0.05, otlp_bytes_max=4 * 1024 * 1024, otlp_grpc_port=0
    )
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client
