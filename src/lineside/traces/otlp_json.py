"""OTLP in JSON, read leniently: senders differ in keys, ids and numbers more than the protocol."""

from itertools import chain
from typing import Any

from lineside.core import Invalid
from lineside.traces.conventions.received import RawSpan
from lineside.traces.json_values import (
    attributes_in,
    enum_in,
    get,
    groups_in,
    id_in,
    list_in,
    moment_in,
    object_in,
    objects_in,
    parsed_json,
    text_in,
)
from lineside.traces.otlp import KINDS, STATUSES, NotASpan, Read, Refusal, refused

_ABSENT_PARENTS = (None, "", "0" * 16, "AAAAAAAAAAA=", "AAAAAAAAAAA")


def read_json(body: bytes) -> Read:
    """Spans of an `ExportTraceServiceRequest` written as JSON.

    Keys in camelCase or snake_case, ids in hexadecimal or base64, 64-bit numbers as text or
    numbers, enums as numbers or names; keys that OTLP does not have are passed over.

    Raises:
        Invalid: The body is not JSON, or not the shape of an OTLP traces message.
    """
    return read_document(parsed_json(body))


def read_document(document: Any) -> Read:
    """The same of a message that has been parsed.

    Raises:
        Invalid: It is not the shape of an OTLP traces message.
    """
    try:
        groups = groups_in(document, "resourceSpans", "resource_spans")
    except NotASpan as error:
        raise Invalid(
            "not_otlp_json",
            f"The body is JSON but not an OTLP traces message: {error}",
            hint='Send {"resourceSpans": [{"scopeSpans": [{"spans": [...]}]}]}. Nothing was kept.',
        ) from None
    return chain.from_iterable(_json_group(group) for group in groups)


def _json_group(group: dict[str, Any]) -> Read:
    try:
        resource = attributes_in(object_in(group, "resource"))
        scoped_spans = objects_in(group, "scopeSpans", "scope_spans")
    except NotASpan as error:
        # The spans inside cannot be told apart; what can be counted is counted.
        yield from _refused_group(group, str(error))
        return
    for scoped in scoped_spans:
        try:
            head = object_in(scoped, "scope")
            scope = {
                "name": text_in(head, "name"),
                "version": text_in(head, "version"),
                "attributes": attributes_in(head),
            }
            schema_url = text_in(scoped, "schemaUrl", "schema_url")
            schema_url = schema_url or text_in(group, "schemaUrl", "schema_url")
            spans = list_in(scoped, "spans", "spans")
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
    status = object_in(span, "status")
    parent = get(span, "parentSpanId", "parent_span_id")
    return RawSpan(
        trace_id=id_in(get(span, "traceId", "trace_id"), 16, "trace_id"),
        span_id=id_in(get(span, "spanId", "span_id"), 8, "span_id"),
        parent_span_id=(None if parent in _ABSENT_PARENTS else id_in(parent, 8, "parent_span_id")),
        name=text_in(span, "name"),
        span_kind=enum_in(get(span, "kind"), KINDS, "SPAN_KIND_", "kind"),
        start_ns=moment_in(get(span, "startTimeUnixNano", "start_time_unix_nano"), "start time"),
        end_ns=moment_in(get(span, "endTimeUnixNano", "end_time_unix_nano"), "end time"),
        status_code=enum_in(get(status, "code"), STATUSES, "STATUS_CODE_", "status code"),
        status_message=text_in(status, "message"),
        attributes=attributes_in(span),
        events=[
            {
                "name": text_in(event, "name"),
                "time_ns": moment_in(get(event, "timeUnixNano", "time_unix_nano"), "event time"),
                "attributes": attributes_in(event),
            }
            for event in objects_in(span, "events", "events")
        ],
        links=[
            {
                "trace_id": id_in(get(link, "traceId", "trace_id"), 16, "link's trace_id"),
                "span_id": id_in(get(link, "spanId", "span_id"), 8, "link's span_id"),
                "attributes": attributes_in(link),
            }
            for link in objects_in(span, "links", "links")
        ],
        resource=resource,
        scope=scope,
        schema_url=schema_url,
    )


def _refused_json(reason: str, span: Any) -> Refusal:
    head = span if isinstance(span, dict) else {}
    return refused(reason, text_in(head, "name"), text_in(head, "spanId", "span_id"))


def _refused_group(group: dict[str, Any], reason: str) -> Read:
    """Every span that can be counted in a group whose resource or scopes cannot be read."""
    scopes = get(group, "scopeSpans", "scope_spans")
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
