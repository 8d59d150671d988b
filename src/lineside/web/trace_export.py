"""Traces to take along: OTLP JSON lines, as `lineside traces export --otlp` writes them."""

from collections.abc import Iterator
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lineside.core import Invalid, NotFound
from lineside.traces import exports, search
from lineside.trust import Scope
from lineside.web.asked import repeated_in, unknown_in
from lineside.web.trace_form import TAKES, read_trace_form

_ID_DIGITS = 12


def export(request: Request) -> Response:
    """Every trace that the form lets through, a line each, made while it is sent.

    What was said of some stands in a line after them. A trace of more than 5,000 steps stands in
    several lines, so that nobody has to hold it.
    """
    scope: Scope = request.app.state.local
    for unknown in unknown_in(request, TAKES):
        # A file says nothing of what it was not narrowed by.
        raise Invalid(
            "unknown_parameter",
            f"The address asks for `{unknown.name}`, by which traces cannot be narrowed",
            hint=unknown.near and f"Did you mean `{unknown.near}`?",
        )
    for repeated in repeated_in(request, TAKES):
        raise Invalid(
            "repeated_parameter",
            f"The address asks for `{repeated.name}` more than once",
            hint="Ask for it once; take one file for each.",
        )
    form = read_trace_form(request)
    if form.refused is not None:
        raise form.refused
    found = search.spans_of(scope, form.filters, in_parts=True)
    return _download(exports.Export(scope, form="otlp").lines(found), "traces")


def export_one(request: Request) -> Response:
    """One trace, also of a test run; a very long one in several lines."""
    scope: Scope = request.app.state.local
    trace_id = request.path_params["trace_id"]
    parts = search.parts_of_trace(scope, trace_id)
    first = next(parts, None)
    if first is None:
        raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
    lines = exports.Export(scope, form="otlp").lines(chain([first], parts))
    return _download(lines, f"trace-{first[0].trace_id[:_ID_DIGITS]}")


def _download(lines: Iterator[bytes], name: str) -> Response:
    # The first line is made at once: what stands in its way is then a page and not a torn file.
    first = next(lines, b"")
    said = {"content-disposition": f'attachment; filename="{name}.jsonl"'}
    return StreamingResponse(chain([first], lines), media_type="application/jsonl", headers=said)


ROUTES = [
    Route("/traces/export", export),
    Route("/traces/{trace_id}/export", export_one),
]
