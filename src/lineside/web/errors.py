"""Errors as pages: what happened, and what to do next."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lineside.core import Conflict, Denied, Invalid, LinesideError, NotFound, Unavailable
from lineside.web.render import page

_STATUSES: dict[type[LinesideError], tuple[int, str]] = {
    Invalid: (422, "That does not fit"),
    NotFound: (404, "Not here"),
    Conflict: (409, "Something else came first"),
    Denied: (403, "Refused"),
    Unavailable: (503, "No answer right now"),
}


def status_of(error: LinesideError) -> tuple[int, str]:
    """Status and heading for each of the five kinds of error."""
    return next(said for kind, said in _STATUSES.items() if isinstance(error, kind))


def refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, LinesideError):
        raise error
    status, title = status_of(error)
    return _error_page(request, status, title, error.message, error.hint)


def not_served(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return _error_page(
            request, 404, "Not here", f"There is no page `{request.url.path[:200]}`", None
        )
    return _error_page(request, error.status_code, "Not possible", error.detail, None)


def broken(request: Request, error: Exception) -> Response:
    return _error_page(
        request,
        500,
        "Something broke",
        f"lineside failed while it made this page: `{type(error).__name__}`",
        "The terminal where the server runs shows where. `lineside doctor` checks the machine.",
    )


def _error_page(
    request: Request, status: int, title: str, message: str, hint: str | None
) -> Response:
    return page(
        request,
        "error.html",
        status_code=status,
        status=status,
        title=title,
        message=message,
        hint=hint,
    )
