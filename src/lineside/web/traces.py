"""`/calls`: what was served, each call with its steps, and what people say of it."""

import asyncio
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.apps import list_releases, live_schemas
from lineside.core import Invalid, NotFound
from lineside.traces import Span, get_trace, give_feedback, latest_calls, list_feedback, traffic
from lineside.trust import Scope
from lineside.usecases import list_use_cases
from lineside.web.forms import FormField, fields_of, read_form
from lineside.web.render import page

_CALLS_SHOWN = 50
_DAY_HOURS = 24


def calls(request: Request) -> Response:
    """The newest served calls, of one use case if asked for."""
    scope: Scope = request.app.state.local
    use_case = request.query_params.get("use_case") or None
    return page(
        request,
        "calls.html",
        calls=latest_calls(scope, use_case=use_case, limit=_CALLS_SHOWN),
        labels=release_labels(scope, use_case),
        traffic=traffic(scope, use_case=use_case, hours=_DAY_HOURS),
        use_case=use_case,
        use_cases=[known.name for known in list_use_cases(scope)],
        calls_max=_CALLS_SHOWN,
    )


def call(request: Request) -> Response:
    """One call: what came in, what went out, its steps and what was said of it."""
    scope: Scope = request.app.state.local
    trace_id = request.path_params["trace_id"]
    spans = get_trace(scope, trace_id)
    if not spans:
        raise NotFound("unknown_trace", f"No call has the trace id `{trace_id[:64]}`")
    root = next((span for span in spans if not span.parent_span_id), spans[0])
    return page(
        request,
        "call.html",
        root=root,
        steps=_steps(spans, root),
        label=release_labels(scope, root.use_case).get(root.release or ""),
        feedback=list_feedback(scope, trace_id=trace_id),
        correction=correction_fields(scope, root.use_case, root.output),
        thanks="thanks" in request.query_params,
    )


async def feedback(request: Request) -> Response:
    """Keep what a person says of an answer, and show it beside the call."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    trace_id = request.path_params["trace_id"]
    await asyncio.to_thread(_keep_feedback, request.app.state.local, trace_id, typed)
    return RedirectResponse(f"/calls/{trace_id}?thanks=1#feedback", 303)


def release_labels(scope: Scope, use_case: str | None) -> dict[str, str]:
    """What people call each release, by its id."""
    return {release.id: release.label for release in list_releases(scope, use_case)}


def correction_fields(scope: Scope, use_case: str | None, output: Any) -> list[FormField]:
    """A form for the answer as it should have been, filled with the answer that was given."""
    if use_case is None or not isinstance(output, dict):
        return []
    try:
        schema = live_schemas(scope, use_case)["output"]
    except NotFound:
        return []
    fields = fields_of(schema, output, prefix="correct.")
    return [field for field in fields if field.name != "confidence"]


def _keep_feedback(scope: Scope, trace_id: str, typed: dict[str, str]) -> None:
    root = next((span for span in get_trace(scope, trace_id) if not span.parent_span_id), None)
    fields = correction_fields(scope, root.use_case, root.output) if root else []
    correction = read_form(fields, typed)
    given = root.output if root and isinstance(root.output, dict) else {}
    changed = {name: value for name, value in correction.items() if given.get(name) != value}
    give_feedback(
        scope,
        trace_id,
        thumb=_thumb(typed.get("thumb")),
        correction=changed or None,
        comment=typed.get("comment", "").strip() or None,
    )


def _thumb(word: str | None) -> Literal["up", "down"] | None:
    if word in (None, ""):
        return None
    if word in ("up", "down"):
        return "up" if word == "up" else "down"
    raise Invalid("bad_thumb", f"The thumb is `{word[:20]}`, expected `up` or `down`")


def _steps(spans: list[Span], root: Span) -> list[dict[str, Any]]:
    """Each step with its share of the whole call, the call itself first."""
    whole_ms = max(root.duration_ms, 0.001)
    return [
        {
            "span": span,
            "share": min(1.0, span.duration_ms / whole_ms),
            "is_inner": span.parent_span_id is not None,
        }
        for span in sorted(spans, key=lambda span: span is not root)
    ]


ROUTES = [
    Route("/calls", calls),
    Route("/calls/{trace_id}", call),
    Route("/calls/{trace_id}/feedback", feedback, methods=["POST"]),
]
