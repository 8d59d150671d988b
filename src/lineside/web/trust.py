"""`/ledger`: who may, and who did."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.trust import Scope, ledger_entries, list_keys, members, proofs
from lineside.web.render import page

_ENTRIES_SHOWN = 50


def ledger(request: Request) -> Response:
    """The newest decisions, the signed head over them, and who holds keys."""
    scope: Scope = request.app.state.local
    before = request.query_params.get("before", "")
    entries = ledger_entries(
        scope,
        after=int(before) if before.isdecimal() and len(before) < 12 else None,
        limit=_ENTRIES_SHOWN + 1,
        newest_first=True,
    )
    return page(
        request,
        "ledger.html",
        entries=entries[:_ENTRIES_SHOWN],
        has_older=len(entries) > _ENTRIES_SHOWN,
        head=proofs.ledger_head(scope),
        workspace=members.find_own_workspace(scope),
        members=members.list_members(scope),
        keys=list_keys(scope),
    )


ROUTES = [Route("/ledger", ledger)]
