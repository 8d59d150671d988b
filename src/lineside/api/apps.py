"""`/api/usecases/{name}/…`: run an app, its releases, who gets which."""

from typing import Any

import orjson
from fastapi import APIRouter
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from lineside.api.asked import refuse_unknown
from lineside.api.cached import cache_headers, cache_wish
from lineside.api.caller import Caller, caller_soon
from lineside.apps import (
    Call,
    Release,
    Rollout,
    deploy,
    get_release,
    list_releases,
    promoting,
    roll_back,
    rollout_history,
)
from lineside.apps import rollout as rolling
from lineside.core import Invalid, Record

router = APIRouter(tags=["apps"])


class ShadowCopies(Record):
    """Which release to copy calls to, and how many of them."""

    release: str = "latest"
    percent: float = Field(100, gt=0, le=100)


class Deployment(Record):
    """Which release to send traffic to, and how much of it."""

    release: str = "latest"
    percent: float = Field(100, gt=0, le=100)
    knobs: dict[str, str] = Field(default_factory=dict)


async def run(request: Request) -> Response:
    """Answer one live call. A plain route: the checks are the app's own, and it must be quick."""
    refuse_unknown(request)
    scope = await caller_soon(request)
    call = read_call(await request.body())
    limits: dict[str, str] = {}
    answer = await request.app.state.serving.call(
        scope,
        request.path_params["name"],
        call,
        limits=limits,
        wish=cache_wish(request.headers),
    )
    headers = limits | cache_headers(answer.cache)
    if answer.kept_live:
        headers["x-lineside-kept-live"] = ", ".join(answer.kept_live)
    return Response(orjson.dumps(answer.model_dump()), 200, headers, "application/json")


def read_call(body: bytes) -> Call:
    """Read a call from JSON: an object with `input`, and `knobs`, `session`, `user` if wanted."""
    try:
        return Call.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise Invalid(
            "not_json",
            f"The body is not JSON: {error}",
            hint='Send JSON such as {"input": {"message": "…"}}.',
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise Invalid(
            "call_misfit",
            f"`{place}`: {first['msg']}",
            hint='Send JSON such as {"input": {"message": "…"}, "session": "…"}.',
        ) from None


@router.get("/usecases/{name}/releases")
def releases(scope: Caller, name: str) -> list[Release]:
    """Releases and refusals of a use case, newest first."""
    return list_releases(scope, name)


@router.get("/usecases/{name}/releases/{reference}")
def release(scope: Caller, name: str, reference: str) -> Release:
    """One release, by id, number (`v2`), start of its digest, or `latest`."""
    return get_release(scope, reference, use_case=name)


@router.get("/usecases/{name}/rollout")
def rollout(scope: Caller, name: str) -> Rollout | None:
    """Who gets which release now; null when nothing is live.

    `unproved` names values of knobs that users lose by it, or once its canary is live.
    """
    return promoting.looked_over(scope, name)


@router.get("/usecases/{name}/rollouts")
def rollouts(scope: Caller, name: str) -> list[Rollout]:
    """Every rollout there was, newest first."""
    return rollout_history(scope, name)


@router.post("/usecases/{name}/deploy")
def deploy_release(scope: Caller, name: str, wanted: Deployment) -> Rollout:
    """Send all traffic, or a canary's share, to a release."""
    return deploy(scope, name, wanted.release, percent=wanted.percent, knobs=wanted.knobs)


@router.post("/usecases/{name}/shadow")
def shadow_release(scope: Caller, name: str, wanted: ShadowCopies) -> Rollout:
    """Copy calls to a release that answers nobody."""
    return rolling.shadow(scope, name, wanted.release, percent=wanted.percent)


@router.delete("/usecases/{name}/shadow")
def end_shadow(scope: Caller, name: str) -> Rollout:
    """Copy no more calls."""
    return rolling.end_shadow(scope, name)


@router.post("/usecases/{name}/rollback")
def roll_back_release(scope: Caller, name: str) -> Rollout:
    """End a canary, or return to the release that was live before."""
    return roll_back(scope, name)


RUN_OPERATION: dict[str, Any] = {
    "tags": ["apps"],
    "summary": "Run an app",
    "description": "Answer one live call. The input is checked against the app's own schema, "
    "which `GET /api/usecases/{name}/schema` shows.",
    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Call"}}},
    },
    "responses": {
        "200": {
            "description": "The answer, with the release that gave it and its trace",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/CallAnswer"}}
            },
        },
        "403": {"description": "The caller may not, or the answer was held back"},
        "404": {"description": "No such use case, or nothing of it is live"},
        "422": {"description": "The input or a knob does not fit; every reason is named"},
        "429": {"description": "A limit leaves no room for the call; says when to come back"},
        "503": {"description": "The model does not answer now"},
    },
}
