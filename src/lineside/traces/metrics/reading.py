"""OTLP's metrics, in protobuf and in JSON, read point by point."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from lineside.traces.groups import Layout, Packed, parsed_protobuf, walk_json, walk_protobuf
from lineside.traces.json_values import (
    attributes_in,
    enum_in,
    get,
    int_in,
    list_in,
    moment_in,
    object_in,
    objects_in,
    parsed_json,
    text_in,
)
from lineside.traces.metrics.buckets import SCALE_LEAST, SCALE_MOST
from lineside.traces.metrics.point import Point
from lineside.traces.otlp import NotASpan, Refusal, attributes_of, named, refused

LAYOUT = Layout("metrics", "resource_metrics", "scope_metrics", "metrics")
_KINDS = ("sum", "gauge", "histogram", "exponential_histogram")
_JSON_KINDS = {kind: kind for kind in _KINDS} | {"exponentialHistogram": "exponential_histogram"}
_BUCKETS_MAX = 10_000
_PLACE_MAX = 2**31
_TEMPORALITIES = ("", "delta", "cumulative")
_INT_MIN, _COUNT_MAX = -(2**63), 2**64 - 1

Points = Iterator[Point | Refusal]


def read_protobuf(body: bytes) -> Points:
    """Points of an `ExportMetricsServiceRequest`.

    Raises:
        Invalid: These bytes are no such message.
    """
    message = parsed_message(body)
    for packed in walk_protobuf(message, LAYOUT):
        yield from _of_protobuf(packed)


def parsed_message(body: bytes) -> Any:
    """The message itself, as protobuf's own classes have it."""
    return parsed_protobuf(_request_class(), body, LAYOUT)


def read_json(body: bytes) -> Points:
    """The same of a message written as JSON.

    Raises:
        Invalid: The body is not JSON, or not the shape of such a message.
    """
    for packed in walk_json(parsed_json(body), LAYOUT):
        if isinstance(packed, Refusal):
            yield packed
        else:
            yield from _of_json(packed)


@cache
def _request_class() -> Any:
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    return metrics_service_pb2.ExportMetricsServiceRequest


def _of_protobuf(packed: Packed) -> Points:
    metric = packed.item
    kind = metric.WhichOneof("data") or "nothing"
    if kind not in _KINDS:
        points = len(metric.summary.data_points) if kind == "summary" else 1
        yield from [_of_other_kind(metric.name, kind)] * points
        return
    data = getattr(metric, kind)
    temporality = "" if kind == "gauge" else named(data.aggregation_temporality, _TEMPORALITIES)
    for point in data.data_points:
        try:
            yield Point(
                name=metric.name,
                kind=kind,
                unit=metric.unit,
                temporality=temporality,
                started_ns=point.start_time_unix_nano,
                at_ns=point.time_unix_nano,
                attributes=attributes_of(point.attributes),
                resource=packed.resource,
                **_VALUES[kind](point),
            )
        except NotASpan as error:
            yield refused(str(error), metric.name, "")


def _number_of(point: Any) -> dict[str, Any]:
    which = point.WhichOneof("value")
    return {"value": _finite(getattr(point, which)) if which else None}


def _totals_of(point: Any) -> dict[str, Any]:
    return {
        "count": point.count,
        "sum": _finite(point.sum) if point.HasField("sum") else None,
    }


def _histogram_of(point: Any) -> dict[str, Any]:
    return _totals_of(point) | {
        "bounds": [bound for bound in point.explicit_bounds if math.isfinite(bound)],
        "counts": list(point.bucket_counts),
    }


def _exponential_of(point: Any) -> dict[str, Any]:
    _check_exponential(point.scale, point.positive.bucket_counts, point.negative.bucket_counts)
    return _totals_of(point) | {
        "scale": point.scale,
        "first_place": point.positive.offset,
        "counts": list(point.positive.bucket_counts),
        "zero_count": point.zero_count,
        "zero_threshold": _finite(point.zero_threshold),
    }


_VALUES = {
    "sum": _number_of,
    "gauge": _number_of,
    "histogram": _histogram_of,
    "exponential_histogram": _exponential_of,
}


