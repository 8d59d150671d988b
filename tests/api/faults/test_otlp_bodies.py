"""Faults of the wire: what the sender is told, and what can be read back afterwards."""

import asyncio
import gzip
import resource
import secrets
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from starlette.testclient import TestClient
from starlette.types import Message

from api.faults.odd_spans import JSON, MIB, PROTOBUF, found, in_json, in_protobuf, kept
from lineside.apps import open_line
from lineside.core import Settings
from lineside.server import build
from lineside.store import Store
from lineside.trust import create_key, local_scope, members


def memory_mib() -> float:
    """The most this process has had so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


# --- Compression -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_body_cut_short_is_a_400_and_nothing_of_it_is_kept(
    client: TestClient, trace_id: str, encoding: str
) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    body = pack(in_protobuf(trace_id))
    headers = PROTOBUF | {"content-encoding": encoding}

    for cut in (body[: len(body) // 2], body[:-1], body[:1]):
        answer = client.post("/v1/traces", content=cut, headers=headers)
        status = Status.FromString(answer.content)
        assert (answer.status_code, status.code) == (400, 3)
        assert f"could not be unpacked as {encoding}" in status.message
        assert "Nothing was kept" in status.message
    assert found(client, trace_id) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_each_compression_is_read(
    client: TestClient, store: Store, trace_id: str, encoding: str
) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    headers = PROTOBUF | {"content-encoding": encoding}

    answer = client.post("/v1/traces", content=pack(in_protobuf(trace_id)), headers=headers)

    assert (answer.status_code, answer.content) == (200, b"")
    assert kept(client, store, trace_id)["name"] == "step"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_a_413_at_once_and_costs_no_memory(
    client: TestClient, trace_id: str, encoding: str
) -> None:
    bomb = bomb_of(400 * MIB, encoding)
    before, began = memory_mib(), time.monotonic()

    answer = client.post(
        "/v1/traces", content=bomb, headers=PROTOBUF | {"content-encoding": encoding}
    )

    status = Status.FromString(answer.content)
    assert len(bomb) < MIB
    assert (answer.status_code, status.code) == (413, 8)
    assert status.message == (
        "The body is larger than 20,971,520 bytes, unpacked. Send fewer spans at once."
    )
    assert "retry-after" not in answer.headers
    assert time.monotonic() - began < 2
    assert memory_mib() - before < 100
    assert found(client, trace_id) == []


def bomb_of(size: int, encoding: str) -> bytes:
    """So many zeros, packed piece by piece: the test itself must not need the memory."""
    packer: Any = {
        "gzip": zlib.compressobj(9, wbits=31),
        "deflate": zlib.compressobj(9),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }[encoding]
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(size // MIB)) + bytes(packer.flush())


# --- Bodies that are not what they say ---------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"\xff" * 9, b"\x0a\xff\xff\xff\xff\x7f", b"{}", secrets.token_bytes(4_000), b"\x0a"],
    ids=["ones", "false length", "JSON", "noise", "one byte"],
)
def test_protobuf_garbage_is_a_400_with_a_status(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/traces", content=body, headers=PROTOBUF)

    status = Status.FromString(answer.content)
    assert (answer.status_code, status.code) == (400, 3)
    assert "not an OTLP traces message in protobuf" in status.message
    assert answer.headers["content-type"] == "application/x-protobuf"


# --- Senders that go, senders that come too fast, senders of somebody else ---------------------


def test_a_sender_that_hangs_up_half_way_leaves_nothing_behind(
    client: TestClient, trace_id: str
) -> None:
    body = in_protobuf(trace_id)
    pieces: list[Message] = []
    answers: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0) if pieces else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/traces",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/x-protobuf")],
    }
    for _ in range(20):
        pieces[:] = [  # all of the body, but never its end
            {"type": "http.request", "body": body, "more_body": True},
            {"type": "http.disconnect"},
        ]
        asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type] # Starlette itself

    assert 200 not in [answer.get("status") for answer in answers]
    assert found(client, trace_id) == []
    again = client.post("/v1/traces", content=body, headers=PROTOBUF)
    assert again.status_code == 200
    assert len(found(client, trace_id)) == 1


def test_when_too_much_waits_it_is_sent_again_and_taken_after_a_flush(
    tmp_path: Path, trace_id: str
) -> None:
    settings = Settings(
        home=tmp_path / "home", flush_seconds=3_600, inbox_rows_max=1, otlp_grpc_port=0
    )
    first = in_json(*({"traceId": "ab" * 16, "spanId": f"{number:016x}"} for number in (1, 2)))
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        assert client.post("/v1/traces", content=first, headers=JSON).status_code == 200
        for headers, body in (
            (JSON, in_json({"traceId": trace_id})),
            (PROTOBUF, in_protobuf(trace_id)),
        ):
            full = client.post("/v1/traces", content=body, headers=headers)
            assert (full.status_code, full.headers["retry-after"]) == (503, "2")
            assert b"2 rows wait for the lake, the limit is 1" in full.content
        assert found(client, trace_id) == []

        flushing = open_line(settings)
        flushing.flusher.flush()
        flushing.close()
        time.sleep(float(full.headers["retry-after"]))
        taken = client.post("/v1/traces", content=in_protobuf(trace_id), headers=PROTOBUF)

        assert taken.status_code == 200
        assert len(found(client, trace_id)) == 1
        assert len(found(client, "ab" * 16)) == 2


def test_the_key_of_another_workspace_sees_and_writes_nothing_here(
    client: TestClient, store: Store, trace_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(members, "DEFAULT", "theirs")
        other = local_scope(store)
    _, secret = create_key(other, "theirs", rights={"ingest", "read"})
    theirs = {"authorization": f"Bearer {secret}"}
    mine, of_them = trace_id, secrets.token_hex(16)

    client.post("/v1/traces", content=in_protobuf(mine), headers=PROTOBUF)
    sent = client.post("/v1/traces", content=in_protobuf(of_them), headers=PROTOBUF | theirs)
    # The very ids of a step of ours: theirs must neither replace it nor be taken for it.
    same = client.post(
        "/v1/traces",
        content=in_protobuf(mine, lambda span: setattr(span, "name", "theirs")),
        headers=PROTOBUF | theirs,
    )

    assert (sent.status_code, same.status_code) == (200, 200)
    for _ in range(2):
        assert [span["name"] for span in found(client, mine)] == ["step"]
        assert found(client, of_them) == []
        assert [span["name"] for span in found(client, of_them, **theirs)] == ["step"]
        assert [span["name"] for span in found(client, mine, **theirs)] == ["theirs"]
        store.flusher.flush()
