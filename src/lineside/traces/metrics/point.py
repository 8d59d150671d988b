"""One data point of a metric as received, and its row in the lake."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from lineside.traces.conventions.received import storable
from lineside.traces.conventions.values import first_text
from lineside.traces.mapping import moment_of

PROCESSED, EXPORTED = "otel.sdk.processor.span.processed", "otel.sdk.exporter.span.exported"
"""What an SDK says of itself: spans that it handed over, and spans that were taken from it."""

_FAMILY = "gen_ai.client."
_COUNT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Point:
    """One data point.

    Attributes:
        kind: `sum`, `gauge`, `histogram` or `exponential_histogram`.
        temporality: `cumulative` since `started_ns`, or `delta`; empty for a gauge.
        value: Of a sum or gauge; a histogram has `count`, `sum`, `bounds` and `counts`.
        scale: Of an exponential histogram, whose `counts` begin at the index `first_place`;
            `zero_count` of its values are at most `zero_threshold`.
    """

    name: str
    kind: str
    unit: str
    temporality: str
    started_ns: int
    at_ns: int
    value: float | None = None
    count: int | None = None
    sum: float | None = None
    bounds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    scale: int | None = None
    first_place: int | None = None
    zero_count: int | None = None
    zero_threshold: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)


def unwanted(point: Point) -> str | None:
    """Why a point is not kept; nothing where it is."""
    if point.name in (PROCESSED, EXPORTED) and point.kind == "sum":
        return None
    if point.name.startswith(_FAMILY):
        return None
    return "kept are `gen_ai.client.*` and an SDK's own counts of spans"


def point_row(workspace: str, use_case: str | None, point: Point) -> dict[str, Any]:
    """A point as the lake keeps it."""
    return {
        "workspace": workspace,
        "use_case": use_case,
        "service": first_text(point.resource, "service.name"),
        "resource": _written(point.resource),
        "name": storable(point.name),
        "kind": point.kind,
        "unit": storable(point.unit),
        "temporality": point.temporality,
        "attributes": _written(point.attributes),
        "error_type": first_text(point.attributes, "error.type"),
        "started_at": _moment(point.started_ns),
        "happened_at": _moment(point.at_ns),
        "count": None if point.count is None else min(point.count, _COUNT_MAX),
        "sum": point.sum,
        "value": point.value,
        "bounds": point.bounds,
        "counts": [min(count, _COUNT_MAX) for count in point.counts],
        "scale": point.scale,
        "first_place": point.first_place,
        "zero_count": None if point.zero_count is None else min(point.zero_count, _COUNT_MAX),
        "zero_threshold": point.zero_threshold,
    }


def _written(values: dict[str, Any]) -> str:
    # Sorted, since equal attributes must make the same series in whatever order they come.
    return orjson.dumps(storable(values), option=orjson.OPT_SORT_KEYS).decode()


def _moment(nanoseconds: int) -> str:
    return moment_of(nanoseconds).replace(tzinfo=None).isoformat(timespec="microseconds")
