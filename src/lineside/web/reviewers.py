"""Who is at a review's pages: the owner of this machine, or somebody signed in with a key."""

from starlette.requests import Request
from starlette.responses import Response

from lineside.core import Denied
from lineside.trust import Scope, scope_for_key

COOKIE = "lineside_rater"
SIGNED_IN_SECONDS = 12 * 3600


def reviewer(request: Request) -> Scope:
    """The scope of whoever signed in, else the local owner's.

    Raises:
        Denied: The key they signed in with no longer works.
    """
    local: Scope = request.app.state.local
    secret = request.cookies.get(COOKIE)
    return scope_for_key(local.store, secret) if secret else local


def is_signed_in(request: Request) -> bool:
    return COOKIE in request.cookies


def sign_in(response: Response, local: Scope, secret: str) -> None:
    """Let the browser act by a key on the pages of reviews; no script can read it.

    Raises:
        Denied: The key does not work, or may not rate.
    """
    scope = scope_for_key(local.store, secret)
    if "review" not in scope.rights:
        raise Denied(
            "missing_right",
            f"The key `{scope.actor.name}` lacks the right `review`",
            hint="Make one for each rater: `lineside keys create NAME --right review`.",
        )
    response.set_cookie(
        COOKIE,
        secret,
        max_age=SIGNED_IN_SECONDS,
        path="/reviews",
        httponly=True,
        samesite="strict",
    )


def sign_out(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/reviews")
