"""What the knobs of a live release stand at for one caller, and what may be chosen."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lineside.apps.rollout import Arm, Rollout
from lineside.core import Record
from lineside.usecases import Knob

TurnedBy = Literal["nobody", "operator", "user"]


class KnobNow(Record):
    """One knob as it counts for a caller.

    Attributes:
        value: A float for every `number`, since JSON alone does not tell 1 from 1.0.
        turned_by: Whose setting it is; `nobody` where the manifest's default stands.
        offered: Values there is evidence for: the default, which the release was judged at, what
            an operator answers for, and those that a run has proved.
    """

    knob: Knob
    value: Any
    turned_by: TurnedBy
    offered: tuple[Any, ...]


class KnobsNow(Record):
    """Every knob of the release that answers a caller.

    Attributes:
        is_split: Another caller may be answered by another release.
        marker: Changes whenever any of this does.
        user_digest: Stands for the user where a name must not be read, such as in addresses.
    """

    use_case: str
    release: str
    release_id: str
    arm: str
    is_split: bool
    marker: str
    user_digest: str | None
    knobs: tuple[KnobNow, ...]

    @property
    def users(self) -> dict[str, Any]:
        """The settings that are the user's own."""
        return {one.knob.name: one.value for one in self.knobs if one.turned_by == "user"}


def knobs_now(
    rollout: Rollout,
    arm: Arm,
    declared: Sequence[Knob],
    *,
    turned: Mapping[str, Any],
    proved: Sequence[tuple[str, Any]],
    marker: str,
    user_digest: str | None,
) -> KnobsNow:
    """Put the settings of each knob above each other: default, operator, user.

    Args:
        turned: Where the user left their knobs; what the release does not offer does not count.
        proved: Names of knobs with values there is evidence for.
    """
    found = []
    for knob in declared:
        operator = rollout.knobs.get(knob.name, knob.default)
        values = [knob.default, operator, *(value for name, value in proved if name == knob.name)]
        offered = _ordered(knob, values)
        turned_by: TurnedBy = "operator" if knob.name in rollout.knobs else "nobody"
        value = _typed(knob, operator)
        if knob.who == "user" and turned.get(knob.name) in offered:
            turned_by, value = "user", _typed(knob, turned[knob.name])
        found.append(KnobNow(knob=knob, value=value, turned_by=turned_by, offered=offered))
    return KnobsNow(
        use_case=rollout.use_case,
        release=arm.label,
        release_id=arm.release_id,
        arm=arm.name,
        is_split=len(rollout.arms) > 1,
        marker=marker,
        user_digest=user_digest,
        knobs=tuple(found),
    )


def takes(now: KnobsNow, name: str, value: Any) -> bool:
    """Whether a user may have this knob at this value in the release that it is of."""
    mine = next((one for one in now.knobs if one.knob.name == name), None)
    return mine is not None and mine.knob.who == "user" and value in mine.offered


def offering(now: KnobsNow, live: KnobsNow) -> KnobsNow:
    """Knobs as they stand in a canary, with what may be turned to: what the live release offers.

    Who turns to one that the canary lacks evidence for is answered by the live release.
    """
    theirs = {one.knob.name: one.offered for one in live.knobs}
    knobs = tuple(
        one.model_copy(
            update={"offered": _ordered(one.knob, [*theirs.get(one.knob.name, ()), one.value])}
        )
        for one in now.knobs
    )
    return now.model_copy(update={"knobs": knobs})


def _ordered(knob: Knob, values: Sequence[Any]) -> tuple[Any, ...]:
    if knob.kind == "choice":
        return tuple(value for value in knob.of if value in values)
    return tuple(sorted({_typed(knob, value) for value in values}))


def _typed(knob: Knob, value: Any) -> Any:
    return float(value) if knob.kind == "number" else value
