"""Histograms that programs send of their model calls, ordinary and exponential."""

import json
import time
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)

from lineside.traces import metrics, receive
from lineside.trust import Scope
from traces.otlp_messages import MIB, attributes

DURATION = "gen_ai.client.operation.duration"
HOUR_NS = 3600 * 10**9
DELTA, CUMULATIVE = 1, 2


@pytest.fixture
def scope(apart: Scope) -> Scope:
    return apart


def send(scope: Scope, body: bytes, media_type: str = receive.JSON) -> receive.Receipt:
    receipt = metrics.receive_metrics(
        scope, body, media_type=media_type, encoding="", bytes_max=MIB, use_cases=()
    )
    receipt.durable.result()
    return receipt


def point(hours_ago: float, *, scale: int, counts: list[int], **more: Any) -> dict[str, Any]:
    """A point of a program that began four days ago."""
    now_ns = time.time_ns()
    zeros = more.pop("zeroCount", 0)
    return {
        "startTimeUnixNano": str(now_ns // HOUR_NS * HOUR_NS - 96 * HOUR_NS),
        "timeUnixNano": str(now_ns - int(hours_ago * HOUR_NS)),
        "count": str(sum(counts) + zeros),
        "scale": scale,
        "zeroCount": zeros,
        "positive": {"offset": more.pop("offset", 0), "bucketCounts": list(map(str, counts))},
        "attributes": attributes(gen_ai__operation__name="chat", gen_ai__request__model="m1"),
        **more,
    }


def exponential(temporality: int, *points: dict[str, Any]) -> bytes:
    data = {"aggregationTemporality": temporality, "dataPoints": points}
    metric = {"name": DURATION, "unit": "s", "exponentialHistogram": data}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


def test_percentiles_of_exponential_buckets_are_those_of_the_specification(scope: Scope) -> None:
    one = point(1, scale=0, counts=[1, 2, 1], sum=14.0)
    for _ in range(2):
        send(scope, exponential(DELTA, one))
    before = metrics.client_histograms(scope)
    scope.store.flusher.flush()

    [found] = metrics.client_histograms(scope)

    assert [found] == before
    assert (found.name, found.unit, found.operation, found.model) == (DURATION, "s", "chat", "m1")
    assert (found.count, found.mean) == (4, 3.5)
    # Above 2 and at most 4 lie the second and the third value; in a bucket, evenly by logarithm.
    assert found.p50 == pytest.approx(2 * 2**0.5)
    assert found.p99 == pytest.approx(4 * 2**0.96)


def test_values_at_zero_are_counted_and_indexes_may_lie_below_it(scope: Scope) -> None:
    send(scope, exponential(DELTA, point(1, scale=1, counts=[1], offset=-4, zeroCount=3)))

    [found] = metrics.client_histograms(scope)

    assert (found.count, found.p50) == (4, 0.0)
    assert found.p99 == pytest.approx(0.25 * 2 ** (0.5 * 0.96))


def test_what_a_program_counted_before_is_left_out_though_its_scale_grew_coarser(
    scope: Scope,
) -> None:
    early = point(25, scale=1, counts=[4, 4, 0, 0])
    send(scope, exponential(CUMULATIVE, early, point(1, scale=0, counts=[8, 6])))

    [found] = metrics.client_histograms(scope, hours=24)

    # Two buckets of the finer scale are one of the coarser, and all of it was there before.
    assert (found.count, found.p50) == (6, pytest.approx(2 * 2**0.5))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"scale": 99}, "a scale is not from -10 to 20"),
        ({"negative": {"bucketCounts": ["1"]}}, "it counts values below zero"),
        ({"positive": {"bucketCounts": ["0"] * 10_001}}, "over 10,000 buckets"),
    ],
)
def test_an_exponential_histogram_that_cannot_be_one_is_refused_by_name(
    scope: Scope, broken: dict[str, Any], reason: str
) -> None:
    good = point(1, scale=0, counts=[1])

    receipt = send(scope, exponential(DELTA, good | broken, good))

    assert (receipt.kept, receipt.refused) == (1, 1)
    assert reason in receipt.why


def test_both_kinds_of_histogram_of_a_stock_sdk_come_to_the_same(scope: Scope) -> None:
    reader = InMemoryMetricReader()
    bounds = [float(value) for value in range(0, 1001, 5)]
    views = [
        View(instrument_name="*.even", aggregation=ExplicitBucketHistogramAggregation(bounds)),
        View(instrument_name="*.log", aggregation=ExponentialBucketHistogramAggregation()),
    ]
    meter = MeterProvider([reader], views=views).get_meter("test")
    for name in ("even", "log"):
        histogram = meter.create_histogram(f"gen_ai.client.{name}", unit="{token}")
        for value in range(1, 1001):
            histogram.record(value, {"gen_ai.token.type": "input"})
    body = encode_metrics(reader.get_metrics_data()).SerializeToString()
    assert send(scope, body, receive.PROTOBUF).refused == 0

    found = {one.name.rpartition(".")[2]: one for one in metrics.client_histograms(scope)}

    assert {one.token_type for one in found.values()} == {"input"}
    for one, close in ((found["even"], 0.001), (found["log"], 0.02)):
        assert (one.count, one.mean) == (1000, 500.5)
        assert [one.p50, one.p95, one.p99] == pytest.approx([500, 950, 990], rel=close)
