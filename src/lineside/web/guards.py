"""`/guards` and `/usecases/{name}/guards`: what is checked on every call, and where it acts."""

import asyncio
from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lineside.core import LinesideError
from lineside.guardrails import guard_kinds, probes, reference, try_guards
from lineside.trust import Scope
from lineside.usecases import Manifest, get_use_case, list_use_cases
from lineside.usecases import guards as declarations
from lineside.web.render import page

_TEXT_CHARACTERS_MAX = 20_000
_POINTS = {
    "input": "What comes in",
    "pre_model_call": "What a model is asked",
    "post_model_call": "What a model answered",
    "output": "What goes out",
}


def overview(request: Request) -> Response:
    """How many paths are proven guarded, which are not, and which guards each use case has."""
    scope: Scope = request.app.state.local
    coverage: probes.Coverage = request.app.state.enforcement.coverage
    plain = request.app.state.enforcement.plain
    if plain:
        plain.look()
    paths = _by_path(coverage)
    return page(
        request,
        "guards.html",
        coverage=coverage,
        paths=paths,
        open_paths=[
            row for row in paths if not all(one.is_held_back for one in row["points"].values())
        ],
        points=_POINTS,
        cases=[
            (known.name, _declared(known.manifest))
            for known in list_use_cases(scope)
            if known.manifest
        ],
        plain=plain,
        unread=probes.UNREAD,
        kinds=reference.guard_references(),
    )


async def probe(request: Request) -> Response:
    """Probe everything now, and show what came of it."""
    scope: Scope = request.app.state.local
    scope.require("run")
    await request.app.state.enforcement.probe()
    return RedirectResponse("/guards", status_code=303)


async def use_case_guards(request: Request) -> Response:
    """One use case's guards, with a field to try a text on those of the live release."""
    scope: Scope = request.app.state.local
    name = request.path_params["name"]
    known = await asyncio.to_thread(get_use_case, scope, name)
    form = await request.form() if request.method == "POST" else {}
    text, point = str(form.get("text", ""))[:_TEXT_CHARACTERS_MAX], str(form.get("point", "input"))
    tried, error = None, None
    if text and point in _POINTS:
        try:
            chain = await request.app.state.serving.guards(scope, name)
            tried = await try_guards(chain, point, text)  # type: ignore[arg-type] # in _POINTS
        except LinesideError as wrong:
            error = wrong
    return page(
        request,
        "usecase_guards.html",
        name=name,
        declared=_declared(known.manifest) if known.manifest else [],
        paths=_by_path(request.app.state.enforcement.coverage, name),
        points=_POINTS,
        kinds=guard_kinds(),
        text=text,
        point=point,
        tried=tried,
        error=error,
    )


def _declared(manifest: Manifest) -> list[tuple[str, declarations.GuardDeclaration]]:
    return [
        (point, guard) for point, guards in manifest.guards.by_point.items() for guard in guards
    ]


def _by_path(coverage: probes.Coverage, use_case: str | None = None) -> list[dict[str, Any]]:
    """A row for each path of each use case, with what came of the probes at each point.

    Of several at one point, in several places of a request or an answer, one that was not held
    back is shown.
    """
    rows: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for one in coverage.results:
        if use_case in (None, one.use_case):
            key = one.use_case, one.path, one.is_streamed
            row = rows.setdefault(key, {"probe": one, "points": {}, "places": Counter()})
            row["places"][one.point] += 1
            if one.point not in row["points"] or not one.is_held_back:
                row["points"][one.point] = one
    return list(rows.values())


ROUTES = [
    Route("/guards", overview),
    Route("/guards/probe", probe, methods=["POST"]),
    Route("/usecases/{name}/guards", use_case_guards, methods=["GET", "POST"]),
]
