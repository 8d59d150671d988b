"""A real server for applications to send to, and a scripted one for what is seldom said."""

import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lineside.apps import open_line
from lineside.core import Settings
from lineside.trust import local_scope
from lineside.usecases import read_folder, register
from sdk.collector import Collector


class Server(NamedTuple):
    """A running `lineside up`, where a use case `triage` is known."""

    url: str
    home: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("sdk")
    home, log = place / "home", place / "server.log"
    lineside = [sys.executable, "-m", "lineside"]
    subprocess.run(
        [*lineside, "init", "triage", "--template", "predict-extract", "--yes"],
        env=os.environ | {"LINESIDE_HOME": str(home)},
        cwd=place,
        check=True,
        capture_output=True,
    )
    store = open_line(Settings(home=home))
    register(local_scope(store), read_folder(place / "triage"))
    store.close()
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*lineside, "up", "--port", str(port)],
            env=os.environ | {"LINESIDE_HOME": str(home), "LINESIDE_FLUSH_SECONDS": "0.1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Server(url, home)
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        process.wait(20)


class Ran(NamedTuple):
    """What an application printed, said in its log, and how long it took."""

    lines: list[str]
    log: str
    seconds: float


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a small application in a process of its own."""

    def run(code: str, **environment: str) -> Ran:
        began = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            env=os.environ | {"LINESIDE_HOME": str(tmp_path / "none")} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return Ran(ran.stdout.splitlines(), ran.stderr, time.monotonic() - began)

    return run


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    yield opened
    opened.close()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
