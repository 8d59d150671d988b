"""OTLP in JSON, read leniently: senders differ in keys, ids and numbers more than the protocol."""

import base64
import binascii
import json
from collections.abc import Callable
from itertools import chain
from typing import Any

import orjson

from lineside.core import Invalid
from lineside.traces.conventions.received import RawSpan
from lineside.traces.otlp import (
    ATTRIBUTE_DEPTH_MAX,
    KINDS,
    STATUSES,
    NotASpan,
    Read,
    Refusal,
    finite,
    id_of_bytes,
    named,
    refused,
)

_NS_MAX = 2**64 - 1
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_FORGIVEN = (b"NaN", b"Infinity", b"\\ud", b"\\uD")
_ABSENT_PARENTS = (None, "", "0" * 16, "AAAAAAAAAAA=", "AAAAAAAAAAA")


def read_json(body: bytes) -> Read:
    """Spans of an `ExportTraceServiceRequest` written as JSON.

    Keys in camelCase or snake_case, ids in hexadecimal or base64, 64-bit numbers as text or
    numbers, enums as numbers or names; keys that OTLP does not have are passed over.

    Raises:
        Invalid: The body is not JSON, or not the shape of an OTLP traces message.
    """
    return read_document(_parsed(body))


def read_document(document: Any) -> Read:
    """The same of a message that has been parsed.

    Raises:
        Invalid: It is not the shape of an OTLP traces message.
    """
    try:
        groups = _objects(document, "resourceSpans", "resource_spans")
    except NotASpan as error:
        raise Invalid(
            "not_otlp_json",
            f"The body is JSON but not an OTLP traces message: {error}",
            hint='Send {"resourceSpans": [{"scopeSpans": [{"spans": [...]}]}]}. Nothing was kept.',
        ) from None
    return chain.from_iterable(_json_group(group) for group in groups)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        said = str(error)
    # Python and JavaScript write NaN where JSON has no word for it, and JavaScript cuts texts in
    # the middle of a sign; nothing else is forgiven.
    if any(mark in body for mark in _FORGIVEN):
        try:
            whole = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
            value = json.loads(whole)
            orjson.dumps(value)
            return value
        except (ValueError, TypeError, RecursionError) as error:
            said = str(error)
    raise Invalid(
        "not_json",
        f"The body is not JSON: {said}",
        hint="Nothing was kept. Send JSON in UTF-8, or protobuf as `application/x-protobuf`.",
    )


def _json_group(group: dict[str, Any]) -> Read:
    try:
        resource = _json_attributes(_object(group, "resource"))
        scoped_spans = _objects(group, "scopeSpans", "scope_spans")
    except NotASpan as error:
        # The spans inside cannot be told apart; what can be counted is counted.
        yield from _refused_group(group, str(error))
        return
    for scoped in scoped_spans:
        try:
            head = _object(scoped, "scope")
            scope = {
                "name": _text(head, "name"),
                "version": _text(head, "version"),
                "attributes": _json_attributes(head),
            }
            schema_url = _text(scoped, "schemaUrl", "schema_url")
            schema_url = schema_url or _text(group, "schemaUrl", "schema_url")
            spans = _list(scoped, "spans", "spans")
        except NotASpan as error:
            yield from _refused_spans(scoped, str(error))
            continue
        for span in spans:
            try:
                yield _json_span(span, resource, scope, schema_url)
            except NotASpan as error:
                yield _refused_json(str(error), span)


def _json_span(
    span: Any, resource: dict[str, Any], scope: dict[str, Any], schema_url: str
) -> RawSpan:
    if not isinstance(span, dict):
        raise NotASpan(f"it is {type(span).__name__}, expected an object")
    status = _object(span, "status")
    parent = _get(span, "parentSpanId", "parent_span_id")
    return RawSpan(
        trace_id=_id_of_text(_get(span, "traceId", "trace_id"), 16, "trace_id"),
        span_id=_id_of_text(_get(span, "spanId", "span_id"), 8, "span_id"),
        parent_span_id=(
            None if parent in _ABSENT_PARENTS else _id_of_text(parent, 8, "parent_span_id")
        ),
        name=_text(span, "name"),
        span_kind=_enum(_get(span, "kind"), KINDS, "SPAN_KIND_", "kind"),
        start_ns=_moment(_get(span, "startTimeUnixNano", "start_time_unix_nano"), "start time"),
        end_ns=_moment(_get(span, "endTimeUnixNano", "end_time_unix_nano"), "end time"),
        status_code=_enum(_get(status, "code"), STATUSES, "STATUS_CODE_", "status code"),
        status_message=_text(status, "message"),
        attributes=_json_attributes(span),
        events=[
            {
                "name": _text(event, "name"),
                "time_ns": _moment(_get(event, "timeUnixNano", "time_unix_nano"), "event time"),
                "attributes": _json_attributes(event),
            }
            for event in _objects(span, "events", "events")
        ],
        links=[
            {
                "trace_id": _id_of_text(_get(link, "traceId", "trace_id"), 16, "link's trace_id"),
                "span_id": _id_of_text(_get(link, "spanId", "span_id"), 8, "link's span_id"),
                "attributes": _json_attributes(link),
            }
            for link in _objects(span, "links", "links")
        ],
        resource=resource,
        scope=scope,
        schema_url=schema_url,
    )


