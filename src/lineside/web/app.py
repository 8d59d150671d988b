"""The pages as one program that the server mounts under `/`."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from lineside.apps import Serving
from lineside.apps import enforcement as enforcing
from lineside.core import LinesideError
from lineside.trust import Scope
from lineside.web.apps import ROUTES as RELEASES
from lineside.web.batches import ROUTES as BATCHES
from lineside.web.boards import ROUTES as BOARDS
from lineside.web.budgets import ROUTES as BUDGETS
from lineside.web.datasets import ROUTES as DATASETS
from lineside.web.errors import broken, not_served, refused
from lineside.web.evals import ROUTES as RUNS
from lineside.web.guards import ROUTES as GUARDS
from lineside.web.judges import ROUTES as JUDGES
from lineside.web.kept import Kept
from lineside.web.knobs import ROUTES as KNOBS
from lineside.web.live import ROUTES as LIVE
from lineside.web.marks import ROUTES as MARKS
from lineside.web.pairwise import ROUTES as PAIRWISE
from lineside.web.prices import ROUTES as PRICES
from lineside.web.rating import ROUTES as RATING
from lineside.web.render import STATIC
from lineside.web.reviews import ROUTES as REVIEWS
from lineside.web.rollouts import ROUTES as ROLLOUTS
from lineside.web.saved_views import ROUTES as SAVED_VIEWS
from lineside.web.sessions import ROUTES as SESSIONS
from lineside.web.trace import ROUTES as TRACE
from lineside.web.trace_charts import ROUTES as TRACE_CHARTS
from lineside.web.trace_diff import ROUTES as TRACE_DIFF
from lineside.web.trace_export import ROUTES as TRACE_EXPORT
from lineside.web.traces import ROUTES as TRACES
from lineside.web.trust import ROUTES as LEDGER
from lineside.web.tryout import ROUTES as TRY
from lineside.web.unclaimed import ROUTES as UNCLAIMED
from lineside.web.usecases import ROUTES as USE_CASES
from lineside.web.verdicts import ROUTES as VERDICTS
from lineside.web.webhooks import ROUTES as WEBHOOKS

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "media-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def build_web(
    local: Scope, serving: Serving, *, enforcement: enforcing.Enforcement | None = None
) -> Starlette:
    """Put the pages together.

    Args:
        local: The owner, on this machine; every page is shown to them.
        serving: Answers what is typed into the try-it form.
        enforcement: Probes the guards of what is live.
    """
    app = Starlette(
        routes=[
            *USE_CASES,
            *TRY,
            *KNOBS,
            *ROLLOUTS,
            *RUNS,
            *VERDICTS,
            *PAIRWISE,
            *BOARDS,
            *DATASETS,
            *JUDGES,
            *RATING,
            *REVIEWS,
            *RELEASES,
            *BATCHES,
            *TRACE_CHARTS,
            *LIVE,
            *SAVED_VIEWS,
            *TRACE_EXPORT,
            *TRACES,
            *TRACE,
            *TRACE_DIFF,
            *SESSIONS,
            *UNCLAIMED,
            *MARKS,
            *PRICES,
            *GUARDS,
            *BUDGETS,
            *LEDGER,
            *WEBHOOKS,
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={
            LinesideError: refused,
            HTTPException: not_served,
            Exception: broken,
        },
        middleware=[Middleware(PageHeaders)],
    )
    app.state.local = local
    app.state.serving = serving
    app.state.enforcement = enforcement or enforcing.Enforcement(local, serving)
    app.state.kept = Kept()
    return app


class PageHeaders:
    """Says to the browser what a page may load: our own style and script, and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        is_static = scope["type"] == "http" and scope["path"].startswith("/static/")
        kept = b"max-age=31536000, immutable" if is_static else b"no-store"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"same-origin"),
                    (b"cache-control", kept),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)
