"""Sessions and users: traces that belong together because they name the same one."""

from lineside.traces.sessions.listing import (
    DAYS,
    Session,
    SessionList,
    SessionPage,
    TraceTotals,
    User,
    UserList,
    get_session,
    get_user,
    list_sessions,
    list_users,
)

__all__ = [
    "DAYS",
    "Session",
    "SessionList",
    "SessionPage",
    "TraceTotals",
    "User",
    "UserList",
    "get_session",
    "get_user",
    "list_sessions",
    "list_users",
]
