"""Faults of the wire: what the sender is told, and what can be read back afterwards."""

import asyncio
import base64
import gzip
import json
import resource
import secrets
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient
from starlette.types import Message

from lineside.apps import open_line
from lineside.core import Settings
from lineside.server import build
from lineside.store import Store
from lineside.trust import create_key, local_scope, members

MIB = 1024 * 1024
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}


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


def in_protobuf(trace_id: str, change: Callable[[Span], object] = lambda _: None) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="step")
    span.trace_id, span.span_id = bytes.fromhex(trace_id), b"spanspan"
    change(span)
    return bytes(request.SerializeToString())


def in_json(*spans: dict[str, Any]) -> bytes:
    whole = [{"spanId": "ab" * 8, "name": "step"} | span for span in spans]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": whole}]}]}).encode()


def found(client: TestClient, trace_id: str, **headers: str) -> list[dict[str, Any]]:
    answer = client.get(f"/api/traces/{trace_id}", headers=headers)
    return answer.json() if answer.status_code == 200 else []


def kept(client: TestClient, store: Store, trace_id: str) -> dict[str, Any]:
    """The one step of a trace, which reads the same while it waits and in the lake."""
    (waiting,) = found(client, trace_id)
    store.flusher.flush()
    (in_lake,) = found(client, trace_id)
    assert in_lake == waiting
    return in_lake


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


def test_invalid_utf8_is_a_400_that_says_so(client: TestClient, trace_id: str) -> None:
    marked = in_protobuf(trace_id, lambda span: span.attributes.add(key="note12"))
    broken = marked.replace(b"note12", b"note\xff\xfe")
    text = in_json({"traceId": trace_id, "name": "caf~"}).replace(b"~", b"\xe9")

    binary = client.post("/v1/traces", content=broken, headers=PROTOBUF)
    latin = client.post("/v1/traces", content=text, headers=JSON)

    assert (binary.status_code, latin.status_code) == (400, 400)
    assert "its texts in UTF-8" in Status.FromString(binary.content).message
    assert "JSON in UTF-8" in latin.json()["message"]
    assert found(client, trace_id) == []


def test_half_a_surrogate_does_not_take_its_neighbours_along(
    client: TestClient, store: Store, trace_id: str
) -> None:
    """JavaScript cuts texts between the two halves of a sign and writes the half as an escape."""
    other = secrets.token_hex(16)
    body = in_json({"traceId": trace_id, "name": "cut \ud83d"}, {"traceId": other})

    answer = client.post("/v1/traces", content=body, headers=JSON)

    assert answer.status_code == 200
    assert kept(client, store, other)["name"] == "step"
    assert kept(client, store, trace_id)["name"].startswith("cut ")


def test_ids_in_base64_are_the_same_ids(client: TestClient, store: Store, trace_id: str) -> None:
    encoded = base64.b64encode(bytes.fromhex(trace_id)).decode()
    span = {"traceId": encoded, "spanId": base64.b64encode(b"spanspan").decode()}

    answer = client.post("/v1/traces", content=in_json(span), headers=JSON)

    assert (answer.status_code, answer.json()) == (200, {})
    assert kept(client, store, trace_id)["span_id"] == b"spanspan".hex()


def test_ids_of_zeros_are_refused_by_name_and_their_neighbours_kept(
    client: TestClient, trace_id: str
) -> None:
    spans = (
        {"traceId": trace_id, "parentSpanId": "0" * 16},
        {"traceId": "0" * 32, "name": "no trace"},
        {"traceId": trace_id, "spanId": "0" * 16, "name": "no span"},
    )

    answer = client.post("/v1/traces", content=in_json(*spans), headers=JSON)

    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "2")
    assert "trace_id is all zeros, such as `no trace`" in partial["errorMessage"]
    assert "span_id is all zeros, such as `no span`" in partial["errorMessage"]
    (only,) = found(client, trace_id)
    assert (only["name"], only["parent_span_id"]) == ("step", None)
    assert found(client, "0" * 32) == []


