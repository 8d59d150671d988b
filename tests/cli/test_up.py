"""The server as a process of its own, since signals and ports belong to processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


class Server:
    def __init__(self, home: Path, port: int, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lineside", "up", "--port", str(port), *arguments],
            env=os.environ | {"LINESIDE_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def first_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self, by: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(by)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def server(place: Path, port: int) -> Iterator[Server]:
    started = Server(place / "home", port)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate()


def test_up_says_where_it_is_serves_and_stops_in_order(
    lineside, server: Server, place: Path, port: int
) -> None:
    address = f"http://127.0.0.1:{port}"
    assert server.first_line() == f"lineside is at {address} (stop it with Ctrl-C)\n"
    with urllib.request.urlopen(f"{address}/healthz", timeout=10) as health:
        assert json.load(health)["status"] == "ok"

    with socket.create_server(("127.0.0.1", 0)) as free:
        other_port = free.getsockname()[1]
    for wanted in (port, other_port):
        refused = lineside("up", "--port", str(wanted))
        assert refused.code == 1
        assert f"A server already runs on `{place / 'home'}`: {address}" in refused.err
        assert "hint: Use that one" in refused.err
    examined = lineside("doctor")
    assert f"the server at {address} moves them" in examined.out

    code, errors = server.stop(signal.SIGTERM)
    assert code == 0
    assert errors == "Stopped; what was accepted is kept\n"


def test_a_taken_grpc_port_is_said_at_the_start_and_by_the_doctor(
    lineside, place: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setenv("LINESIDE_OTLP_GRPC_PORT", str(taken))
        before = lineside("doctor")
        server = Server(place / "home", port)
        server.first_line()
        while_running = lineside("doctor")
        code, errors = server.stop(signal.SIGTERM)

    assert f"! gRPC port     Port {taken} on 127.0.0.1 is taken" in before.out
    said = f"No OTLP over gRPC at 127.0.0.1:{taken}: the port is taken"
    assert f"! gRPC port     {said}" in while_running.out
    assert code == 0
    assert f"{said}; everything else works\nhint: Set LINESIDE_OTLP_GRPC_PORT" in errors


def test_ctrl_c_stops_it_too(server: Server) -> None:
    server.first_line()

    code, errors = server.stop(signal.SIGINT)

    assert code == 0
    assert "Traceback" not in errors


def test_commands_find_the_server_of_their_folder_by_whichever_port(
    lineside, server: Server, port: int
) -> None:
    assert str(port) in server.first_line()

    probed = lineside("guards", "probe")

    assert probed.code == 0
    assert "probes held back" in probed.out  # doors of the server; this process has none


def test_a_taken_port_is_told_with_its_holder_and_another_port(lineside) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = lineside("up", "--port", str(port))

    assert refused.code == 1
    assert f"error: Port {port} on 127.0.0.1 is taken" in refused.err
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in refused.err
    assert f"hint: Stop that process, or take another port: `lineside up --port {port + 1}`" in (
        refused.err
    )


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "example.org"])
def test_an_address_others_can_reach_is_refused(lineside, place: Path, host: str) -> None:
    refused = lineside("up", "--host", host)

    assert refused.code == 1
    assert "error: lineside will not listen on" in refused.err
    assert not (place / "home").exists()
