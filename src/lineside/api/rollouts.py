"""`/api/usecases/{name}/rollout/steps`: a release that goes up by steps, by its own verdict."""

from fastapi import APIRouter
from pydantic import Field

from lineside.api.caller import Caller
from lineside.apps import staged
from lineside.core import Record, now

router = APIRouter(tags=["rollouts"], prefix="/usecases/{name}/rollout/steps")


class StepwiseStart(Record):
    """Which release goes up, and what is to be otherwise than in its manifest.

    Attributes:
        steps: Shares of callers, rising to everybody, such as `5%` or 0.05.
        hold: How long a step is held at least, such as `30m`.
        stop_if: What ends it, such as `error_rate > 2%`.
        margins: How much worse than live is still not worse, such as `{"error_rate": "2%"}`.
        audience: Whom it is for, by the `attributes` that calls carry, such as `country = CH`.
    """

    release: str = "latest"
    steps: list[str | float] = Field(default_factory=list)
    hold: str | None = None
    stop_if: list[str] = Field(default_factory=list)
    margins: dict[str, str | float] = Field(default_factory=dict)
    audience: str | None = None


@router.get("")
def show(scope: Caller, name: str) -> staged.StagedView | None:
    """How it stands, or how the last one ended; null when there was none."""
    found = staged.current(scope, name)
    return staged.view_of(found, at=now()) if found else None


@router.post("")
def start(scope: Caller, name: str, wanted: StepwiseStart) -> staged.StagedView:
    """Send a release to its first step."""
    plan = wanted.model_dump(exclude={"release"})
    started = staged.start(scope, name, wanted.release, plan=plan)
    return staged.view_of(started, at=now())


@router.post("/pause")
def pause(scope: Caller, name: str) -> staged.StagedView:
    """Let it go no further up; its limits are watched as before."""
    return staged.view_of(staged.pause(scope, name), at=now())


@router.post("/resume")
def resume(scope: Caller, name: str) -> staged.StagedView:
    """Let it go up again."""
    return staged.view_of(staged.resume(scope, name), at=now())


@router.post("/promote")
def promote(scope: Caller, name: str) -> staged.StagedView:
    """Go to the next step now, whatever the calls say so far."""
    return staged.view_of(staged.promote(scope, name), at=now())


@router.delete("")
def abort(scope: Caller, name: str) -> staged.StagedView:
    """Pull it back: everybody gets what was live when it began."""
    return staged.view_of(staged.abort(scope, name), at=now())
