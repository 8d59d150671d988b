"""`/v1/…`: the doors that OpenAI's and Anthropic's clients knock at."""

import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from secrets import token_hex
from typing import Any, Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from lineside.api import stored
from lineside.api.cached import SIMILARITY, cache_headers, cache_wish
from lineside.api.caller import key_brought, model_caller
from lineside.api.idempotent import AnsweredOnce, answered_before
from lineside.api.pass_through import INERT, METHODS, PATHS, PROVIDER, PassedStream, unread
from lineside.api.streaming import EventStream, given, unless_gone
from lineside.apps import model_calls, passed_through, stored_calls
from lineside.core import Invalid, LinesideError, NotFound, did_you_mean
from lineside.gateway import budgets, calls, canonical, idempotency, wires
from lineside.guardrails import chain
from lineside.trust import Scope

WireWord = Literal["chat", "responses", "messages"]
_LISTING: tuple[WireWord, ...] = ("chat", "messages")
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_RETRY_AFTER_SECONDS = "2"
_HEADER_CHARACTERS_MAX = 1_000
_IDEMPOTENCY_KEY = "idempotency-key"
_ASKED_IN_HEADERS = ("x-lineside-session", "x-lineside-user", "x-lineside-cache", SIMILARITY)


def model_routes(
    local: Scope, calls: model_calls.ModelCalls, passed: passed_through.PassedCalls
) -> list[Route]:
    """The doors, to be mounted under `/v1`.

    Args:
        local: Scope of a caller without a key: the owner, on this machine.
        passed: Passes on what no guard looks at.
    """
    door = _Doors(local, calls, passed)
    routes = [
        Route("/chat/completions", door.answering("chat"), methods=["POST"]),
        Route("/responses", door.answering("responses"), methods=["POST"]),
        *(
            Route(f"/responses{rest}", door.of_stored(handle), methods=[method])
            for rest, method, handle in stored.DOORS
        ),
        Route("/messages", door.answering("messages"), methods=["POST"]),
        Route("/messages/count_tokens", door.guarded("messages", door.count), methods=["POST"]),
        Route("/embeddings", door.once("chat", door.embed), methods=["POST"]),
        Route("/models", door.listing(door.models)),
        Route("/models/{name:path}", door.listing(door.model)),
        *(
            Route(path, door.guarded("chat", door.passed), methods=METHODS)
            for kind in PATHS
            for path in (f"/{kind}", f"/{kind}/{{rest:path}}")
        ),
    ]
    return [*routes, Route("/{rest:path}", nowhere(routes), methods=_EVERY_METHOD)]


class _Knock:
    """One request at a door: who knocks, what is said back in each header."""

    def __init__(self, request: Request, scope: Scope) -> None:
        self.started = time.perf_counter()
        self.id = f"req_{token_hex(16)}"
        self.place = model_calls.CallPlace.read(request.headers.get("traceparent"))
        self.request = request
        self.scope = scope
        self.left_out: list[str] = []
        self.error: LinesideError | None = None

    @property
    def caller(self) -> model_calls.ModelCaller:
        wish = cache_wish(self.request.headers)
        return model_calls.ModelCaller(
            scope=self.scope,
            place=self.place,
            session=self.request.headers.get("x-lineside-session"),
            user=self.request.headers.get("x-lineside-user"),
            cache_s=wish.seconds,
            cache_similarity_min=wish.similarity_min,
        )

    def is_final(self) -> bool:
        """Whether asking again would come to the same: it was answered, or a guard said no."""
        return self.error is None or (
            isinstance(self.error, chain.HeldBack) and self.error.was_judged
        )

    def headers(self, opened: model_calls.OpenAnswer | None = None) -> dict[str, str]:
        found = {
            "x-request-id": self.id,
            "request-id": self.id,
            "x-lineside-trace-id": self.place.trace_id,
        }
        if opened is not None or self.place.is_kept:
            found["traceparent"] = self.place.header
        if opened is None:
            return found
        served = opened.call.served
        found |= served.limits
        own_ms = (time.perf_counter() - self.started - served.waited_s) * 1000
        found["x-lineside-own-ms"] = f"{max(0.0, own_ms):.3f}"
        named = {
            "x-lineside-release": served.release,
            "x-lineside-arm": served.arm,
            "x-lineside-kept-live": str(served.attributes.get("kept_live") or ""),
            "x-lineside-provider": served.provider,
            "x-lineside-route": "; ".join(served.why),
            **cache_headers(served.attributes),
            "x-lineside-left-out": ", ".join([*self.left_out, *served.left_out]),
            "x-lineside-guards": ", ".join(
                f"{name}={said}" for name, said in opened.guards.items()
            ),
            "x-lineside-hand-off": "true" if served.attributes.get("hand_off") else None,
        }
        return found | {name: _header_words(value) for name, value in named.items() if value}


