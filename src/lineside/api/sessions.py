"""`/api/sessions` and `/api/users`: traces that belong together."""

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.traces import sessions

router = APIRouter(tags=["sessions"])


@router.get("/sessions")
def session_list(
    scope: Caller,
    use_case: str | None = None,
    user: str | None = None,
    days: float = sessions.DAYS,
    limit: int = 50,
    before: str | None = None,
) -> sessions.SessionList:
    """Sessions of the last days, newest first; at most 500. Go on with `before` = `older`."""
    return sessions.list_sessions(
        scope, use_case=use_case, user=user, days=days, limit=limit, before=before
    )


@router.get("/sessions/{session_id:path}")
def session(
    scope: Caller,
    session_id: str,
    use_case: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> sessions.SessionPage:
    """One session with its traces in order, at most 500. Go on with `after` = `later`."""
    return sessions.get_session(scope, session_id, use_case=use_case, limit=limit, after=after)


@router.get("/users")
def user_list(
    scope: Caller,
    use_case: str | None = None,
    days: float = sessions.DAYS,
    limit: int = 50,
    before: str | None = None,
) -> sessions.UserList:
    """Users that traces of the last days name; at most 500. Go on with `before` = `older`."""
    return sessions.list_users(scope, use_case=use_case, days=days, limit=limit, before=before)


@router.get("/users/{user_id:path}")
def user(
    scope: Caller, user_id: str, use_case: str | None = None, days: float = sessions.DAYS
) -> sessions.User:
    """One user over the last days; `/api/sessions?user=` has the sessions."""
    return sessions.get_user(scope, user_id, use_case=use_case, days=days)
