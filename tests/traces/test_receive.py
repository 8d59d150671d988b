"""What the receiver keeps and what it refuses, by way of its front door."""

import base64
import gzip
import tracemalloc
import zlib
from typing import Any

import orjson
import pytest
import zstandard

from lineside.core import Invalid, Settings, Unavailable
from lineside.store import Store, open_store
from lineside.traces import get_trace, open_traces, receive
from lineside.trust import Scope, local_scope
from traces.otlp_messages import MIB, SPAN, TRACE, attributes, kept, message, protobuf, take


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def test_json_and_protobuf_of_one_span_are_kept_alike(scope: Scope) -> None:
    times = {
        "start_time_unix_nano": 1_700_000_000_000_000_000,
        "end_time_unix_nano": 1_700_000_001 * 10**9,
    }
    take(scope, protobuf(**times).SerializeToString(), media_type=receive.PROTOBUF)
    other = "ab" * 16
    take(scope, message({"traceId": other, "scope": {}, **times}))

    first, second = kept(scope), kept(scope, other)

    assert (first.name, first.duration_ms) == ("step", 1000.0)
    assert (second.started_at, second.duration_ms) == (first.started_at, first.duration_ms)


def test_a_span_sent_twice_is_there_once_before_and_after_the_flush(scope: Scope) -> None:
    take(scope, message())
    take(scope, message())
    assert len(get_trace(scope, TRACE)) == 1

    scope.store.flusher.flush()
    take(scope, message())
    assert len(get_trace(scope, TRACE)) == 1

    scope.store.flusher.flush()
    assert len(get_trace(scope, TRACE)) == 1


def test_steps_may_come_without_their_parent_and_the_parent_later(scope: Scope) -> None:
    child = {"spanId": "b" * 16, "parentSpanId": SPAN, "startTimeUnixNano": 2_000}
    take(scope, message(child))
    assert kept(scope).parent_span_id == SPAN

    take(scope, message({"startTimeUnixNano": 1_000}))
    assert [span.span_id for span in get_trace(scope, TRACE)] == [SPAN, "b" * 16]


@pytest.mark.parametrize(
    "written",
    [
        {"trace_id": TRACE, "span_id": SPAN, "traceId": None, "spanId": None},
        {"traceId": TRACE.upper(), "spanId": SPAN.upper()},
        {
            "traceId": base64.b64encode(bytes.fromhex(TRACE)).decode(),
            "spanId": base64.b64encode(bytes.fromhex(SPAN)).decode().rstrip("="),
        },
        {"startTimeUnixNano": "1700000000000000000", "kind": "SPAN_KIND_CLIENT", "x": {"y": 1}},
        {"startTimeUnixNano": 1700000000000000000, "kind": 3, "status": {"code": "2"}},
        {"status": {"code": "STATUS_CODE_ERROR", "message": "no"}, "parentSpanId": "0" * 16},
    ],
)
def test_json_is_read_as_its_senders_write_it(scope: Scope, written: dict[str, Any]) -> None:
    receipt = take(scope, message(written))

    assert (receipt.kept, receipt.refused) == (1, 0)
    assert (kept(scope).span_id, kept(scope).parent_span_id) == (SPAN, None)
    assert (kept(scope).status == "error") is ("status" in written)


def test_attributes_of_every_type_come_back_as_they_were_sent(scope: Scope) -> None:
    values: dict[str, Any] = {
        "text": {"stringValue": "héllo"},
        "count": {"intValue": "9007199254740993"},
        "share": {"double_value": 0.5},
        "yes": {"boolValue": True},
        "list": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "a"}]}},
        "map": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 2}}]}},
        "bytes": {"bytesValue": "AAE="},
        "nothing": {},
    }
    pairs = [{"key": key, "value": value} for key, value in values.items()]
    take(scope, message({"attributes": pairs}))

    raw = kept(scope).raw
    assert raw is not None
    assert raw["attributes"] == {
        "text": "héllo",
        "count": 9007199254740993,
        "share": 0.5,
        "yes": True,
        "list": [1, "a"],
        "map": {"a": 2},
        "bytes": "AAE=",
        "nothing": None,
    }


def test_not_a_number_is_kept_as_its_word(scope: Scope) -> None:
    request = protobuf()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="score").value.double_value = float("nan")
    take(scope, request.SerializeToString(), media_type=receive.PROTOBUF)
    other = "ab" * 16
    pair = {"key": "score", "value": {"doubleValue": float("nan")}}
    take(scope, message({"traceId": other, "attributes": [pair]}))

    for found in (kept(scope), kept(scope, other)):
        assert found.raw is not None
        assert found.raw["attributes"] == {"score": "NaN"}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"traceId": "0" * 32}, "trace_id is all zeros"),
        ({"spanId": "0" * 16}, "span_id is all zeros"),
        ({"traceId": "abcd"}, "trace_id has 3 bytes, expected 16"),
        ({"spanId": None}, "span_id is missing"),
        ({"spanId": "not an id!"}, "span_id is neither hexadecimal nor base64"),
        ({"startTimeUnixNano": "soon"}, "start time is not a whole number"),
        ({"endTimeUnixNano": 2**64}, "end time does not fit 64 bits"),
        ({"attributes": 5}, "attributes is int, expected a list"),
        ({"attributes": [{"key": "a", "value": {"intValue": 2**63}}]}, "does not fit 64 bits"),
        ({"events": ["x"]}, "an item of events is str"),
    ],
)
def test_a_bad_span_is_named_and_its_neighbour_kept(
    scope: Scope, wrong: dict[str, Any], reason: str
) -> None:
    receipt = take(scope, message({"name": "good"}, {"name": "bad"} | wrong))

    assert (receipt.kept, receipt.refused) == (1, 1)
    assert receipt.why.startswith("1 of 2 spans were refused: 1 because ")
    assert reason in receipt.why
    assert "`bad`" in receipt.why
    assert kept(scope).name == "good"