Handling = Callable[[_Knock], Awaitable[Response]]


class AnsweringDoor:
    """A door where models answer; asked for more than all others, it stands in the server as it is.

    Whoever answers says every error, so that nothing need stand around it to catch one.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive, send))
        await answer(scope, receive, send)


class _Doors:
    def __init__(
        self,
        local: Scope,
        calls: model_calls.ModelCalls,
        passed: passed_through.PassedCalls,
    ) -> None:
        self._local = local
        self._calls = calls
        self._passed = passed

    def guarded(self, wire: WireWord, handle: Handling) -> Callable[[Request], Awaitable[Response]]:
        """Say every error in the words of the wire."""

        async def answer(request: Request) -> Response:
            knock = _Knock(request, self._local)
            try:
                knock.scope = await model_caller(request, self._local)
                return await handle(knock)
            except LinesideError as error:
                return _failed(wire, error, knock)

        return answer

    def answering(self, wire: WireWord) -> AnsweringDoor:
        """A door that answers with words, streamed where asked."""
        return AnsweringDoor(self.once(wire, partial(self._answer, wire)))

    def once(self, wire: WireWord, handle: Handling) -> Callable[[Request], Awaitable[Response]]:
        """A door that answers a call once where the caller gives it a key."""
        plain = self.guarded(wire, handle)
        keyed = self.guarded(wire, partial(self._once, wire, handle))

        async def answer(request: Request) -> Response:
            return await (keyed if _IDEMPOTENCY_KEY in request.headers else plain)(request)

        return answer

    async def _once(self, wire: WireWord, handle: Handling, knock: _Knock) -> Response:
        request, scope = knock.request, knock.scope
        seconds = scope.store.settings.idempotency_seconds
        body = await request.body()
        headers = [request.headers.get(name) for name in _ASKED_IN_HEADERS]
        call = idempotency.keyed_call(
            request.headers[_IDEMPOTENCY_KEY],
            scope.workspace,
            model_calls.payer_of(scope).key,
            [request.url.path, headers, wires.read_object(body)],
        )
        begun = await idempotency.begin(scope.store, call, seconds=seconds)
        if not isinstance(begun, idempotency.IdempotencyClaim):
            return answered_before(begun, {"x-request-id": knock.id, "request-id": knock.id})
        knock.request = Request(request.scope, given(body))

        async def answered() -> Response:
            try:
                return await handle(knock)
            except LinesideError as error:
                return _failed(wire, error, knock)

        return AnsweredOnce(begun, answered, knock.is_final, trace_id=knock.place.trace_id)

    async def _answer(self, name: WireWord, knock: _Knock) -> Response:
        wire = wires.wire_named(name)
        raw = wires.read_object(await knock.request.body())
        wires.refuse_stored(raw, wire=name)
        keeping = None
        if name == "responses":
            keeping = await stored_calls.begin(knock.scope, raw)
            raw, knock.left_out = keeping.asked, keeping.left_out
        asked = wire.read_request(raw)
        opening = self._calls.open(knock.caller, asked)
        if not asked.is_stream:
            opened, answer = await unless_gone(knock.request, _whole(opening))
            answer = _dated(answer, knock)
            if keeping is not None:
                return _json(await keeping.whole(opened, answer), knock.headers(opened))
            return _json(wire.write_answer(answer), knock.headers(opened))
        opened = await unless_gone(knock.request, opening)
        writer, events = wire.stream_writer(asked), opened.events()
        if keeping is not None:
            writer = wires.ResponsesStreamWriter(beside=keeping.beside)
            events = keeping.events(opened)

        def failed(error: LinesideError) -> bytes:
            knock.error = error
            number = getattr(writer, "number", 0)
            told = _told(error, knock)
            return wires.write_stream_error(name, told, request_id=knock.id, number=number)

        return EventStream(events, writer.write, failed, headers=knock.headers(opened))

    def of_stored(
        self, handle: Callable[[stored.Caller], Awaitable[stored.Said]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A door to a response that is kept."""

        async def answer(knock: _Knock) -> Response:
            said = await handle(knock)
            if isinstance(said, bytes):
                return Response(said, headers=knock.headers(), media_type="text/event-stream")
            return _json(said, knock.headers())

        return self.guarded("responses", answer)

    async def count(self, knock: _Knock) -> Response:
        """Tokens of a request that is not asked."""
        raw = wires.read_object(await knock.request.body())
        asked = wires.wire_named("messages").read_request(raw)
        return _json(
            {"input_tokens": await self._calls.count(knock.caller, asked)}, knock.headers()
        )

    async def embed(self, knock: _Knock) -> Response:
        """Vectors of texts."""
        raw = wires.read_object(await knock.request.body())
        asked = wires.embeddings.read_request(raw)
        as_base64 = raw.get("encoding_format") == "base64"
        answer, opened = await self._calls.embed(knock.caller, asked)
        written = wires.embeddings.write_answer(answer, as_base64=as_base64)
        return _json(written, knock.headers(opened))

    async def passed(self, knock: _Knock) -> Response:
        """What goes to the provider as it came, and comes back so; no guard looks at it."""
        bytes_max = knock.scope.store.settings.model_bytes_max
        asked, provider = await unread(knock.request, self._calls.gateway, bytes_max=bytes_max)
        answer = await self._passed.open(knock.caller, asked, provider=provider)
        said = {PROVIDER: answer.provider, "x-lineside-guards": "none"}
        return PassedStream(answer, knock.headers() | answer.limits | said | INERT)

    def listing(self, handle: Handling) -> Callable[[Request], Awaitable[Response]]:
        """A door that clients of two wires knock at."""
        doors = {wire: self.guarded(wire, handle) for wire in _LISTING}

        async def answer(request: Request) -> Response:
            return await doors[wire_of(request)](request)

        return answer

    async def models(self, knock: _Knock) -> Response:
        """What may be given as `model`, in the form of the client that asks."""
        names = await self._calls.names(knock.scope)
        data = [_model(knock.request, name) for name in names]
        if wire_of(knock.request) == "messages":
            ends = {"first_id": names[0], "last_id": names[-1]} if names else {}
            return _json({"data": data, "has_more": False, **ends}, knock.headers())
        return _json({"object": "list", "data": data}, knock.headers())

    async def model(self, knock: _Knock) -> Response:
        """One of those, by its name."""
        name = knock.request.path_params["name"]
        names = await self._calls.names(knock.scope)
        if name not in names:
            near = did_you_mean(name, names)
            raise NotFound(
                "unknown_model",
                f"No model is listed as `{name[:80]}`",
                hint=f"Did you mean `{near}`?" if near else "`GET /v1/models` lists them.",
            )
        return _json(_model(knock.request, name), knock.headers())


