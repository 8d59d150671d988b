"""`/judges`: LLM judges against people, and which of them are licensed."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.evals import licences
from lineside.trust import Scope
from lineside.web.render import page

_LISTED_MAX = 200


def judges(request: Request) -> Response:
    """Licences, granted and refused, the newest first."""
    scope: Scope = request.app.state.local
    found = licences.list_licences(scope, limit=_LISTED_MAX)
    return page(request, "judges.html", licences=found)


def judge(request: Request) -> Response:
    """One licence: the judge against people, the bar, and until when it holds."""
    scope: Scope = request.app.state.local
    found = licences.get_licence(scope, request.path_params["licence_id"])
    others = licences.list_licences(scope, judge=found.judge, limit=_LISTED_MAX)
    return page(
        request,
        "judge.html",
        licence=found,
        others=[one for one in others if one.id != found.id and one.use_case == found.use_case],
    )


ROUTES = [Route("/judges", judges), Route("/judges/{licence_id}", judge)]