def _json_attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return _json_pairs(_objects(holder, "attributes", "attributes"), 0)


def _json_pairs(pairs: list[dict[str, Any]], depth: int) -> dict[str, Any]:
    return {_text(pair, "key"): _json_value(pair.get("value"), depth) for pair in pairs}


def _json_value(value: Any, depth: int) -> Any:
    if depth > ATTRIBUTE_DEPTH_MAX:
        raise NotASpan(f"an attribute nests deeper than {ATTRIBUTE_DEPTH_MAX}")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise NotASpan(f"an attribute value is {type(value).__name__}, expected an object")
    for key, read in _JSON_VALUES.items():
        if key in value:
            return read(value[key], depth)
    return None


def _json_list(value: Any, depth: int) -> Any:
    items = _list(_as_object(value), "values", "values")
    return [_json_value(item, depth + 1) for item in items]


def _json_map(value: Any, depth: int) -> Any:
    return _json_pairs(_objects(_as_object(value), "values", "values"), depth + 1)


def _json_double(value: Any, _depth: int) -> Any:
    try:
        return finite(float(value))
    except (TypeError, ValueError, OverflowError):
        raise NotASpan("an attribute's doubleValue is not a number") from None


def _json_plain(value: Any, _depth: int) -> Any:
    if isinstance(value, dict | list):
        raise NotASpan(f"a plain attribute value is {type(value).__name__}")
    return finite(value) if isinstance(value, float) else value


_Reader = Callable[[Any, int], Any]
_JSON_NAMES: dict[str, _Reader] = {
    "stringValue": _json_plain,
    "intValue": lambda value, _depth: _int(value, "an attribute's intValue", _INT_MIN, _INT_MAX),
    "doubleValue": _json_double,
    "boolValue": _json_plain,
    "arrayValue": _json_list,
    "kvlistValue": _json_map,
    "bytesValue": _json_plain,
}
_JSON_VALUES = _JSON_NAMES | {
    name.replace("Value", "_value"): read for name, read in _JSON_NAMES.items()
}


def _id_of_text(value: Any, size: int, field: str) -> str:
    """Hexadecimal as OTLP says, or base64 as generic protobuf libraries write it."""
    if not isinstance(value, str):
        raise NotASpan(f"{field} is missing" if value is None else f"{field} is not a text")
    try:
        if len(value) == 2 * size:
            return id_of_bytes(bytes.fromhex(value), size, field)
        padded = value + "=" * (-len(value) % 4)
        return id_of_bytes(base64.b64decode(padded, altchars=None, validate=True), size, field)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, NotASpan):
            raise
        raise NotASpan(f"{field} is neither hexadecimal nor base64") from None


def _enum(value: Any, names: tuple[str, ...], prefix: str, field: str) -> str:
    if isinstance(value, str) and not value.isdecimal():
        found = value.upper().removeprefix(prefix).lower()
        return found if found in names else names[0]
    return named(_int(value or 0, field, _INT_MIN, _INT_MAX), names)


def _moment(value: Any, field: str) -> int:
    return _int(0 if value is None else value, field, 0, _NS_MAX)


def _int(value: Any, field: str, least: int, most: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise NotASpan(f"{field} is not a whole number") from None
    if not least <= number <= most:
        raise NotASpan(f"{field} does not fit 64 bits")
    return number


def _get(holder: dict[str, Any], *names: str) -> Any:
    return next((holder[name] for name in names if holder.get(name) is not None), None)


def _text(holder: dict[str, Any], *names: str) -> str:
    value = _get(holder, *names)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    return _as_object(holder.get(name) or {}, name)


def _as_object(value: Any, name: str = "a value") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotASpan(f"{name} is {type(value).__name__}, expected an object")
    return value


def _list(holder: Any, *names: str) -> list[Any]:
    value = _get(_as_object(holder, "the message"), *names)
    if not isinstance(value, list | None):
        raise NotASpan(f"{names[0]} is {type(value).__name__}, expected a list")
    return value or []


def _objects(holder: Any, *names: str) -> list[dict[str, Any]]:
    items = _list(holder, *names)
    return [_as_object(item, f"an item of {names[0]}") for item in items]


def _refused_json(reason: str, span: Any) -> Refusal:
    head = span if isinstance(span, dict) else {}
    return refused(reason, _text(head, "name"), _text(head, "spanId", "span_id"))


def _refused_group(group: dict[str, Any], reason: str) -> Read:
    """Every span that can be counted in a group whose resource or scopes cannot be read."""
    scopes = _get(group, "scopeSpans", "scope_spans")
    if not isinstance(scopes, list):
        yield Refusal(reason, "a whole resource")
        return
    for scoped in scopes:
        yield from _refused_spans(scoped, f"its resource: {reason}")


def _refused_spans(scoped: Any, reason: str) -> Read:
    spans = scoped.get("spans") if isinstance(scoped, dict) else None
    if isinstance(spans, list):
        yield from (_refused_json(reason, span) for span in spans)
    else:
        yield Refusal(reason, "a whole scope")
