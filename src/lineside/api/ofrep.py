"""`/api/usecases/{name}/ofrep/v1/…`: knobs for every OpenFeature client (OFREP 0.3.0).

The base address of a client is that of a use case, so its flags have the knobs' own names.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lineside.api.caller import model_caller
from lineside.api.errors import error_status
from lineside.apps import knobs_now
from lineside.core import Invalid, LinesideError, NotFound, did_you_mean

router = APIRouter(prefix="/usecases/{name}/ofrep/v1", tags=["knobs"])

_CONTEXT_BYTES_MAX = 64 * 1024
_TICKS_PER_SIGN = 60
_DIGEST_CHARACTERS_MAX = 64


@router.post("/evaluate/flags/{key}", response_class=Response)
async def evaluate_flag(request: Request, name: str, key: str) -> Response:
    """What one knob stands at, for the caller whose `targetingKey` is in the context."""

    async def answer() -> Response:
        now, _ = await _evaluated(request, name)
        found = next((one for one in now.knobs if one.knob.name == key), None)
        if found is None:
            near = did_you_mean(key, [one.knob.name for one in now.knobs])
            said = f"`{now.release}` of `{name}` has no knob `{key[:80]}`"
            raise NotFound("unknown_knob", said, hint=near and f"Did you mean `{near}`?")
        return _json({**_flag(now, found), **_streams(request, now)})

    return await _in_ofrep_words(answer, key=key)


@router.post("/evaluate/flags", response_class=Response)
async def evaluate_flags(request: Request, name: str) -> Response:
    """What every knob stands at; 304 when `If-None-Match` names what the caller has."""

    async def answer() -> Response:
        now, context = await _evaluated(request, name)
        flags = [_flag(now, one) for one in now.knobs]
        # Clients keep one tag through a change of context, so the tag must tell contexts apart.
        of = orjson.dumps([flags, context], option=orjson.OPT_SORT_KEYS)
        tag = f'"{sha256(of).hexdigest()[:32]}"'
        if tag in _tags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers={"etag": tag})
        body = {"flags": flags, **_streams(request, now)}
        return _json(body, headers={"etag": tag})

    return await _in_ofrep_words(answer)


@router.get("/events", response_class=StreamingResponse)
async def flag_events(
    request: Request,
    name: str,
    watch: Annotated[str | None, Query(max_length=_DIGEST_CHARACTERS_MAX)] = None,
    since: str | None = None,
) -> Response:
    """Server-sent events that say when to ask again; the address stands in every evaluation."""
    scope = await model_caller(request, request.app.state.local)
    since = request.headers.get("last-event-id") or since
    changes = request.app.state.serving.knobs.changes(scope, name, digest=watch, since=since)
    first = await anext(changes)  # so that a refusal is a status and not a broken stream
    return StreamingResponse(
        _events(first, changes),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _events(first: str | None, changes: AsyncIterator[str | None]) -> AsyncIterator[bytes]:
    said = orjson.dumps({"type": "refetchEvaluation"}).decode()
    ticks = 0
    yield b"retry: 1000\n\n"
    if first is not None:
        yield f"id: {first}\nevent: message\ndata: {said}\n\n".encode()
    async for marker in changes:
        ticks += 1
        if marker is not None:
            yield f"id: {marker}\nevent: message\ndata: {said}\n\n".encode()
        elif ticks % _TICKS_PER_SIGN == 0:
            yield b": still here\n\n"


def _streams(request: Request, now: knobs_now.KnobsNow) -> dict[str, Any]:
    """Where to hear of changes; the user stands in the address as a digest, never by name."""
    base = str(request.url).partition("/evaluate/flags")[0]
    asked = {"since": now.marker}
    if now.user_digest:
        asked["watch"] = now.user_digest
    return {"eventStreams": [{"type": "sse", "url": f"{base}/events?{urlencode(asked)}"}]}


async def _evaluated(request: Request, name: str) -> tuple[knobs_now.KnobsNow, dict[str, Any]]:
    scope = await model_caller(request, request.app.state.local)
    context = _context(await request.body())
    user = context.get("targetingKey")
    now = await request.app.state.serving.knobs.now(scope, name, user=user)
    return now, context


def _context(body: bytes) -> dict[str, Any]:
    """The context of a request; a body may be empty, since nothing in it is required."""
    if len(body) > _CONTEXT_BYTES_MAX:
        raise Invalid(
            "context_too_large",
            f"The context has {len(body):,} bytes, at most {_CONTEXT_BYTES_MAX:,}",
        )
    try:
        asked = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise Invalid("not_json", f"The body is not JSON: {error}") from None
    context = asked.get("context") or {} if isinstance(asked, dict) else None
    if not isinstance(context, dict):
        raise Invalid("bad_context", "The context is not an object")
    if not isinstance(context.get("targetingKey", ""), str):
        raise Invalid("bad_context", "`targetingKey` is not a string")
    return context


def _flag(now: knobs_now.KnobsNow, one: knobs_now.KnobNow) -> dict[str, Any]:
    reason = "SPLIT" if now.is_split else "STATIC"
    return {
        "key": one.knob.name,
        "value": one.value,
        "reason": "TARGETING_MATCH" if one.turned_by == "user" else reason,
        "variant": one.value if isinstance(one.value, str) else orjson.dumps(one.value).decode(),
        "metadata": {
            "release": now.release,
            "arm": now.arm,
            "who": one.knob.who,
            "turned_by": one.turned_by,
        },
    }


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


async def _in_ofrep_words(
    answer: Callable[[], Awaitable[Response]], *, key: str | None = None
) -> Response:
    """Say an error as OFREP does, with a code of its own for what is asked wrongly."""
    try:
        return await answer()
    except LinesideError as error:
        status = error_status(error)
        code = "GENERAL"
        if isinstance(error, Invalid):
            status = 400 if status == 422 else status
            code = "PARSE_ERROR" if error.code == "not_json" else "INVALID_CONTEXT"
        elif isinstance(error, NotFound) and key is not None:
            code = "FLAG_NOT_FOUND"
        details = f"{error.message}. {error.hint}" if error.hint else error.message
        said = {"errorCode": code, "errorDetails": details}
        return _json(said if key is None else {"key": key, **said}, status)


def _json(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(body), status, headers, "application/json")
