"""`/batches`: files whose rows a release answers, how far each is, and what it cost."""

import asyncio
from datetime import timedelta

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from lineside.apps import batches
from lineside.core import LinesideError, clock
from lineside.trust import Scope
from lineside.usecases import list_use_cases
from lineside.web.render import page

_REFRESH_SECONDS = 2


def batch_list(request: Request) -> Response:
    """Every batch, newest first."""
    scope: Scope = request.app.state.local
    use_case = request.query_params.get("use_case") or None
    return page(
        request,
        "batches.html",
        takes=("use_case",),
        found=batches.list_batches(scope, use_case=use_case),
        use_case=use_case,
        use_cases=[known.name for known in list_use_cases(scope)],
    )


def batch(request: Request) -> Response:
    """One batch: how far it is, at what rate and cost, and why rows failed."""
    return _batch(request, error=None)


async def cancel(request: Request) -> Response:
    """Ask no further row."""
    batch_id = request.path_params["batch_id"]
    try:
        await asyncio.to_thread(batches.cancel_batch, request.app.state.local, batch_id)
    except LinesideError as error:
        return await asyncio.to_thread(_batch, request, error=error)
    return RedirectResponse(f"/batches/{batch_id}", 303)


async def resume(request: Request) -> Response:
    """Go on with what was not asked, or also with what failed."""
    batch_id = request.path_params["batch_id"]
    form = await request.form()
    scope: Scope = request.app.state.local

    def work() -> None:
        batches.resume_batch(scope, batch_id, failed=form.get("failed") == "true")

    try:
        await asyncio.to_thread(work)
    except LinesideError as error:
        return await asyncio.to_thread(_batch, request, error=error)
    return RedirectResponse(f"/batches/{batch_id}", 303)


def results(request: Request) -> Response:
    """What became of the rows, as a file."""
    scope: Scope = request.app.state.local
    batch_id, form = request.path_params["batch_id"], request.path_params["form"]
    found = batches.exported_file(scope, batch_id, form)
    return FileResponse(
        found.path,
        media_type=found.media_type,
        filename=found.path.name,
        background=BackgroundTask(found.remove),
    )


def _batch(request: Request, *, error: LinesideError | None) -> Response:
    scope: Scope = request.app.state.local
    found = batches.get_batch(scope, request.path_params["batch_id"])
    is_running = found.status == "running"
    return page(
        request,
        "batch.html",
        status_code=409 if error else 200,
        batch=found,
        error=error,
        seconds=lambda seconds: clock.spell_duration(timedelta(seconds=seconds)),
        results=batches.batch_results(scope, found.id, limit=10),
        refresh_seconds=_REFRESH_SECONDS if is_running and not error else None,
    )


ROUTES = [
    Route("/batches", batch_list),
    Route("/batches/{batch_id}", batch),
    Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
    Route("/batches/{batch_id}/resume", resume, methods=["POST"]),
    Route("/batches/{batch_id}/results.{form}", results),
]
