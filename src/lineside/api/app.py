"""The API as one program that the server mounts under `/api`."""

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Route

from lineside.api import (
    apps,
    batches,
    budgets,
    datasets,
    evals,
    guards,
    judges,
    knobs,
    marks,
    ofrep,
    prices,
    privacy,
    reviews,
    rollouts,
    scores,
    sessions,
    trace_watch,
    traces,
    trust,
    unclaimed,
    usecases,
    verdicts,
    webhooks,
)
from lineside.api.asked import only_known
from lineside.api.docs import docs
from lineside.api.errors import ERROR_SCHEMA, error_response, misfit, no_door
from lineside.api.texts import WholeTexts
from lineside.apps import Call, CallAnswer, Serving
from lineside.apps import enforcement as enforcing
from lineside.core import LinesideError
from lineside.trust import Scope


def build_api(
    local: Scope, serving: Serving, *, enforcement: enforcing.Enforcement | None = None
) -> FastAPI:
    """Put the API together.

    Args:
        local: Scope of a caller without a key: the owner, on this machine.
        serving: Answers the live calls.
        enforcement: Probes their guards.
    """
    app = FastAPI(title="lineside", docs_url=None, redoc_url=None)
    app.state.local = local
    app.state.serving = serving
    app.state.enforcement = enforcement or enforcing.Enforcement(local, serving)
    app.add_exception_handler(LinesideError, error_response)
    app.add_exception_handler(HTTPException, no_door)
    app.add_exception_handler(RequestValidationError, misfit)
    app.add_middleware(WholeTexts)
    app.router.routes.append(Route("/usecases/{name}/run", apps.run, methods=["POST"]))
    app.router.routes.append(Route("/docs", docs))
    for room in (
        *(usecases, apps, rollouts, batches, knobs, ofrep, guards),
        *(evals, verdicts, datasets, judges),
        *(trace_watch, traces, sessions),
        *(marks, unclaimed),
        *(scores, prices, budgets, privacy, trust, reviews, webhooks),
    ):
        # The clients of OFREP are written by others, and may ask for more than we know.
        checks = [] if room is ofrep else [Depends(only_known)]
        app.include_router(room.router, dependencies=checks)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _openapi(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # how FastAPI documents extending it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document FastAPI derives, with the plain route that serves live calls put in."""
    document = get_openapi(
        title="lineside",
        version="1",
        description="One production line from a use case to a released, watched, proven AI app.",
        routes=app.routes,
        servers=[{"url": "/api"}],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["HTTPValidationError"] = ERROR_SCHEMA  # FastAPI's name for what a 422 holds
    schemas.pop("ValidationError", None)
    for record in (Call, CallAnswer):
        schema = record.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[record.__name__] = schema
    paths = {"/usecases/{name}/run": {"post": apps.RUN_OPERATION}}
    document["paths"] = paths | document["paths"]
    return document
