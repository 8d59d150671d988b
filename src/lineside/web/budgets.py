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
_SHOWN_MAX = 20


def budget_list(request: Request) -> Response:
    """Limits with a bar of what is spent and reserved of each, by whom it is for, fullest first."""
    scope: Scope = request.app.state.local
    uses = sorted(budgets.cap_uses(scope), key=lambda use: -use.share)
    groups = [
        (title, [use for use in uses if use.cap.about == about]) for about, title in _GROUPS.items()
    ]
    return page(
        request,
        "budgets.html",
        groups=[(title, found[:_SHOWN_MAX], len(found)) for title, found in groups if found],
        label=budgets.label,
    )


ROUTES = [Route("/budgets", budget_list)]
