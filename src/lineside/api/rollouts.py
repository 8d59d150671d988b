"""`/api/usecases/{name}/rollout/steps` and `…/experiment`: releases that their calls decide on."""

from fastapi import APIRouter
from pydantic import Field

from lineside.api.caller import Caller
from lineside.apps import staged
from lineside.core import Record, now

router = APIRouter(tags=["rollouts"], prefix="/usecases/{name}/rollout")


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


class PickedArm(Record):
    """The arm that everybody is to get; without one it is the winner."""

    arm: str | None = None


@router.get("/steps")
def show(scope: Caller, name: str) -> staged.StagedView | None:
    """How it stands, or how the last one ended, an experiment too; null when there was none."""
    found = staged.current(scope, name)
    return staged.view_of(found, at=now()) if found else None


@router.post("/steps")
def start(scope: Caller, name: str, wanted: StepwiseStart) -> staged.StagedView:
    """Send a release to its first step."""
    plan = wanted.model_dump(exclude={"release"})
    started = staged.start(scope, name, wanted.release, plan=plan)
    return staged.view_of(started, at=now())


@router.post("/steps/pause")
def pause(scope: Caller, name: str) -> staged.StagedView:
    """Let it go no further up; its limits are watched as before."""
    return staged.view_of(staged.pause(scope, name), at=now())


@router.post("/steps/resume")
def resume(scope: Caller, name: str) -> staged.StagedView:
    """Let it go up again."""
    return staged.view_of(staged.resume(scope, name), at=now())


@router.post("/steps/promote")
def promote(scope: Caller, name: str) -> staged.StagedView:
    """Go to the next step now, whatever the calls say so far."""
    return staged.view_of(staged.promote(scope, name), at=now())


@router.delete("/steps")
def abort(scope: Caller, name: str) -> staged.StagedView:
    """Pull it back: everybody gets what was live when it began."""
    return staged.view_of(staged.abort(scope, name), at=now())


@router.post("/experiment")
def start_experiment(
    scope: Caller, name: str, wanted: staged.ExperimentWanted
) -> staged.StagedView:
    """Hold releases against what is live, each with its share of the users."""
    return staged.view_of(staged.start_experiment(scope, name, wanted), at=now())


@router.post("/experiment/deploy")
def deploy_arm(scope: Caller, name: str, picked: PickedArm | None = None) -> staged.StagedView:
    """Give everybody the arm that is better, or the one that is named."""
    arm = picked.arm if picked else None
    return staged.view_of(staged.deploy_arm(scope, name, arm), at=now())
