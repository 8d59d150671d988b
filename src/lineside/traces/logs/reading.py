"""OTLP's log records, in protobuf and in JSON, read one by one."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from lineside.traces.conventions.received import RawLog
from lineside.traces.groups import Layout, Packed, parsed_protobuf, walk_json, walk_protobuf
from lineside.traces.json_values import (
    attributes_in,
    get,
    id_in,
    moment_in,
    parsed_json,
    text_in,
    value_in,
)
from lineside.traces.otlp import NotASpan, Refusal, attributes_of, id_of_bytes, refused, value_of

LAYOUT = Layout("logs", "resource_logs", "scope_logs", "log_records")

Logs = Iterator[RawLog | Refusal]


def read_protobuf(body: bytes) -> Logs:
    """Records of an `ExportLogsServiceRequest`.

    Raises:
        Invalid: These bytes are no such message.
    """
    message = parsed_message(body)
    return (_of_protobuf(packed) for packed in walk_protobuf(message, LAYOUT))


def parsed_message(body: bytes) -> Any:
    """The message itself, as protobuf's own classes have it."""
    return parsed_protobuf(_request_class(), body, LAYOUT)


def read_json(body: bytes) -> Logs:
    """The same of a message written as JSON, as leniently as spans are read.

    Raises:
        Invalid: The body is not JSON, or not the shape of such a message.
    """
    return read_document(parsed_json(body))


def read_document(document: Any) -> Logs:
    """The same of a message that has been parsed.

    Raises:
        Invalid: It is not the shape of such a message.
    """
    found = walk_json(document, LAYOUT)
    return (one if isinstance(one, Refusal) else _of_json(one) for one in found)


@cache
def _request_class() -> Any:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

    return logs_service_pb2.ExportLogsServiceRequest


def _of_protobuf(packed: Packed) -> RawLog | Refusal:
    log = packed.item
    try:
        return RawLog(
            time_ns=log.time_unix_nano or log.observed_time_unix_nano,
            trace_id=id_of_bytes(log.trace_id, 16, "trace_id") if any(log.trace_id) else None,
            span_id=id_of_bytes(log.span_id, 8, "span_id") if any(log.span_id) else None,
            event_name=log.event_name,
            severity=log.severity_text,
            body=value_of(log.body, log.body.WhichOneof("value"), 0),
            attributes=attributes_of(log.attributes),
            resource=packed.resource,
            scope=packed.scope,
            schema_url=packed.schema_url,
        )
    except NotASpan as error:
        return refused(str(error), log.event_name, log.span_id.hex())


def _of_json(packed: Packed) -> RawLog | Refusal:
    log = packed.item
    if not isinstance(log, dict):
        return refused(f"it is {type(log).__name__}, expected an object", "", "")
    try:
        observed = get(log, "observedTimeUnixNano", "observed_time_unix_nano")
        return RawLog(
            time_ns=moment_in(get(log, "timeUnixNano", "time_unix_nano"), "time")
            or moment_in(observed, "observed time"),
            trace_id=_id(log, ("traceId", "trace_id"), 16),
            span_id=_id(log, ("spanId", "span_id"), 8),
            event_name=text_in(log, "eventName", "event_name"),
            severity=text_in(log, "severityText", "severity_text"),
            body=value_in(log.get("body"), 0),
            attributes=attributes_in(log),
            resource=packed.resource,
            scope=packed.scope,
            schema_url=packed.schema_url,
        )
    except NotASpan as error:
        name, span_id = text_in(log, "eventName", "event_name"), text_in(log, "spanId", "span_id")
        return refused(str(error), name, span_id)


def _id(log: dict[str, Any], names: tuple[str, str], size: int) -> str | None:
    value = get(log, *names)
    # Some write the absent id as zeros, in hexadecimal or in base64.
    if value is None or not str(value).strip("0A="):
        return None
    return id_in(value, size, names[1])
