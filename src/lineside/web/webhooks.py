"""`/webhooks`: who is told of what is decided, and what came of telling them."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import LinesideError
from lineside.trust import Scope, webhooks
from lineside.web.render import page

_SHOWN = 50


def webhook_list(request: Request) -> Response:
    """Every webhook with how it stands, and the last messages."""
    return _list(request, error=None)


async def test(request: Request) -> Response:
    """Send a test message."""
    try:
        await webhooks.send_test(request.app.state.local, request.path_params["webhook_id"])
    except LinesideError as error:
        return await asyncio.to_thread(_list, request, error=error)
    return RedirectResponse("/webhooks", 303)


async def enable(request: Request) -> Response:
    """Tell one again that was given up."""
    scope, webhook_id = request.app.state.local, request.path_params["webhook_id"]
    try:
        await asyncio.to_thread(webhooks.enable_webhook, scope, webhook_id)
    except LinesideError as error:
        return await asyncio.to_thread(_list, request, error=error)
    return RedirectResponse("/webhooks", 303)


async def redeliver(request: Request) -> Response:
    """Have a message sent again."""
    scope: Scope = request.app.state.local
    names = request.path_params

    def work() -> None:
        webhooks.redeliver(scope, names["message_id"], webhook_id=names["webhook_id"])

    await asyncio.to_thread(work)
    return RedirectResponse("/webhooks", 303)


def _list(request: Request, *, error: LinesideError | None) -> Response:
    scope: Scope = request.app.state.local
    return page(
        request,
        "webhooks.html",
        status_code=409 if error else 200,
        found=webhooks.list_webhooks(scope),
        messages=webhooks.list_deliveries(scope, limit=_SHOWN),
        error=error,
    )


ROUTES = [
    Route("/webhooks", webhook_list),
    Route("/webhooks/{webhook_id}/test", test, methods=["POST"]),
    Route("/webhooks/{webhook_id}/enable", enable, methods=["POST"]),
    Route("/webhooks/{webhook_id}/{message_id}/redeliver", redeliver, methods=["POST"]),
]
