"""Values that are broken, huge, bottomless or out of range cost one span at most."""

import base64
import secrets
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient

from api.faults.odd_spans import JSON, MIB, PROTOBUF, found, in_json, in_protobuf, kept
from lineside.store import Store


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
