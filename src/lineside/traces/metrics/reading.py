"""OTLP's metrics, in protobuf and in JSON, read point by point."""

import math
from collections.abc import Iterator
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
from lineside.traces.metrics.point import Point
from lineside.traces.otlp import NotASpan, Refusal, attributes_of, named, refused

LAYOUT = Layout("metrics", "resource_metrics", "scope_metrics", "metrics")
_KINDS = ("sum", "gauge", "histogram")
_OTHER_KINDS = ("exponential_histogram", "summary")
_JSON_OTHER_KINDS = ("exponentialHistogram", "exponential_histogram", "summary")
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
        points = len(getattr(metric, kind).data_points) if kind in _OTHER_KINDS else 1
        yield from [_of_other_kind(metric.name, kind)] * points
        return
    data = getattr(metric, kind)
    temporality = "" if kind == "gauge" else named(data.aggregation_temporality, _TEMPORALITIES)
    for point in data.data_points:
        more: dict[str, Any]
        if kind == "histogram":
            more = {
                "count": point.count,
                "sum": _finite(point.sum) if point.HasField("sum") else None,
                "bounds": [bound for bound in point.explicit_bounds if math.isfinite(bound)],
                "counts": list(point.bucket_counts),
            }
        else:
            which = point.WhichOneof("value")
            more = {"value": _finite(getattr(point, which)) if which else None}
        yield Point(
            name=metric.name,
            kind=kind,
            unit=metric.unit,
            temporality=temporality,
            started_ns=point.start_time_unix_nano,
            at_ns=point.time_unix_nano,
            attributes=attributes_of(point.attributes),
            resource=packed.resource,
            **more,
        )


def _of_json(packed: Packed) -> Points:
    metric = packed.item
    if not isinstance(metric, dict):
        yield refused(f"it is {type(metric).__name__}, expected an object", "", "")
        return
    name = text_in(metric, "name")
    kind = next((kind for kind in _KINDS if kind in metric), None)
    if kind is None:
        other = next((one for one in _JSON_OTHER_KINDS if one in metric), "nothing")
        yield _of_other_kind(name, other)
        return
    try:
        data = object_in(metric, kind)
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
                **(_histogram_in(point) if kind == "histogram" else _number_in(point)),
            )
        except NotASpan as error:
            yield refused(str(error), name, "")


def _number_in(point: dict[str, Any]) -> dict[str, Any]:
    return {"value": _float(get(point, "asDouble", "as_double", "asInt", "as_int"))}


def _histogram_in(point: dict[str, Any]) -> dict[str, Any]:
    bounds = [_float(one) for one in list_in(point, "explicitBounds", "explicit_bounds")]
    counts = list_in(point, "bucketCounts", "bucket_counts")
    return {
        "count": int_in(point.get("count") or 0, "count", 0, _COUNT_MAX),
        "sum": _float(point.get("sum")),
        "bounds": [bound for bound in bounds if bound is not None],
        "counts": [int_in(one, "a bucket's count", 0, _COUNT_MAX) for one in counts],
    }


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
