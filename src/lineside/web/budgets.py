"""`/budgets`: what calls may take, and how far it is used."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.gateway import budgets
from lineside.trust import Scope
from lineside.web.render import page

_GROUPS = {
    "workspace": "The whole workspace",
    "team": "Teams",
    "key": "API keys",
    "use_case": "Use cases",
    "session": "Sessions",
}


def budget_list(request: Request) -> Response:
    """Every limit with a bar of what is spent and reserved of it, by whom it is for."""
    scope: Scope = request.app.state.local
    uses = budgets.cap_uses(scope)
    groups = [
        (title, [use for use in uses if use.cap.about == about]) for about, title in _GROUPS.items()
    ]
    filled = [(title, found) for title, found in groups if found]
    return page(request, "budgets.html", groups=filled, label=budgets.label)


ROUTES = [Route("/budgets", budget_list)]
