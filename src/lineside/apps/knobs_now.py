"""What the knobs of a live release stand at, for one caller."""

from typing import Any, Literal

from lineside.apps.rollout import Arm, Rollout
from lineside.core import Record
from lineside.usecases import Knob


class KnobNow(Record):
    """One knob as it counts for a caller.

    Attributes:
        value: A float for every `number`, since JSON alone does not tell 1 from 1.0.
        turned_by: Whose setting it is; `nobody` where the manifest's default stands.
    """

    knob: Knob
    value: Any
    turned_by: Literal["nobody", "operator", "user"]


class KnobsNow(Record):
    """Every knob of the release that answers a caller.

    Attributes:
        rollout_id: Changes whenever an operator changes anything.
        is_split: Another caller may be answered by another release.
    """

    use_case: str
    rollout_id: str
    release: str
    release_id: str
    arm: str
    is_split: bool
    knobs: tuple[KnobNow, ...]


def knobs_now(
    rollout: Rollout, arm: Arm, declared: tuple[Knob, ...], user: dict[str, Any]
) -> KnobsNow:
    """Put the three settings of each knob above each other; the user's counts most."""
    return KnobsNow(
        use_case=rollout.use_case,
        rollout_id=rollout.id,
        release=arm.label,
        release_id=arm.release_id,
        arm=arm.name,
        is_split=len(rollout.arms) > 1,
        knobs=tuple(_knob_now(knob, rollout.knobs, user) for knob in declared),
    )


def _knob_now(knob: Knob, operator: dict[str, Any], user: dict[str, Any]) -> KnobNow:
    turned_by: Literal["nobody", "operator", "user"] = "nobody"
    value: Any = knob.default
    if knob.name in operator:
        turned_by, value = "operator", operator[knob.name]
    if knob.name in user:
        turned_by, value = "user", user[knob.name]
    return KnobNow(
        knob=knob, value=float(value) if knob.kind == "number" else value, turned_by=turned_by
    )