def test_short_and_zero_ids_in_protobuf_are_counted_by_reason(scope: Scope) -> None:
    request = protobuf(trace_id=bytes(16))
    spans = request.resource_spans[0].scope_spans[0].spans
    spans.add().CopyFrom(spans[0])
    spans.add(trace_id=b"x" * 16, span_id=b"short", name="cut")

    receipt = take(scope, request.SerializeToString(), media_type=receive.PROTOBUF)

    assert (receipt.kept, receipt.refused) == (0, 3)
    assert f"2 because trace_id is all zeros, such as `step` ({SPAN})" in receipt.why
    assert "1 because span_id has 5 bytes, expected 8, such as `cut`" in receipt.why


def test_a_span_that_ends_before_it_starts_is_kept(scope: Scope) -> None:
    receipt = take(scope, message({"startTimeUnixNano": 5_000, "endTimeUnixNano": 1_000}))

    assert (receipt.kept, receipt.refused) == (1, 0)
    assert kept(scope).name == "step"


@pytest.mark.parametrize("year", [1970, 2090])
def test_a_clock_that_is_decades_off_is_kept_as_it_was(scope: Scope, year: int) -> None:
    start = (year - 1970) * 31_557_600 * 10**9
    take(scope, message({"startTimeUnixNano": start, "endTimeUnixNano": start + 1_000_000}))
    assert kept(scope).started_at.year == year

    scope.store.flusher.flush()
    assert (kept(scope).started_at.year, kept(scope).duration_ms) == (year, 1.0)


def test_a_large_attribute_and_ten_thousand_small_ones_are_kept_whole(scope: Scope) -> None:
    pairs = attributes(large="x" * MIB, **{f"a{number}": "v" for number in range(10_000)})
    take(scope, message({"attributes": pairs}))
    scope.store.flusher.flush()

    raw = kept(scope).raw
    assert raw is not None
    assert len(raw["attributes"]) == 10_001
    assert raw["attributes"]["large"] == "x" * MIB


def test_nesting_without_end_is_refused_and_named(scope: Scope) -> None:
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(100):
        value = {"arrayValue": {"values": [value]}}
    receipt = take(scope, message({"attributes": [{"key": "deep", "value": value}]}))

    assert (receipt.kept, receipt.refused) == (0, 1)
    assert "an attribute nests deeper than 32" in receipt.why


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress),
        ("GZIP", lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:])),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
        ("zstd", zstandard.compress),
        ("identity", bytes),
    ],
)
def test_a_body_is_unpacked(scope: Scope, encoding: str, packed: Any) -> None:
    assert take(scope, packed(message()), encoding=encoding).kept == 1


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("zstd", zstandard.compress), ("deflate", zlib.compress)],
)
def test_a_body_cut_short_is_refused_whole(scope: Scope, encoding: str, pack: Any) -> None:
    with pytest.raises(Invalid, match=f"could not be unpacked as {encoding}"):
        take(scope, pack(message())[:-3], encoding=encoding)
    assert get_trace(scope, TRACE) == []


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate"])
def test_a_bomb_is_refused_before_it_takes_memory(scope: Scope, encoding: str) -> None:
    zeros = bytes(100 * MIB)
    pack = {"gzip": gzip.compress, "zstd": zstandard.compress, "deflate": zlib.compress}[encoding]
    bomb = pack(zeros)
    del zeros
    tracemalloc.start()
    try:
        with pytest.raises(Unavailable, match="larger than 1,048,576 bytes"):
            take(scope, bomb, encoding=encoding, bytes_max=MIB)
        assert tracemalloc.get_traced_memory()[1] < 30 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "media_type", "said"),
    [
        (b"\xff\xfe garbage", receive.PROTOBUF, "not an OTLP traces message in protobuf"),
        (protobuf(name="x").SerializeToString()[:-1], receive.PROTOBUF, "not an OTLP"),
        (protobuf(name="ab").SerializeToString().replace(b"ab", b"\xc3("), receive.PROTOBUF, "not"),
        (b'{"resourceSpans": [', receive.JSON, "not JSON"),
        (message({"name": "ab"}).replace(b"ab", b"\xc3("), receive.JSON, "not JSON"),
        (b'[{"a": NaN}]', receive.JSON, "the message is list"),
        (b'{"resourceSpans": {"a": 1}}', receive.JSON, "resourceSpans is dict, expected a list"),
        (b'{"a": NaN, "b": }', receive.JSON, "not JSON"),
        (b"[" * 100_000, receive.JSON, "not JSON"),
        (b"<xml/>", "text/xml", "Content-Type is `text/xml`"),
    ],
)
def test_what_is_no_message_is_refused_whole(
    scope: Scope, body: bytes, media_type: str, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        take(scope, body, media_type=media_type)


def test_when_too_much_waits_nothing_is_taken(tmp_path) -> None:
    store: Store = open_store(Settings(home=tmp_path / "home", inbox_rows_max=1))
    open_traces(store)
    scope = local_scope(store)
    take(scope, message({}, {"spanId": "a" * 16}))

    with pytest.raises(Unavailable, match="2 rows wait for the lake, the limit is 1"):
        take(scope, message({"traceId": "ab" * 16}))
    assert get_trace(scope, "ab" * 16) == []
    store.close()


def test_many_reasons_are_told_briefly(scope: Scope) -> None:
    spans = [{"traceId": "ab" * size} for size in range(2, 15)]
    why = take(scope, message(*spans)).why

    assert why.count(" because ") == 10
    assert why.endswith("; 2 for other reasons")
    assert orjson.dumps(why)
