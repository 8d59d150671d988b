"""Who is at a review's pages: the owner of this machine, or a rater whose browser opens no other.

A rater is kept to reviews by the cookie alone, whatever it holds: a key that was revoked, or a
review that was closed, must not turn their browser into the owner's by itself.
"""

from dataclasses import replace
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from lineside.core import Denied
from lineside.trust import Scope, scope_for_key
from lineside.web.render import KEPT_COOKIE, is_kept, page

# As long as a browser allows: what keeps it to reviews must not end by itself.
_KEPT_SECONDS = 400 * 24 * 3600
_OPEN = ("/reviews/", "/static/")
_OTHER_NAMES = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
_TITLE = "This browser rates answers"
_MESSAGE = "This browser opens nothing but reviews, so that whoever rates stays blind"
_HINT = (
    "Go on rating, or leave for good at `/reviews/leave`: whoever opened the review sees that you "
    "did. If you are that person, use another browser, or leave here."
)


class KeptToReviews:
    """Shows a rater's browser reviews, and refuses it every other page, the API and the models."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(name == b"cookie" for name, _ in scope["headers"]):
            request = Request(scope)
            path = scope["path"]
            if is_kept(request) and path != "/reviews" and not path.startswith(_OPEN):
                await _refusal(request)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def reviewer(request: Request) -> Scope:
    """The scope of a rater, who may do nothing but rate, else the local owner's.

    Raises:
        Denied: The key they began with no longer works.
    """
    local: Scope = request.app.state.local
    if not is_kept(request):
        return local
    try:
        return _rater(local, request.cookies[KEPT_COOKIE])
    except Denied as error:
        raise Denied(
            error.code,
            "Your link no longer works",
            hint="Ask whoever opened the review for another one, or leave: `/reviews/leave`.",
        ) from None


def rater_with(local: Scope, secret: str) -> Scope:
    """The scope of whoever brings a key to begin with.

    Raises:
        Denied: The key does not work, or may not rate.
    """
    scope = _rater(local, secret)
    if "review" not in scope.rights:
        raise Denied(
            "missing_right",
            f"The key `{scope.actor.name}` lacks the right `review`",
            hint="Make a link for each rater: `lineside reviews invite REVIEW NAME`.",
        )
    return scope


def keep(response: Response, secret: str) -> None:
    """Keep the browser to reviews from now on, as the rater with this key."""
    # Not `strict`: a link in a mail to a page of a release would then come without the cookie.
    response.set_cookie(
        KEPT_COOKIE, secret, max_age=_KEPT_SECONDS, path="/", httponly=True, samesite="lax"
    )


def under_other_name(request: Request, path: str) -> str | None:
    """The address of a page under the machine's other name, another site to the browser.

    Nothing where the browser came by neither name, as through a proxy.
    """
    origin = urlsplit(request.headers.get("origin") or str(request.base_url))
    other = _OTHER_NAMES.get(origin.hostname or "")
    if other is None:
        return None
    port = f":{origin.port}" if origin.port else ""
    return f"{origin.scheme}://{other}{port}{path}"


def let_go(response: Response) -> None:
    response.delete_cookie(KEPT_COOKIE, path="/", httponly=True, samesite="lax")


def _rater(local: Scope, secret: str) -> Scope:
    scope = scope_for_key(local.store, secret)
    # A key may do more for a program; with it a browser rates, and whoever rates must be blind.
    return replace(scope, rights=scope.rights & {"review"})


def _refusal(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        response: Response = page(
            request,
            "error.html",
            status_code=403,
            status=403,
            title=_TITLE,
            message=_MESSAGE,
            hint=_HINT,
        )
    else:
        error = {"code": "kept_to_reviews", "message": _MESSAGE, "hint": _HINT}
        response = JSONResponse({"error": error}, 403)
    response.headers["cache-control"] = "no-store"
    return response
