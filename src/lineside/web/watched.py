"""Use cases that are only watched: what their traces came to, and how to bring them on the line."""

import asyncio
from datetime import timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lineside.core import now
from lineside.traces import search, unclaimed
from lineside.trust import Scope
from lineside.usecases import UseCase, watching
from lineside.web.render import page

_WEEK = timedelta(days=7)
_TRACES_SHOWN = 8


def watched_page(request: Request, known: UseCase) -> Response:
    """What is known of a use case that has traces and no manifest."""
    scope: Scope = request.app.state.local
    of_case = search.read_filters(use_case=known.name)
    return page(
        request,
        "watched.html",
        known=known,
        week=watched_weeks(scope, of_case).get(known.name),
        services=[one for one in unclaimed.list_routes(scope) if one.use_case == known.name],
        traces=search.list_traces(scope, of_case, limit=_TRACES_SHOWN).traces,
    )


async def unwatch(request: Request) -> Response:
    """Forget it, and move its traces back to the unclaimed shelf where that is ticked."""
    form = await request.form()
    done = await asyncio.to_thread(
        watching.unwatch,
        request.app.state.local,
        request.path_params["name"],
        moves_traces=bool(form.get("to_shelf")),
    )
    told = urlencode({"unwatched": done.use_case, "moved": f"{done.traces_moved:,}"})
    return RedirectResponse(f"/unclaimed?{told}", 303)


def watched_weeks(
    scope: Scope, filters: search.Filters | None = None
) -> dict[str | None, search.TraceFigures]:
    """What the traces of 7 days came to, by use case."""
    of_week = (filters or search.Filters()).model_copy(update={"since": now() - _WEEK})
    return {one.name: one for one in search.figures(scope, of_week, by="use_case")}
