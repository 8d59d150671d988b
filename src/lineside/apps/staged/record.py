"""A rollout that goes up by steps, as it is kept: its plan, where it stands, what was seen."""

from datetime import datetime, timedelta
from typing import Literal

from lineside.apps.staged.experiment import Experiment
from lineside.core import Record
from lineside.traces import arms
from lineside.usecases import rollouts

Status = Literal["running", "paused", "done", "rolled_back", "stopped"]
OPEN: tuple[Status, ...] = ("running", "paused")

Standing = Literal["clear", "within", "unclear", "broken", "no_data"]


class LookMark(Record):
    """One look that counts; every look costs some of the false alarms that are allowed.

    Attributes:
        stretch: Looks are planned a stretch of calls at a time; the first is 0.
        planned: With how many calls of the canary, since the step began, the stretch ends.
        counts: Values there were of each measure of the canary; in an experiment the name of its
            arm stands before the measure.
    """

    at: datetime
    stretch: int
    planned: int
    calls: int
    counts: dict[str, int]


class LiveFinding(Record):
    """What one rule says of the calls so far, as of the last look that counts.

    Attributes:
        arm: The name of the arm of an experiment that it is about; empty of a canary.
        kind: `limit` is a rule of `stop_if`, `margin` holds the canary against live.
        value: What the rule is about: the canary's figure, or by how much it differs from live.
        low: Below it the truth lies so rarely that an end on the wrong side of the threshold
            decides; so with `high`.
        direction: On which side of the threshold it is well.
        standing: `broken` ends the rollout. `clear` is surely well; `within` is well as far as it
            is seen; `unclear` and `no_data` let nothing go up.
        calls_needed: How many more calls of the canary would settle it, if that can be said.
    """

    arm: str = ""
    rule: str
    kind: Literal["limit", "margin"]
    label: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float
    direction: Literal[">=", "<="]
    standing: Standing
    units: int
    calls_needed: int | None
    sentence: str


class StepTaken(Record):
    """A step that is behind: how long it was held, and why it ended."""

    percent: float
    began_at: datetime
    ended_at: datetime
    calls: int
    why: str


class Seen(Record):
    """The calls of both arms since the step began, as they were last looked at.

    Attributes:
        named: Of an experiment, those of its arms; the others are empty then.
    """

    canary: arms.ArmFigures | None = None
    live: arms.ArmFigures | None = None
    named: tuple[arms.ArmFigures, ...] = ()


class StagedRollout(Record):
    """A release on its way to everybody, or how that ended.

    Attributes:
        label: Of the release, such as `v2`; `from_label` of what was live when it began.
        step: Which of the plan's steps it is on, from 0.
        planned: Calls of the canary after which a step should be settled.
        looks: Looks that count, of the present step.
        watched_at: When a server last looked at the calls.
        trouble: Why the calls could not be looked at, if so; nothing goes up then.
        experiment: Its arms and their metric, where releases stand beside each other until they
            are told apart; nothing goes up then but by a person.
        revision: Rises with every change, so that of two who decide at once one does.
    """

    id: str
    use_case: str
    release_id: str
    label: str
    from_release_id: str
    from_label: str
    plan: rollouts.RolloutPlan
    status: Status
    step: int
    step_began_at: datetime
    planned: int
    looks: tuple[LookMark, ...] = ()
    findings: tuple[LiveFinding, ...] = ()
    taken: tuple[StepTaken, ...] = ()
    seen: Seen = Seen()
    watched_at: datetime | None = None
    trouble: str | None = None
    revision: int = 0
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_why: str | None = None
    experiment: Experiment | None = None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_at_everybody(self) -> bool:
        return self.step == len(self.plan.steps) - 1

    @property
    def whom(self) -> str:
        """Whom the last step reaches, in words."""
        audience = self.plan.audience
        return f"everybody with `{audience}`" if audience else "everybody"

    @property
    def percent(self) -> float:
        """Share of the callers that get the release on the present step, in percent."""
        return percent_of(self.plan.steps[self.step])

    @property
    def hold(self) -> timedelta:
        return self.plan.hold or timedelta()

    @property
    def held_until(self) -> datetime:
        return self.step_began_at + self.hold


def percent_of(share: float) -> float:
    """A share as a percentage, without what floating point adds to it."""
    return round(share * 100, 6)
