"""`/traces/{a}/diff/{b}`: two traces side by side, what changed first in sight."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.traces import views
from lineside.trust import Scope
from lineside.web.render import page

PAIRS_SHOWN = 300
_STANDINGS = ("changed", "added", "removed", "same")


def diff(request: Request) -> Response:
    """The steps of two traces in pairs; the address says which kinds are shown."""
    scope: Scope = request.app.state.local
    left_id, right_id = (request.path_params[name] for name in ("left_id", "right_id"))
    found = views.diff_traces(scope, left_id, right_id)
    roots = [
        next(iter(views.get_steps(scope, trace_id, [span_id]).values()))
        for trace_id, span_id in (
            (left_id, next(p.left.span.span_id for p in found.pairs if p.left)),
            (right_id, next(p.right.span.span_id for p in found.pairs if p.right)),
        )
    ]
    only = request.query_params.get("only")
    wanted = [
        (at, pair)
        for at, pair in enumerate(found.pairs)
        if only != "changes" or pair.standing != "same"
    ]
    typed = request.query_params.get("from", "")
    first = min(int(typed), len(wanted)) if typed.isdecimal() and len(typed) < 8 else 1
    first = max(1, first)
    return page(
        request,
        "trace_diff.html",
        found=found,
        left=roots[0],
        right=roots[1],
        pairs=wanted[first - 1 : first - 1 + PAIRS_SHOWN],
        pairs_count=len(wanted),
        first=first,
        shown=PAIRS_SHOWN,
        only=only,
        counts=[(standing, found.number_of(standing)) for standing in _STANDINGS],
    )


ROUTES = [Route("/traces/{left_id}/diff/{right_id}", diff)]