def nowhere(routes: Sequence[Route]) -> Callable[[Request], Awaitable[Response]]:
    """What is said where there is no door, or one that is knocked at in another way."""

    async def answer(request: Request) -> Response:
        asked = f"{request.method} {request.url.path[:200]}"
        at_path = [one for one in routes if one.matches(request.scope)[0] is not Match.NONE]
        allowed = sorted({method for one in at_path for method in one.methods or ()})
        error: LinesideError = NotFound(
            "unknown_path",
            f"There is no door at `{asked}`",
            hint="The doors are /v1/chat/completions, /v1/responses, /v1/messages, "
            "/v1/embeddings and /v1/models.",
        )
        if allowed:
            error = Invalid("method_not_allowed", f"`{asked}` is asked with {', '.join(allowed)}")
        refusal = wire_refusal(request, error)
        if allowed:
            refusal.status_code, refusal.headers["allow"] = 405, ", ".join(allowed)
        return refusal

    return answer


def wire_refusal(request: Request, error: LinesideError) -> Response:
    """An error ahead of every door, in the words of the wire that the request is of."""
    request_id = f"req_{token_hex(16)}"
    headers = {"x-request-id": request_id, "request-id": request_id}
    body = wires.write_error(wire_of(request), error, request_id=request_id)
    return _json(body, headers, wires.status_of(error))


