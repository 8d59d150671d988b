"""`/usecases/{name}/knobs`: where knobs stand, what is offered, and the control users get."""

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from lineside.apps import promoting
from lineside.trust import Scope
from lineside.web.render import STATIC, page

_USER_CHARACTERS_MAX = 400


async def knob_page(request: Request) -> Response:
    """Every knob of what is live, and the control as one user would see it."""
    scope: Scope = request.app.state.local
    name = request.path_params["name"]
    user = request.query_params.get("user", "").strip()[:_USER_CHARACTERS_MAX]
    now = await request.app.state.serving.knobs.now(scope, name)
    counting = await asyncio.to_thread(promoting.looked_over, scope, name)
    unproved = counting.unproved if counting else ()
    return page(request, "knobs.html", takes=("user",), now=now, user=user, unproved=unproved)


async def control(_request: Request) -> Response:
    """The script for other pages, at an address that stays; nobody keeps an old one for long."""
    return FileResponse(STATIC / "knobs.js", media_type="text/javascript")


ROUTES = [
    Route("/usecases/{name}/knobs", knob_page),
    Route("/embed/knobs.js", control),
]
