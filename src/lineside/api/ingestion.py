"""`/api/public/ingestion`: where Langfuse's clients before 5 send events, many at once.

The Python client 2 and the one for JavaScript before 4 send all they have there, the later ones
scores alone. A program that sends there today changes one address only.
"""

import asyncio

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lineside.api import answers
from lineside.api.bodies import read_body
from lineside.api.errors import error_response, error_status
from lineside.api.senders import Senders
from lineside.core import Denied, LinesideError
from lineside.traces import ingested, refusals
from lineside.trust import Scope


def ingestion_routes(local: Scope) -> list[Route]:
    """The door, for the root of the server.

    Args:
        local: Scope of a sender without a key: the owner, on this machine.
    """
    door = _Door(local)
    return [
        Route("/api/public/ingestion", door.receiving, methods=["POST"]),
        Route("/api/public/projects", door.project, methods=["GET"]),
    ]


class _Door:
    def __init__(self, local: Scope) -> None:
        self._senders = Senders(local)
        self._turned_away = refusals.TurnedAway(local.store)
        self._bytes_max = local.store.settings.otlp_bytes_max

    async def receiving(self, request: Request) -> Response:
        """Keeps events; 207 says of each what became of it, once it is durable."""
        try:
            body = await read_body(request, bytes_max=self._bytes_max)
            taken = await asyncio.to_thread(self._take, request, body)
        except LinesideError as error:
            sender = await asyncio.to_thread(self._senders.known, request.headers)
            status = error_status(error)
            self._turned_away.count(sender, error, door="langfuse", status=status)
            return error_response(request, error)
        said = {
            "successes": [{"id": one, "status": 201} for one in taken.ids],
            "errors": [
                {
                    "id": one.id,
                    "status": 403 if isinstance(one.error, Denied) else 400,
                    "message": answers.in_words(one.error),
                    "error": one.error.code,
                }
                for one in taken.refused
            ],
        }
        return Response(orjson.dumps(said), 207, media_type="application/json")

    async def project(self, request: Request) -> Response:
        """What a client asks to see whether its key is good: the workspace that the key is of."""
        try:
            scope = await asyncio.to_thread(self._senders.scope, request.headers)
        except LinesideError as error:
            return error_response(request, error)
        name = scope.workspace
        # Each version of the clients insists on some of these.
        said = {"id": name, "name": name, "organization": {"id": name, "name": name}}
        return Response(
            orjson.dumps({"data": [said | {"metadata": {}}]}), media_type="application/json"
        )

    def _take(self, request: Request, body: bytes) -> ingested.EventsTaken:
        scope = self._senders.scope(request.headers)
        try:
            return ingested.receive_events(
                scope,
                body,
                encoding=request.headers.get("content-encoding", ""),
                bytes_max=self._bytes_max,
                use_cases=self._senders.use_cases(scope),
            )
        except LinesideError:
            raise
        except OSError as error:
            raise answers.not_kept(error) from error
