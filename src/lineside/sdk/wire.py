"""One request to a lineside server, with nothing but Python's own library.

An HTTP client of its own would be the heaviest thing that an application gets with the SDK, and
one that its instrumentations may already watch.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import orjson

from lineside.core import Conflict, Denied, Invalid, LinesideError, NotFound, Unavailable

_ANSWER_BYTES_MAX = 1024 * 1024
_ERRORS: dict[int, type[LinesideError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: NotFound,
    409: Conflict,
    422: Invalid,
}


class Answer(NamedTuple):
    """What a server said."""

    status: int
    retry_after: str
    body: bytes


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout_seconds: float) -> Answer:
    """Send a body and read the answer, whatever its status.

    Raises:
        OSError: Nobody answered in time.
    """
    request = Request(url, body, dict(headers), method="POST")  # noqa: S310 # http(s), as checked
    try:
        with _opener(url).open(request, timeout=timeout_seconds) as response:
            return _answer(response)
    except HTTPError as refusal:
        with refusal:
            return _answer(refusal)
    except HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


@contextmanager
def opened(
    url: str, headers: Mapping[str, str], *, timeout_seconds: float
) -> Iterator[HTTPResponse]:
    """A successful answer to read piece by piece.

    Raises:
        LinesideError: What the server refused with.
        OSError: Nobody answered.
    """
    request = Request(url, headers=dict(headers))  # noqa: S310 # http(s), as checked
    try:
        with _opener(url).open(request, timeout=timeout_seconds) as response:
            yield response
    except HTTPError as refusal:
        with refusal:
            answer = _answer(refusal)
        raise error_of(answer) from None


def error_of(answer: Answer) -> LinesideError:
    """The error that a refusal of the REST API stands for."""
    try:
        said = orjson.loads(answer.body)["error"]
        code, message, hint = said["code"], said["message"], said["hint"]
    except (ValueError, KeyError, TypeError):
        code, message, hint = "server_refused", f"The server answered {answer.status}", None
    return _ERRORS.get(answer.status, Unavailable)(str(code), str(message), hint=hint)


def authorization(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def _answer(response: HTTPResponse | HTTPError) -> Answer:
    retry_after = response.headers.get("retry-after", "")
    return Answer(response.status or 0, retry_after, response.read(_ANSWER_BYTES_MAX))


def _opener(url: str) -> OpenerDirector:
    # A proxy of the environment is for the world outside; it could not find this machine.
    return build_opener(ProxyHandler({})) if _is_here(url) else build_opener()


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
