"""`/traces/{id}/marks`: tags, notes and links that people put on a trace."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import Invalid
from lineside.traces import marks
from lineside.trust import Scope
from lineside.web.render import page

_LISTED_MAX = 200


async def put(request: Request) -> Response:
    """Put what the form holds on the trace, and show it there."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    trace_id = request.path_params["trace_id"]
    await asyncio.to_thread(_put, request.app.state.local, trace_id, typed)
    return _back(trace_id)


async def remove(request: Request) -> Response:
    """Take a mark off the trace."""
    trace_id, mark_id = (request.path_params[name] for name in ("trace_id", "mark_id"))
    await asyncio.to_thread(marks.remove_mark, request.app.state.local, trace_id, mark_id)
    return _back(trace_id)


def mark_list(request: Request) -> Response:
    """What people put on traces lately, or the traces that have a tag."""
    scope: Scope = request.app.state.local
    tag = request.query_params.get("tag") or None
    found = marks.list_marks(scope, tag=tag, limit=_LISTED_MAX)
    return page(request, "marks.html", takes=("tag",), found=found, tag=tag, listed_max=_LISTED_MAX)


def _put(scope: Scope, trace_id: str, typed: dict[str, str]) -> marks.TraceMark:
    kind, text = typed.get("kind", ""), typed.get("text", "")
    if kind == "tag":
        return marks.tag_trace(scope, trace_id, text)
    if kind == "note":
        return marks.note_on_trace(scope, trace_id, text)
    if kind == "link":
        return marks.link_trace(scope, trace_id, typed.get("address", ""), title=text)
    raise Invalid(
        "bad_mark", f"The kind of mark is `{kind[:20]}`, expected `tag`, `note` or `link`"
    )


def _back(trace_id: str) -> Response:
    return RedirectResponse(f"/traces/{trace_id}#marks", 303)


ROUTES = [
    Route("/marks", mark_list),
    Route("/traces/{trace_id}/marks", put, methods=["POST"]),
    Route("/traces/{trace_id}/marks/{mark_id}/remove", remove, methods=["POST"]),
]
