"""Who gets which release on a step, and beside each other in an experiment."""

from lineside.apps.rollout import Arm
from lineside.apps.staged.record import StagedRollout, percent_of


def arms_at(staged: StagedRollout, live: Arm) -> tuple[Arm, ...]:
    """Who gets which on the present step; beside an audience the live release stays."""
    audience = str(staged.plan.audience) if staged.plan.audience else None
    if staged.experiment and staged.step == 0:
        return tuple(
            Arm(
                name=one.name,
                release_id=one.release_id,
                label=one.label,
                percent=percent_of(one.share),
                audience=audience,
            )
            for one in staged.experiment.arms
        )
    arm = Arm(
        name="canary",
        release_id=staged.release_id,
        label=staged.label,
        percent=staged.percent,
        audience=audience,
    )
    if staged.is_at_everybody and audience is None:
        return (arm.model_copy(update={"name": "live"}),)
    return live.model_copy(update={"percent": 100 - staged.percent}), arm
