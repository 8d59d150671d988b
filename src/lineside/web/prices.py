"""`/prices`: what models cost, and who says so."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.traces import prices
from lineside.trust import Scope
from lineside.web.render import page

_LISTED_MAX = 100


def price_list(request: Request) -> Response:
    """Own prices, and those of the base table whose name holds what was asked for."""
    scope: Scope = request.app.state.local
    words = request.query_params.get("model", "")[:200]
    found = prices.find_prices(scope, words, limit=_LISTED_MAX)
    return page(request, "prices.html", takes=("model",), found=found, words=words)


ROUTES = [Route("/prices", price_list)]