# --- Values at their limits --------------------------------------------------------------------


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_an_attribute_of_a_mebibyte_comes_back_whole(
    client: TestClient, store: Store, trace_id: str, headers: dict[str, str]
) -> None:
    long = "Grüße " * (MIB // 8)

    def add(span: Span) -> None:
        span.attributes.add(key="long").value.string_value = long

    pair = {"key": "long", "value": {"stringValue": long}}
    body = (
        in_protobuf(trace_id, add)
        if headers is PROTOBUF
        else in_json({"traceId": trace_id, "attributes": [pair]})
    )

    assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
    assert kept(client, store, trace_id)["raw"]["attributes"]["long"] == long


def test_ten_thousand_attributes_come_back_all(
    client: TestClient, store: Store, trace_id: str
) -> None:
    def add(span: Span) -> None:
        for number in range(10_000):
            span.attributes.add(key=f"key.{number}").value.int_value = number

    answer = client.post("/v1/traces", content=in_protobuf(trace_id, add), headers=PROTOBUF)

    assert answer.status_code == 200
    attributes = kept(client, store, trace_id)["raw"]["attributes"]
    assert attributes == {f"key.{number}": number for number in range(10_000)}


def test_what_is_no_number_is_kept_as_the_word_for_it(
    client: TestClient, store: Store, trace_id: str
) -> None:
    values = {"nan": float("nan"), "up": float("inf"), "down": float("-inf")}
    text = secrets.token_hex(16)

    def add(span: Span) -> None:
        for key, value in values.items():
            span.attributes.add(key=key).value.double_value = value

    pairs = [{"key": key, "value": {"doubleValue": value}} for key, value in values.items()]
    told = [
        client.post("/v1/traces", content=in_protobuf(trace_id, add), headers=PROTOBUF),
        client.post(
            "/v1/traces", content=in_json({"traceId": text, "attributes": pairs}), headers=JSON
        ),
    ]

    assert [answer.status_code for answer in told] == [200, 200]
    for one in (trace_id, text):
        assert kept(client, store, one)["raw"]["attributes"] == {
            "nan": "NaN",
            "up": "Infinity",
            "down": "-Infinity",
        }


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "year"),
    [(0, 0, 1970), (1, 2, 1970), (3_800_000_000 * 10**9, 3_800_000_001 * 10**9, 2090)],
    ids=["no clock", "1970", "2090"],
)
def test_a_wrong_clock_is_kept_as_it_was_and_the_trace_is_found(
    client: TestClient, store: Store, trace_id: str, start_ns: int, end_ns: int, year: int
) -> None:
    def at(span: Span) -> None:
        span.start_time_unix_nano, span.end_time_unix_nano = start_ns, end_ns

    answer = client.post("/v1/traces", content=in_protobuf(trace_id, at), headers=PROTOBUF)

    assert answer.status_code == 200
    span = kept(client, store, trace_id)
    assert span["started_at"].startswith(f"{year}-")
    assert (span["raw"]["start_ns"], span["raw"]["end_ns"]) == (start_ns, end_ns)
    listed = client.get("/api/traces", params={"limit": 500}).json()["traces"]
    assert trace_id in [trace["trace_id"] for trace in listed]


def test_the_last_moment_that_fits_is_no_fault(
    client: TestClient, store: Store, trace_id: str
) -> None:
    def at(span: Span) -> None:
        span.start_time_unix_nano, span.end_time_unix_nano = 2**64 - 1, 0

    answer = client.post("/v1/traces", content=in_protobuf(trace_id, at), headers=PROTOBUF)

    assert answer.status_code == 200
    assert kept(client, store, trace_id)["attributes"] == {"clock": "no_end"}


# --- Nesting -----------------------------------------------------------------------------------


def nested_in_json(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "bottom"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return value


def nested_in_protobuf(value: AnyValue, depth: int) -> None:
    for _ in range(depth):
        value = value.array_value.values.add()
    value.string_value = "bottom"


def test_deep_nesting_in_json_costs_one_span(client: TestClient, trace_id: str) -> None:
    deep = [{"key": "deep", "value": nested_in_json(60)}]
    spans = (
        {"traceId": trace_id, "name": "deep", "attributes": deep},
        {"traceId": trace_id, "spanId": "cd" * 8},
    )

    answer = client.post("/v1/traces", content=in_json(*spans), headers=JSON)

    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "1")
    assert "nests deeper than 32, such as `deep`" in partial["errorMessage"]
    assert [span["name"] for span in found(client, trace_id)] == ["step"]


def test_deep_nesting_in_protobuf_is_cut_where_it_becomes_too_deep(
    client: TestClient, store: Store, trace_id: str
) -> None:
    def deep(span: Span) -> None:
        nested_in_protobuf(span.attributes.add(key="deep").value, 40)

    answer = client.post("/v1/traces", content=in_protobuf(trace_id, deep), headers=PROTOBUF)

    assert answer.status_code == 200
    assert "(nested too deeply)" in str(kept(client, store, trace_id)["raw"]["attributes"]["deep"])


@pytest.mark.parametrize("headers", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_bottomless_nesting_is_a_400_and_no_crash(
    client: TestClient, trace_id: str, headers: dict[str, str]
) -> None:
    if headers is JSON:
        body = b'{"resourceSpans":' + b"[" * 200_000
    else:
        body = b""
        for _ in range(5_000):  # an array in an array in an array, by hand
            inner = b"\x0a" + varint(len(body)) + body
            body = b"\x2a" + varint(len(inner)) + inner
        pair = b"\x0a\x01k\x12" + varint(len(body)) + body
        body = b"\x4a" + varint(len(pair)) + pair
        for _ in range(3):
            body = b"\x12" + varint(len(body)) + body
        body = b"\x0a" + body[1:]

    answer = client.post("/v1/traces", content=body, headers=headers)

    assert answer.status_code == 400
    assert client.get("/healthz").status_code == 200


def test_nesting_inside_of_a_text_is_the_texts_own_business(
    client: TestClient, store: Store, trace_id: str
) -> None:
    text = "[" * 50_000 + "]" * 50_000

    def add(span: Span) -> None:
        for key in ("gen_ai.input.messages", "input.value", "gen_ai.tool.call.arguments"):
            span.attributes.add(key=key).value.string_value = text

    answer = client.post("/v1/traces", content=in_protobuf(trace_id, add), headers=PROTOBUF)

    assert answer.status_code == 200
    assert kept(client, store, trace_id)["raw"]["attributes"]["input.value"] == text


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


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
