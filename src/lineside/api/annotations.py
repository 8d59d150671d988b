"""`/v1/span_annotations` and the like: what Phoenix's client puts there, and reads back; and
`/api/public/scores`, where Langfuse's clients score.

A program that annotates or scores there today changes one address only.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.api import answers
from lineside.api.bodies import read_body
from lineside.api.errors import error_response, error_status
from lineside.api.ingestion import ingestion_routes
from lineside.api.senders import Senders
from lineside.core import Invalid, LinesideError
from lineside.traces import annotations, langfuse_scores, refusals
from lineside.trust import Scope

_TARGETS: tuple[annotations.Target, ...] = ("span", "trace", "session")
_PAGE_MAX = 1_000
# The oldest that has all of these doors, so that the client asks for nothing newer.
_SPOKEN_VERSION = "12.0.0"

Work = Callable[[Scope, Any], Any]


def annotation_routes(local: Scope) -> list[Route]:
    """The doors, for the root of the server.

    Args:
        local: Scope of a sender without a key: the owner, on this machine.
    """
    door = _Door(local)
    return [
        *(
            Route(f"/v1/{of}_annotations", door.keeping(of, read=_said), methods=["POST"])
            for of in _TARGETS
        ),
        *(
            Route(f"/v1/{of}_notes", door.keeping(of, read=_noted), methods=["POST"])
            for of in _TARGETS
        ),
        Route("/api/public/scores", door.scoring, methods=["POST"]),
        Route("/v1/projects/{project}/span_annotations", door.listing, methods=["GET"]),
        Route("/arize_phoenix_version", _version, methods=["GET"]),
        *ingestion_routes(local),
    ]


class _Door:
    def __init__(self, local: Scope) -> None:
        self._local = local
        self._senders = Senders(local)
        self._turned_away = refusals.TurnedAway(local.store)
        self._bytes_max = local.store.settings.request_bytes_max

    def keeping(
        self, of: annotations.Target, *, read: Callable[[Any], list[annotations.Annotation] | None]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Keeps what a body says of things of one kind; the answer comes once it is durable."""
        is_one = read is _noted

        def keep(scope: Scope, body: bytes) -> Any:
            ids = annotations.record_annotations(scope, of, read(_parsed(body)) or [])
            found = [{"id": one} for one in ids]
            return {"data": found[0] if is_one else found}

        async def answer(request: Request) -> Response:
            return await self._answer(request, keep)

        return answer

    async def scoring(self, request: Request) -> Response:
        """Keeps scores in Langfuse's words; 207 where some of a list were refused."""

        def keep(scope: Scope, body: bytes) -> Any:
            kept = langfuse_scores.record_langfuse_scores(scope, _parsed(body))
            if not kept.refused:
                return {"id": kept.ids[0], "message": "Accepted"}
            errors = [{"message": why} for why in kept.refused.values()]
            return {"accepted": len(kept.ids), "rejected": len(errors), "errors": errors}

        return await self._answer(request, keep)

    async def listing(self, request: Request) -> Response:
        """Annotations of the steps that are asked for, the earliest first, page by page."""
        asked = request.query_params

        def find(scope: Scope, _: bytes) -> Any:
            start, limit = _number(asked.get("cursor"), 0), _number(asked.get("limit"), 100)
            found = annotations.annotations_of_steps(
                scope,
                asked.getlist("span_ids")[: annotations.SPANS_MAX],
                names=asked.getlist("include_annotation_names"),
                without=asked.getlist("exclude_annotation_names"),
            )
            end = start + max(1, min(limit, _PAGE_MAX))
            return {
                "data": found[start:end],
                "next_cursor": str(end) if end < len(found) else None,
            }

        return await self._answer(request, find)

    async def _answer(self, request: Request, work: Work) -> Response:
        try:
            body = await read_body(request, bytes_max=self._bytes_max)
            found = await asyncio.to_thread(self._worked, request, work, body)
        except LinesideError as error:
            sender = await asyncio.to_thread(self._senders.known, request.headers)
            status = error_status(error)
            self._turned_away.count(sender, error, door="annotations", status=status)
            return error_response(request, error)
        status = 207 if isinstance(found, dict) and "rejected" in found else 200
        return Response(orjson.dumps(found), status, media_type="application/json")

    def _worked(self, request: Request, work: Work, body: bytes) -> Any:
        try:
            return work(self._senders.scope(request.headers), body)
        except LinesideError:
            raise
        except OSError as error:
            raise answers.not_kept(error) from error


async def _version(_: Request) -> Response:
    """What the client asks before it annotates a session."""
    return Response(_SPOKEN_VERSION, media_type="text/plain")


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise Invalid("not_json", f"The body is not JSON: {error}") from None


def _said(document: Any) -> list[annotations.Annotation]:
    return annotations.read_annotations(document)


def _noted(document: Any) -> list[annotations.Annotation]:
    """One note, which is an annotation of nothing but words."""
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise Invalid("not_a_note", 'The body is no note: send {"data": {"span_id", "note"}}')
    ids = {name: data[name] for name in ("span_id", "trace_id", "session_id") if name in data}
    said = {"name": annotations.NOTE, "result": {"explanation": data.get("note")}}
    return annotations.read_annotations({"data": [ids | said]})


def _number(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdecimal():
        raise Invalid("bad_number", f"`{text[:40]}` is no number", hint="Send a whole number.")
    return min(int(text), 10**9)
