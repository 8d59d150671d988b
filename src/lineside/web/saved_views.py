"""Saving what was asked of the traces under a name, and forgetting it again."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.traces import saved
from lineside.trust import Scope
from lineside.web.trace_form import COLUMNS_FIRST, as_view, chosen_columns, view_address

_PAGES = ("/traces", "/traces/charts", "/traces/live")


async def save(request: Request) -> Response:
    """Keep a view and show what it shows."""
    scope: Scope = request.app.state.local
    form = await request.form()
    typed = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
    columns = chosen_columns([name for name in form.getlist("col") if isinstance(name, str)])
    view = await asyncio.to_thread(
        saved.save_view,
        scope,
        typed.get("name", ""),
        as_view(typed),
        columns=() if columns == COLUMNS_FIRST else columns,
        is_shared=typed.get("who") == "all",
    )
    return RedirectResponse(view_address(view, _page(typed)), 303)


async def remove(request: Request) -> Response:
    """Forget a view; the traces stay."""
    form = await request.form()
    typed = {name: value for name, value in form.items() if isinstance(value, str)}
    scope: Scope = request.app.state.local
    await asyncio.to_thread(saved.remove_view, scope, request.path_params["view_id"])
    return RedirectResponse(_page(typed), 303)


def _page(typed: dict[str, str]) -> str:
    """Back to one of our own pages, whatever address was sent."""
    return typed["page"] if typed.get("page") in _PAGES else "/traces"


ROUTES = [
    Route("/traces/views", save, methods=["POST"]),
    Route("/traces/views/{view_id}/remove", remove, methods=["POST"]),
]
