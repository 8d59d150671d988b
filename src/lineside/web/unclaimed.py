"""`/unclaimed` and `/quality`: traces that no use case has, and how complete traces are."""

import asyncio
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.traces import metrics, quality, refusals, unclaimed
from lineside.trust import Scope
from lineside.usecases import list_use_cases, watching
from lineside.web.render import page

MEASURED_MAX = 100
DAYS = {"1": "Last day", "7": "Last 7 days", "30": "Last 30 days"}


def shelf(request: Request) -> Response:
    """Services whose traces no use case has, each with a form that gives it to one."""
    scope: Scope = request.app.state.local
    asked = request.query_params
    return page(
        request,
        "unclaimed.html",
        services=unclaimed.list_unclaimed(scope),
        routes=unclaimed.list_routes(scope),
        use_cases=[known.name for known in list_use_cases(scope)],
        claimed=asked.get("claimed"),
        claimed_by=asked.get("by"),
        moved=asked.get("moved"),
        unwatched=asked.get("unwatched"),
    )


async def claim(request: Request) -> Response:
    """Give a service to a use case, and say what was moved."""
    form = await request.form()
    service, use_case, new = (
        str(form.get(name, "")).strip() for name in ("service", "use_case", "new")
    )
    made = await asyncio.to_thread(
        watching.claim_service,
        request.app.state.local,
        service,
        use_case=new or use_case,
        is_new=bool(new),
    )
    told = urlencode(
        {
            "claimed": made.route.service,
            "by": made.route.use_case,
            "moved": f"{made.traces_moved:,}",
        }
    )
    return RedirectResponse(f"/unclaimed?{told}", 303)


async def release(request: Request) -> Response:
    """Take a rule back."""
    service = str((await request.form()).get("service", ""))
    await asyncio.to_thread(unclaimed.remove_route, request.app.state.local, service)
    return RedirectResponse("/unclaimed", 303)


def telemetry(request: Request) -> Response:
    """What share of the last days' spans states what figures are made of."""
    scope: Scope = request.app.state.local
    asked = request.query_params.get("days", "")
    days = asked if asked in DAYS else str(quality.DAYS)
    found = quality.telemetry_quality(scope, days=float(days))
    measured = metrics.client_histograms(scope, hours=float(days) * 24)[:MEASURED_MAX]
    return page(
        request,
        "quality.html",
        takes=("days",),
        found=found,
        refused=refusals.list_refusals(scope, days=float(days)),
        measured=measured,
        days=DAYS,
        asked={"days": days},
    )


ROUTES = [
    Route("/unclaimed", shelf),
    Route("/unclaimed/claim", claim, methods=["POST"]),
    Route("/unclaimed/release", release, methods=["POST"]),
    Route("/quality", telemetry),
]
