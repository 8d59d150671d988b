"""`/sessions` and `/users`: traces that belong together, and who they were made for."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.traces import scores, sessions
from lineside.trust import Scope
from lineside.usecases import list_use_cases
from lineside.web.render import page

_SHOWN = 50
DAYS = {"1": "Last day", "7": "Last 7 days", "30": "Last 30 days", "365": "Last year"}


def session_list(request: Request) -> Response:
    """Sessions of the last days, those that something happened in last first."""
    scope: Scope = request.app.state.local
    asked = _asked(request)
    found = sessions.list_sessions(
        scope,
        use_case=asked["use_case"] or None,
        user=asked["user"] or None,
        days=days_of(asked["days"]),
        limit=_SHOWN,
        before=request.query_params.get("before"),
    )
    return page(
        request,
        "sessions.html",
        found=found,
        takes=("use_case", "user", "days", "before"),
        **_form(scope, asked, found.older),
    )


def session(request: Request) -> Response:
    """One session as a conversation: what was asked and answered, in order."""
    scope: Scope = request.app.state.local
    session_id, asked = request.path_params["session_id"], request.query_params
    found = sessions.get_session(scope, session_id, limit=_SHOWN, after=asked.get("after"))
    following = urlencode({"after": found.later}) if found.later else None
    return page(
        request,
        "session.html",
        found=found,
        following=following,
        is_first="after" not in asked,
        scores=scores.list_scores(scope, session_id=session_id, limit=_SHOWN),
    )


def user_list(request: Request) -> Response:
    """Users that traces of the last days name, those seen last first."""
    scope: Scope = request.app.state.local
    asked = _asked(request) | {"user": ""}
    found = sessions.list_users(
        scope,
        use_case=asked["use_case"] or None,
        days=days_of(asked["days"]),
        limit=_SHOWN,
        before=request.query_params.get("before"),
    )
    return page(
        request,
        "users.html",
        found=found,
        takes=("use_case", "days", "before"),
        **_form(scope, asked, found.older),
    )


def user(request: Request) -> Response:
    """One user: what their traces add up to, and the sessions they were seen in last."""
    scope: Scope = request.app.state.local
    user_id = request.path_params["user_id"]
    asked = _asked(request) | {"user": user_id}
    days = days_of(asked["days"])
    found = sessions.get_user(scope, user_id, days=days)
    theirs = sessions.list_sessions(scope, user=user_id, days=days, limit=_SHOWN)
    older = urlencode({"user": user_id, "days": asked["days"]}) if theirs.older else None
    return page(
        request,
        "user.html",
        user=found,
        found=theirs,
        older=older,
        days=DAYS,
        asked=asked,
        takes=("days",),
    )


def days_of(text: str) -> float:
    """The days that a form chose; whatever else was typed, the usual ones."""
    return float(text) if text in DAYS else float(sessions.DAYS)


def _asked(request: Request) -> dict[str, str]:
    asked = {name: request.query_params.get(name, "") for name in ("use_case", "user", "days")}
    return asked | {"days": asked["days"] if asked["days"] in DAYS else str(sessions.DAYS)}


def _form(scope: Scope, asked: dict[str, str], older: str | None) -> dict[str, Any]:
    kept = {name: value for name, value in asked.items() if value}
    return {
        "asked": asked,
        "days": DAYS,
        "use_cases": [known.name for known in list_use_cases(scope)],
        "older": urlencode(kept | {"before": older}) if older else None,
    }


ROUTES = [
    Route("/sessions", session_list),
    Route("/sessions/{session_id:path}", session),
    Route("/users", user_list),
    Route("/users/{user_id:path}", user),
]
