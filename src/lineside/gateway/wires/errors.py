"""Errors in the form of the wire that the caller speaks, and reading those of providers."""

from typing import Any

import orjson

from lineside.core import Denied, Invalid, LinesideError, NotFound, Unavailable
from lineside.gateway.output import shorten
from lineside.gateway.wires.sse import write_event

_STATUS_OF_CODE = {
    "bad_key": 401,
    "body_too_large": 413,
    "budget_exceeded": 429,
    "model_rate_limited": 429,
    "model_slow": 504,
    "model_not_found": 404,
    "idempotency_key_reused": 422,
}
_STATUSES: list[tuple[type[LinesideError], int]] = [
    (Invalid, 400),
    (NotFound, 404),
    (Denied, 403),
    (Unavailable, 503),
]
_CHAT_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_MESSAGES_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def status_of(error: LinesideError) -> int:
    """The status of HTTP that the SDKs of the wires understand."""
    known = _STATUS_OF_CODE.get(error.code)
    return known or next((status for kind, status in _STATUSES if isinstance(error, kind)), 409)


def write_error(wire: str, error: LinesideError, *, request_id: str) -> dict[str, Any]:
    """The body of a failed answer."""
    status = status_of(error)
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    if wire == "messages":
        kind = _MESSAGES_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": text},
            "request_id": request_id,
        }
    if error.code == "budget_exceeded":
        kind = error.code  # so that a client tells it from a provider's own limit
    else:
        otherwise = "invalid_request_error" if status < 500 else "server_error"
        kind = _CHAT_TYPES.get(status, otherwise)
    return {"error": {"message": text, "type": kind, "param": None, "code": error.code}}


def write_stream_error(
    wire: str, error: LinesideError, *, request_id: str, number: int = 0
) -> bytes:
    """The event that ends a stream which failed after it had begun.

    Args:
        number: Of the event, where the wire counts them.
    """
    body = write_error(wire, error, request_id=request_id)
    if wire == "responses":
        inner = body["error"]
        event = {
            "type": "error",
            "code": inner["code"],
            "message": inner["message"],
            "param": None,
            "sequence_number": number,
        }
        return write_event(event, "error")
    return write_event(body, "error" if wire == "messages" else "")


def read_error(body: bytes) -> tuple[str, str]:
    """Read the code and the text of a failed reply; a body of another form gives its beginning."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", shorten(" ".join(body[:4000].decode(errors="replace").split()), 200)
    if isinstance(reply, list) and reply:
        reply = reply[0]  # Gemini's way in a stream
    error = reply.get("error", reply) if isinstance(reply, dict) else reply
    if not isinstance(error, dict):
        return "", shorten(str(error), 200)
    code = error.get("code") or error.get("type") or ""
    return str(code), shorten(str(error.get("message") or orjson.dumps(error).decode()))


def stated_error(body: bytes) -> str:
    """What a body with an `error` in it says; nothing of one that may be an answer."""
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    is_stated = isinstance(reply, dict) and reply.get("error") and "choices" not in reply
    return read_error(body)[1] if is_stated else ""
