"""`/traces/live`: traces as they arrive."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from lineside.core import Invalid
from lineside.traces import search
from lineside.trust import Scope
from lineside.web.render import page
from lineside.web.trace_form import form_values, read_trace_form

_FIRST_SHOWN = 20
_ARRIVALS_MAX = 100


def live(request: Request) -> Response:
    """The newest traces, and where what arrives from now on begins."""
    scope: Scope = request.app.state.local
    form = read_trace_form(request)
    found, rows = None, list[search.TraceRow]()
    if form.filters is not None:
        found = search.arrivals(scope, form.filters, limit=_ARRIVALS_MAX)
        newest = search.list_traces(scope, form.filters, limit=_FIRST_SHOWN).traces
        # What is still on its way has arrived: it comes again once it is in the lake, wherever it
        # began, and must not look new then. What arrives between the two looks is in both.
        rows += {row.trace_id: row for row in (*found.traces[::-1], *newest)}.values()
    return page(
        request,
        "trace_live.html",
        status_code=422 if form.refused else 200,
        found=found,
        rows=rows,
        rows_address=form.address("/traces/live/rows"),
        **form_values(form, action="/traces/live"),
    )


def live_rows(request: Request) -> Response:
    """Rows of what arrived after a cursor, the newest first, with the cursor to go on from."""
    scope: Scope = request.app.state.local
    form = read_trace_form(request)
    after = request.query_params.get("after")
    try:
        found = search.arrivals(scope, form.filters, after=after, limit=_ARRIVALS_MAX)
    except Invalid as error:
        return HTMLResponse(error.message, 422, media_type="text/plain")
    return page(
        request,
        "trace_arrivals.html",
        found=found,
        rows=found.traces[::-1],
        **form_values(form, action="/traces/live", beside=["after"]),
    )


ROUTES = [Route("/traces/live", live), Route("/traces/live/rows", live_rows)]