def _of_json(packed: Packed) -> Points:
    metric = packed.item
    if not isinstance(metric, dict):
        yield refused(f"it is {type(metric).__name__}, expected an object", "", "")
        return
    name = text_in(metric, "name")
    named_so = next((one for one in _JSON_KINDS if one in metric), None)
    if named_so is None:
        yield _of_other_kind(name, "summary" if "summary" in metric else "nothing")
        return
    kind = _JSON_KINDS[named_so]
    try:
        data = object_in(metric, named_so)
        points = objects_in(data, "dataPoints", "data_points")
        stated = get(data, "aggregationTemporality", "aggregation_temporality")
        temporality = enum_in(stated, _TEMPORALITIES, "AGGREGATION_TEMPORALITY_", "temporality")
    except NotASpan as error:
        yield refused(str(error), name, "")
        return
    for point in points:
        try:
            yield Point(
                name=name,
                kind=kind,
                unit=text_in(metric, "unit"),
                temporality="" if kind == "gauge" else temporality,
                started_ns=moment_in(
                    get(point, "startTimeUnixNano", "start_time_unix_nano"), "start time"
                ),
                at_ns=moment_in(get(point, "timeUnixNano", "time_unix_nano"), "time"),
                attributes=attributes_in(point),
                resource=packed.resource,
                **_VALUES_IN[kind](point),
            )
        except NotASpan as error:
            yield refused(str(error), name, "")


def _number_in(point: dict[str, Any]) -> dict[str, Any]:
    return {"value": _float(get(point, "asDouble", "as_double", "asInt", "as_int"))}


def _totals_in(point: dict[str, Any]) -> dict[str, Any]:
    return {
        "count": int_in(point.get("count") or 0, "count", 0, _COUNT_MAX),
        "sum": _float(point.get("sum")),
    }


def _histogram_in(point: dict[str, Any]) -> dict[str, Any]:
    bounds = [_float(one) for one in list_in(point, "explicitBounds", "explicit_bounds")]
    return _totals_in(point) | {
        "bounds": [bound for bound in bounds if bound is not None],
        "counts": _counts_in(point),
    }


def _exponential_in(point: dict[str, Any]) -> dict[str, Any]:
    above, below = object_in(point, "positive"), object_in(point, "negative")
    scale = int_in(point.get("scale") or 0, "scale", -_PLACE_MAX, _PLACE_MAX)
    counts = _counts_in(above)
    _check_exponential(scale, counts, _counts_in(below))
    zeros = get(point, "zeroCount", "zero_count") or 0
    return _totals_in(point) | {
        "scale": scale,
        "first_place": int_in(above.get("offset") or 0, "offset", -_PLACE_MAX, _PLACE_MAX),
        "counts": counts,
        "zero_count": int_in(zeros, "zero count", 0, _COUNT_MAX),
        "zero_threshold": _float(get(point, "zeroThreshold", "zero_threshold")),
    }


_VALUES_IN = {
    "sum": _number_in,
    "gauge": _number_in,
    "histogram": _histogram_in,
    "exponential_histogram": _exponential_in,
}


def _counts_in(holder: dict[str, Any]) -> list[int]:
    counts = list_in(holder, "bucketCounts", "bucket_counts")
    return [int_in(one, "a bucket's count", 0, _COUNT_MAX) for one in counts]


def _check_exponential(scale: int, above: Sequence[int], below: Sequence[int]) -> None:
    if not SCALE_LEAST <= scale <= SCALE_MOST:
        raise NotASpan(f"a scale is not from {SCALE_LEAST} to {SCALE_MOST}")
    if len(above) > _BUCKETS_MAX:
        raise NotASpan(f"an exponential histogram has over {_BUCKETS_MAX:,} buckets")
    if any(below):
        raise NotASpan("it counts values below zero, which no measurement of a call has")


def _float(value: Any) -> float | None:
    if value is None:
        return None
    try:
        return _finite(float(value))
    except (TypeError, ValueError, OverflowError):
        raise NotASpan("a value is not a number") from None


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _of_other_kind(name: str, kind: str) -> Refusal:
    return refused(f"a metric of the kind {kind} is not read", name, "no span")
