"""Lineside's own names, and those of OpenTelemetry itself that every family shares."""

from typing import Any, get_args

from lineside.traces.conventions.received import RawSpan, Reading
from lineside.traces.conventions.values import first, first_number, first_text, parsed, said
from lineside.traces.span import SpanKind

_KINDS = frozenset(get_args(SpanKind))


def read(span: RawSpan) -> Reading:
    """What `lineside.*` says on the span; its resource speaks where the span does not."""
    attributes = span.attributes
    kind = first_text(attributes, "lineside.kind")
    return said(
        {
            # Only lineside's own served calls are an app; see `Span.kind`.
            "kind": kind if kind in _KINDS - {"app"} else None,
            "use_case": _anywhere(span, "lineside.usecase"),
            "release": _anywhere(span, "lineside.release"),
            "arm": _anywhere(span, "lineside.arm"),
            "run_id": _anywhere(span, "lineside.run"),
            "case_id": _anywhere(span, "lineside.case"),
            "session_id": first_text(attributes, "lineside.session"),
            "user_id": first_text(attributes, "lineside.user"),
            "cost_usd": first_number(attributes, "lineside.cost_usd"),
            "value_in": parsed(first(attributes, "lineside.input")),
            "value_out": parsed(first(attributes, "lineside.output")),
        }
    )


def read_shared(span: RawSpan) -> Reading:
    """Names that belong to no family: session, user, release, service.

    A release is what lineside calls one; for programs that know nothing of it, what Langfuse calls
    so, or the version of the service.
    """
    attributes = span.attributes
    return said(
        {
            "session_id": first_text(attributes, "session.id"),
            "user_id": first_text(attributes, "user.id", "enduser.id"),
            "release": first_text(attributes, "langfuse.release")
            or first_text(span.resource, "langfuse.release", "service.version"),
            "service": _service(span),
        }
    )


def error_of(span: RawSpan) -> str | None:
    """What went wrong, where the span says that something did; empty where it does not say what.

    An exception that a span set to OK has recorded was dealt with.
    """
    status = span.status_code.upper()
    attributes = span.attributes
    if status == "OK":
        return None
    failure = first_text(attributes, "error.type")
    exception = _exception(span)
    if status != "ERROR" and failure is None and exception is None:
        return None
    return _without_traceback(span.status_message or exception or failure or "")


def _without_traceback(words: str) -> str:
    """What went wrong; some senders append where in their code it did."""
    head, _, _ = words.partition("Traceback (most recent call last)")
    return head.strip() or words


def _exception(span: RawSpan) -> str | None:
    for event in reversed(span.events):
        if event.get("name") != "exception" or not isinstance(event.get("attributes"), dict):
            continue
        attributes: dict[str, Any] = event["attributes"]
        named = first_text(attributes, "exception.type")
        words = first_text(attributes, "exception.message")
        return ": ".join(word for word in (named, words) if word) or "exception"
    return None


def _anywhere(span: RawSpan, name: str) -> str | None:
    return first_text(span.attributes, name) or first_text(span.resource, name)


def _service(span: RawSpan) -> str | None:
    """The program's name; OpenTelemetry fills in `unknown_service` where nobody gave one."""
    name = first_text(span.resource, "service.name")
    return None if name is None or name.startswith("unknown_service") else name
