"""Turns the five kinds of error into statuses, once for the whole API."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lineside.api.senders import brings_key
from lineside.core import Conflict, Denied, Invalid, LinesideError, NotFound, Unavailable
from lineside.gateway import budgets, calls

STATUSES: dict[type[LinesideError], int] = {
    Invalid: 422,
    NotFound: 404,
    Conflict: 409,
    Denied: 403,
    Unavailable: 503,
}
_CODES = {"bad_key": 401, "body_too_large": 413, "budget_exceeded": 429}
_RETRY_AFTER_SECONDS = "2"
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "hint": {"type": ["string", "null"]},
            },
        }
    },
}
"""What every error of the API looks like."""
_MISFITS_MAX = 5
_READ_CHARACTERS_MAX = 60


def error_response(request: Request, error: Exception) -> Response:
    """Answer with what happened and what to do next: `{"error": {code, message, hint}}`."""
    if not isinstance(error, LinesideError):
        raise error
    status = error_status(error)
    if brings_key(request.headers):
        error = calls.for_callers(error)
    body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    headers = {"retry-after": _RETRY_AFTER_SECONDS} if status == 503 else {}
    if isinstance(error, budgets.BudgetExceeded):
        headers |= error.headers
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, "application/json")


def no_door(request: Request, error: Exception) -> Response:
    """Answer a request that no path or method takes, in the same form."""
    if not isinstance(error, HTTPException):
        raise error
    asked = f"{request.method} {request.url.path}"[:200]
    said = {
        404: ("no_such_path", f"There is no `{asked}`", "All that there is: `/api/docs`."),
        405: (
            "no_such_method",
            f"There is no `{asked}`",
            f"It takes {(error.headers or {}).get('Allow', 'other methods')}; see `/api/docs`.",
        ),
    }
    code, message, hint = said.get(error.status_code, ("refused", str(error.detail), None))
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return Response(orjson.dumps(body), error.status_code, error.headers, "application/json")


def misfit(request: Request, error: Exception) -> Response:
    """Answer a request of which a field or parameter cannot be read, naming each, in one form."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    said = "; ".join(map(_misfit_said, found[:_MISFITS_MAX]))
    more = len(found) - _MISFITS_MAX
    message = said + (f"; and {more:,} more" if more > 0 else "")
    return error_response(
        request,
        Invalid("request_misfit", message, hint="What it takes stands in `/api/docs`."),
    )


def _misfit_said(error: Mapping[str, Any]) -> str:
    where, *names = map(str, error["loc"])
    name = f"`{'.'.join(names)}` of the {where}" if names else f"the {where}"
    if error["type"] == "missing":
        return f"{name} is missing"
    read = repr(error.get("input"))[:_READ_CHARACTERS_MAX]
    return f"{name}: read `{read}`; {error['msg']}"


def error_status(error: LinesideError) -> int:
    """The HTTP status of an error."""
    return _CODES.get(error.code) or next(
        status for kind, status in STATUSES.items() if isinstance(error, kind)
    )
