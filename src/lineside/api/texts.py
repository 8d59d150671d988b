"""Turns away JSON with halves of characters, which no answer could say and no store could keep."""

import json
import re

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lineside.api.errors import error_response
from lineside.core import Invalid, LinesideError

_MAY_BE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")

_LOOKED_THROUGH_MAX = 8 * 1024 * 1024
"""Only batches may be longer, and those are read line by line."""


class WholeTexts:
    """Looks through bodies of JSON before anything else does; all other bodies pass as they come.

    JSON may write half of a character beyond U+FFFF, as `"\\ud83d"`; Python takes that for a text.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        waiting: list[Message] = []
        size = 0
        try:
            while size <= _LOOKED_THROUGH_MAX and (not waiting or waiting[-1].get("more_body")):
                waiting.append(await receive())
                size += len(waiting[-1].get("body", b""))
        except LinesideError as error:  # it is too large
            await error_response(Request(scope), error)(scope, receive, send)
            return
        if _has_half(b"".join(message.get("body", b"") for message in waiting)):
            refusal = Invalid(
                "text_not_whole",
                "A text in the body has half of a character (a lone surrogate, U+D800 to U+DFFF)",
                hint="Send texts as UTF-8, or write both halves.",
            )
            await error_response(Request(scope), refusal)(scope, receive, send)
            return
        waiting.reverse()

        async def passed_on() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, passed_on, send)


def _is_json(scope: Scope) -> bool:
    kind = dict(scope["headers"]).get(b"content-type", b"application/json")
    return b"json" in kind.lower()


def _has_half(body: bytes) -> bool:
    if _MAY_BE_HALF.search(body) is None:
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False  # no JSON at all: whoever reads it says so
    return False