def wire_of(request: Request) -> WireWord:
    """In whose words a client is answered that may speak one of two wires."""
    is_anthropic = "anthropic-version" in request.headers or "/messages" in request.url.path
    return "messages" if is_anthropic else "chat"


def _model(request: Request, name: str) -> dict[str, Any]:
    if wire_of(request) == "messages":
        moment = "1970-01-01T00:00:00Z"
        return {"type": "model", "id": name, "display_name": name, "created_at": moment}
    return {"id": name, "object": "model", "created": 0, "owned_by": name.partition("/")[0]}


async def _whole(
    opening: Coroutine[Any, Any, model_calls.OpenAnswer],
) -> tuple[model_calls.OpenAnswer, canonical.ModelAnswer]:
    opened = await opening
    return opened, await opened.whole()


def _header_words(text: str) -> str:
    """Words as a header can carry them; names of arms, routes and fields may hold any letter."""
    if text.isascii() and text.isprintable():
        return text[:_HEADER_CHARACTERS_MAX]
    plain = text.encode("ascii", "replace").decode()[:_HEADER_CHARACTERS_MAX]
    return "".join(one if one.isprintable() else "?" for one in plain)


def _dated(answer: canonical.ModelAnswer, knock: _Knock) -> canonical.ModelAnswer:
    """The answer with an id and a time, where its own wire has none."""
    changes: dict[str, Any] = {}
    if not answer.id:
        changes["id"] = knock.id
    if answer.created_s is None:
        changes["created_s"] = int(time.time())
    return answer.model_copy(update=changes) if changes else answer


def _json(body: dict[str, Any], headers: dict[str, str], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")


def _failed(wire: WireWord, error: LinesideError, knock: _Knock) -> Response:
    knock.error = error
    status = wires.status_of(error)
    headers = knock.headers()
    if status in (429, 503) or error.code == "idempotency_key_in_use":
        asked_s = getattr(error, "asked_s", None)  # what the provider wants, where it was one
        headers["retry-after"] = str(math.ceil(asked_s)) if asked_s else _RETRY_AFTER_SECONDS
    if isinstance(error, budgets.BudgetExceeded):
        del headers["retry-after"]  # it says itself when to come back, if ever
        headers |= error.headers
    told = _told(error, knock)
    return _json(wires.write_error(wire, told, request_id=knock.id), headers, status)


def _told(error: LinesideError, knock: _Knock) -> LinesideError:
    """The error in words for the caller: the whole of it for the owner on this machine alone."""
    return calls.for_callers(error) if key_brought(knock.request) else error
