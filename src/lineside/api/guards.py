"""`/api/guards`: which guards there are, what they say of a text, and where they act."""

from fastapi import APIRouter, Request
from pydantic import Field

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.guardrails import GuardPoint, Tried, guard_kinds, probes, try_guards

router = APIRouter(tags=["guards"])

_TEXT_CHARACTERS_MAX = 100_000


class GuardTrial(Record):
    """A text, and the point at which it is to be looked at."""

    text: str = Field(max_length=_TEXT_CHARACTERS_MAX)
    point: GuardPoint = "input"


@router.get("/guards")
def guards(scope: Caller) -> dict[str, str]:
    """The guards that a manifest can name, and what each does."""
    scope.require("read")
    return guard_kinds()


@router.get("/guards/coverage")
def coverage(scope: Caller, request: Request) -> probes.CoverageView:
    """On which paths the guards were last proven to act."""
    scope.require("read")
    return request.app.state.enforcement.coverage.view()  # type: ignore[no-any-return] # of state


@router.post("/guards/probe")
async def probe(
    scope: Caller, request: Request, use_case: str | None = None
) -> probes.CoverageView:
    """Probe every path now; nothing reaches a model."""
    scope.require("run", use_case=use_case)
    found = await request.app.state.enforcement.probe(use_case)
    return found.view()  # type: ignore[no-any-return] # of state


@router.post("/usecases/{name}/guards/try")
async def try_text(scope: Caller, request: Request, name: str, trial: GuardTrial) -> Tried:
    """What the guards of the live release say of a text; no model is asked, nothing is kept."""
    chain = await request.app.state.serving.guards(scope, name)
    return await try_guards(chain, trial.point, trial.text)
