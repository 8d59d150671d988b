"""`/traces`: what happened, newest first, and what people say of it."""

import asyncio
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.apps import list_releases, live_schemas
from lineside.core import Invalid, NotFound
from lineside.traces import get_trace, give_feedback, search, traffic
from lineside.trust import Scope
from lineside.web.forms import FormField, fields_of, read_form
from lineside.web.render import page
from lineside.web.trace_form import form_values, read_trace_form

_TRACES_SHOWN = 50
_DAY_HOURS = 24


def traces(request: Request) -> Response:
    """The newest traces that the form lets through; the address holds what was asked."""
    scope: Scope = request.app.state.local
    form = read_trace_form(request)
    found, refused, before = None, form.refused, request.query_params.get("before")
    if form.filters is not None:
        try:
            found = search.list_traces(scope, form.filters, limit=_TRACES_SHOWN, before=before)
        except Invalid as error:
            refused = error
    older = form.address(changes={"before": found.older}) if found and found.older else None
    use_case = form.asked["use_case"]
    others = form.asked.keys() - {"use_case"}
    is_known = use_case and use_case != search.UNCLAIMED
    values = form_values(form, action="/traces", beside=["before"]) | {"refused": refused}
    return page(
        request,
        "traces.html",
        status_code=422 if refused else 200,
        found=found,
        older=older,
        shows_traffic=before is None and not any(form.asked[name] for name in others),
        traffic=traffic(scope, use_case=use_case if is_known else None, hours=_DAY_HOURS),
        **values,
    )


async def feedback(request: Request) -> Response:
    """Keep what a person says of an answer, and show it beside the trace."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    trace_id = request.path_params["trace_id"]
    await asyncio.to_thread(_keep_feedback, request.app.state.local, trace_id, typed)
    return RedirectResponse(f"/traces/{trace_id}?thanks=1#feedback", 303)


def moved(request: Request) -> Response:
    """Addresses from before there were traces of other programs still lead here."""
    path = request.url.path.replace("/calls", "/traces", 1)
    query = request.url.query
    return RedirectResponse(f"{path}?{query}" if query else path, 308)


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


ROUTES = [
    Route("/traces", traces),
    Route("/traces/{trace_id}/feedback", feedback, methods=["POST"]),
    Route("/calls", moved),
    Route("/calls/{trace_id}", moved),
    Route("/calls/{trace_id}/feedback", moved, methods=["POST"]),
]
