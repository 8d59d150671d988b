"""OTLP in protobuf, read span by span; its JSON is read in `otlp_json.py`.

A message that cannot be read at all is `Invalid`; a span that cannot is a `Refusal`, so that its
neighbours are kept.
"""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from lineside.core import Invalid
from lineside.traces.conventions.received import RawSpan

ATTRIBUTE_DEPTH_MAX = 32
TOO_DEEP = "(nested too deeply)"
_NAME_CHARACTERS_SHOWN = 80
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


class Refusal(NamedTuple):
    """A span that was not taken.

    Attributes:
        reason: Why, without the values of this one span, so that equal reasons can be counted.
        span: The span as its sender would know it: name and ids, as far as they could be read.
        use_case: What it names as its use case, which need not be one.
    """

    reason: str
    span: str
    use_case: str | None = None


class NotASpan(ValueError):
    """Says in its text why one span is not taken."""


Read = Iterator[RawSpan | Refusal]


@dataclass
class Checked:
    """What a body holds, as far as its sender must know at once.

    Attributes:
        names: Names of services, which may be those of use cases.
    """

    kept: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def check_protobuf(body: bytes) -> Checked:
    """Which spans of a body `read_protobuf` will give, at a tenth of what it costs to read them.

    Raises:
        Invalid: As `read_protobuf`.
    """
    checked = Checked()
    for group in parsed_protobuf(body).resource_spans:
        service = None
        for pair in group.resource.attributes:
            if pair.key == "service.name":
                service = pair.value.string_value
                checked.names.add(service)
        for scoped in group.scope_spans:
            for span in scoped.spans:
                try:
                    id_of_bytes(span.trace_id, 16, "trace_id")
                    id_of_bytes(span.span_id, 8, "span_id")
                    _parent_of_bytes(span.parent_span_id)
                except NotASpan as error:
                    failed = refused(str(error), span.name, span.span_id.hex())
                    checked.refusals.append(failed._replace(use_case=service))
                else:
                    checked.kept += 1
    return checked


def read_protobuf(body: bytes) -> Read:
    """Spans of an `ExportTraceServiceRequest`.

    Raises:
        Invalid: These bytes are no such message, or a text in it is not UTF-8.
    """
    return chain.from_iterable(
        _protobuf_group(group) for group in parsed_protobuf(body).resource_spans
    )


def parsed_protobuf(body: bytes) -> Any:
    """The message itself, as protobuf's own classes have it."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # has none

    try:
        return _request_class().FromString(body)
    except DecodeError as error:
        raise Invalid(
            "not_otlp_protobuf",
            f"The body is not an OTLP traces message in protobuf: {error}",
            hint="Nothing was kept. Send an ExportTraceServiceRequest, its texts in UTF-8.",
        ) from None


@cache
def _request_class() -> Any:
    # Protobuf takes a moment to import; who sends no traces need not wait for it.
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    return trace_service_pb2.ExportTraceServiceRequest


def _protobuf_group(group: Any) -> Read:
    resource = attributes_of(group.resource.attributes)
    for scoped in group.scope_spans:
        scope = {
            "name": scoped.scope.name,
            "version": scoped.scope.version,
            "attributes": attributes_of(scoped.scope.attributes),
        }
        schema_url = scoped.schema_url or group.schema_url
        for span in scoped.spans:
            try:
                yield _protobuf_span(span, resource, scope, schema_url)
            except NotASpan as error:
                yield refused(str(error), span.name, span.span_id.hex())


def _protobuf_span(
    span: Any, resource: dict[str, Any], scope: dict[str, Any], schema_url: str
) -> RawSpan:
    return RawSpan(
        trace_id=id_of_bytes(span.trace_id, 16, "trace_id"),
        span_id=id_of_bytes(span.span_id, 8, "span_id"),
        parent_span_id=_parent_of_bytes(span.parent_span_id),
        name=span.name,
        span_kind=named(span.kind, KINDS),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status_code=named(span.status.code, STATUSES),
        status_message=span.status.message,
        attributes=attributes_of(span.attributes),
        events=[
            {
                "name": event.name,
                "time_ns": event.time_unix_nano,
                "attributes": attributes_of(event.attributes),
            }
            for event in span.events
        ],
        links=[
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": attributes_of(link.attributes),
            }
            for link in span.links
        ],
        resource=resource,
        scope=scope,
        schema_url=schema_url,
    )


def attributes_of(pairs: Any, depth: int = 0) -> dict[str, Any]:
    """A protobuf list of keys and values as plain Python."""
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        # As a text first, because nearly all are
        found[pair.key] = value.string_value or value_of(value, value.WhichOneof("value"), depth)
    return found


def value_of(value: Any, which: str | None, depth: int) -> Any:
    if depth > ATTRIBUTE_DEPTH_MAX:
        return TOO_DEEP
    match which:
        case "string_value" | "bool_value" | "int_value":
            return getattr(value, which)
        case "double_value":
            return finite(value.double_value)
        case "array_value":
            items = value.array_value.values
            return [value_of(item, item.WhichOneof("value"), depth + 1) for item in items]
        case "kvlist_value":
            return attributes_of(value.kvlist_value.values, depth + 1)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
    return None


def _parent_of_bytes(id_: bytes) -> str | None:
    # Some senders write the absent parent as zeros.
    return id_of_bytes(id_, 8, "parent_span_id") if any(id_) else None


def named(number: int, names: tuple[str, ...]) -> str:
    """The word for an enum's number; one of a later version of OTLP counts as not given."""
    return names[number] if 0 <= number < len(names) else names[0]


def finite(value: float) -> float | str:
    """A number as JSON can keep it: `NaN` and the infinities become those words."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def id_of_bytes(id_: bytes, size: int, field: str) -> str:
    """An id in small hexadecimal digits."""
    if len(id_) != size:
        raise NotASpan(f"{field} has {len(id_)} bytes, expected {size}")
    if not any(id_):
        raise NotASpan(f"{field} is all zeros")
    return id_.hex()


def refused(reason: str, name: str, span_id: str) -> Refusal:
    """A refusal that names the span as its sender would, cut to what a person reads."""
    return Refusal(reason, f"`{name[:_NAME_CHARACTERS_SHOWN]}` ({span_id[:40] or 'no span_id'})")
