"""An experiment, as it is kept: named arms beside each other, and what their users say of them."""

from datetime import datetime
from math import ceil
from typing import Any, Literal

from lineside.core import Record
from lineside.stats import sample_ratio

LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""With which parts of the planned users a look counts."""

Standing = Literal["better", "worse", "no_better", "unclear", "no_data"]
FINAL: tuple[Standing, ...] = ("better", "worse", "no_better")


class ExperimentArm(Record):
    """One of the releases that are held against each other.

    Attributes:
        share: Of the users, as a part of 1.
    """

    name: str
    release_id: str
    label: str
    share: float


class UserLook(Record):
    """One look that counts.

    Attributes:
        users: Users with a value of the metric, in all arms together.
    """

    at: datetime
    users: int


class ArmMetric(Record):
    """The metric of one arm as of the last look, with a 95 % interval of its own."""

    arm: str
    value: float
    low: float | None
    high: float | None
    users: int
    calls: int


class ArmEffect(Record):
    """How an arm differs from the first one, as of the last look that counts for it.

    Attributes:
        value: Arm less first arm: in points of a share, as a part of an amount, or in units of a
            score.
        low: Ends of an interval as wide as all looks and arms together ask for; what decides is
            read from it.
        standing: `better` and `worse` are sure; `no_better` is surely not better by the smallest
            difference that matters. These three stand; the rest may change.
        calls_needed: About how many more calls of both arms would settle it, if that can be said.
    """

    arm: str
    value: float | None
    low: float | None
    high: float | None
    standing: Standing
    users: int
    calls_needed: int | None
    sentence: str


class SampleRatio(Record):
    """Whether users fell into the arms in the shares that were stated.

    Attributes:
        users: Of each arm.
        p_value: How likely counts so far from the shares are by luck.
        warning: What to think of it, where it is not luck.
    """

    users: dict[str, int]
    p_value: float
    warning: str | None

    @property
    def is_mismatch(self) -> bool:
        return self.p_value < sample_ratio.MISMATCH_P


class Experiment(Record):
    """Two or more releases beside each other for as long as it takes to tell them apart.

    Attributes:
        arms: The first is what was live and is what the others are held against.
        metric: `error_rate`, `latency`, `cost`, `feedback`, or the name of a score.
        direction: Which way is better.
        smallest: The smallest difference that matters: in points of a share, as a part of an
            amount, or in units of a score. Whoever is surely not better by it is not worth it.
        users: With how many users, in all arms together, the last look comes.
        is_over: The last look was taken.
        settled_at: When its verdict was final, and written into the ledger.
    """

    arms: tuple[ExperimentArm, ...]
    metric: str
    direction: Literal[">=", "<="]
    smallest: float
    users: int
    looks: tuple[UserLook, ...] = ()
    metrics: tuple[ArmMetric, ...] = ()
    effects: tuple[ArmEffect, ...] = ()
    ratio: SampleRatio | None = None
    is_over: bool = False
    settled_at: datetime | None = None

    @property
    def control(self) -> ExperimentArm:
        return self.arms[0]

    @property
    def others(self) -> tuple[ExperimentArm, ...]:
        return self.arms[1:]

    @property
    def is_final(self) -> bool:
        """Whether no further look can change what it says."""
        standings = [effect.standing for effect in self.effects]
        return self.is_over or (bool(standings) and all(one in FINAL for one in standings))

    @property
    def next_look_users(self) -> int:
        """With how many users the next look counts; between looks the findings stand still."""
        seen = self.looks[-1].users if self.looks else 0
        due = [ceil(self.users * part) for part in LOOKS]
        return next((users for users in due if users > seen), self.users)

    def told(self) -> dict[str, Any]:
        """In the words of the ledger, without what is only for the eye."""
        told = self.model_dump(mode="json", exclude={"looks", "effects", "settled_at"})
        effects = [one.model_dump(mode="json", exclude={"calls_needed"}) for one in self.effects]
        return told | {"effects": effects, "looks": len(self.looks)}
