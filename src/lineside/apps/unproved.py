"""Values of knobs that users have, and lose when another release becomes live.

Evidence is a release's own. While a canary runs, whoever has a knob at a value that only the live
release has evidence for is answered by that one; once the canary is live, the value is refused.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import computed_field

from lineside.apps import queries
from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.queries import Connection
from lineside.apps.release import load_release
from lineside.core import LinesideError, Record
from lineside.trust import Scope

if TYPE_CHECKING:
    from lineside.apps.rollout import Rollout


class UnprovedKnob(Record):
    """A user's knob with values that one release offers and another has no evidence for.

    Attributes:
        release: Label of the one without; `before` of the one that offers them.
        is_live: It is live, so that the values are refused; else they are once it is.
        is_declared: It has such a knob at all; without, there is nothing to prove.
    """

    use_case: str
    release: str
    before: str
    knob: str
    values: tuple[Any, ...]
    is_live: bool
    is_declared: bool = True

    @computed_field  # type: ignore[prop-decorator] # as pydantic documents it
    @property
    def commands(self) -> tuple[str, ...]:
        """What proves them anew, a value each."""
        if not self.is_declared:
            return ()
        return tuple(
            f"lineside knobs prove {self.use_case} {self.knob}={_written(value)} "
            f"--release {self.release}"
            for value in self.values
        )

    @computed_field  # type: ignore[prop-decorator] # as pydantic documents it
    @property
    def sentence(self) -> str:
        """What it means for whoever has the knob there."""
        names = ", ".join(f"`{_written(value)}`" for value in self.values)
        when = "from now on" if self.is_live else f"once {self.release} is live"
        why = f"{self.release} has no such knob"
        if self.is_declared:
            why = f"there is evidence for it in {self.before} alone"
        return f"`{self.knob}` at {names} is refused {when}: {why}"


class _Offering(Record):
    label: str
    use_case: str
    names: frozenset[str]
    offered: dict[str, tuple[Any, ...]]


def unproved_of(
    connection: Connection, scope: Scope, before: "Rollout | None", rollout: "Rollout"
) -> tuple[UnprovedKnob, ...]:
    """What users lose by a rollout, against the live release before, or once its arms are live."""
    pairs = [(rollout, arm, False) for arm in rollout.arms[1:]]
    if before is not None:
        pairs.append((before, rollout.live, True))
    return tuple(
        one
        for old, arm, is_live in pairs
        for one in _unproved_by(
            connection,
            scope,
            old.live.release_id,
            arm.release_id,
            knobs_before=old.knobs,
            knobs_after=rollout.knobs,
            is_live=is_live,
        )
    )


def _unproved_by(
    connection: Connection,
    scope: Scope,
    before_id: str,
    after_id: str,
    *,
    knobs_before: Mapping[str, Any],
    knobs_after: Mapping[str, Any],
    is_live: bool,
) -> tuple[UnprovedKnob, ...]:
    """What users of one release may turn to, and of another may not.

    Args:
        knobs_before: What an operator set while the one was live; `knobs_after` for the other.
    """
    if before_id == after_id:
        return ()
    try:
        before = _offering(connection, scope, before_id, knobs_before)
        after = _offering(connection, scope, after_id, knobs_after)
    except LinesideError:
        return ()  # what cannot be read says so elsewhere, and must not stand in the way
    found = []
    for name, values in before.offered.items():
        lost = tuple(one for one in values if one not in after.offered.get(name, ()))
        if lost:
            found.append(
                UnprovedKnob(
                    use_case=before.use_case,
                    release=after.label,
                    before=before.label,
                    knob=name,
                    values=lost,
                    is_live=is_live,
                    is_declared=name in after.names,
                )
            )
    return tuple(found)


def _offering(
    connection: Connection, scope: Scope, release_id: str, settings: Mapping[str, Any]
) -> _Offering:
    """What a release offers its users: its default, what an operator set, and what was proved."""
    release = load_release(scope, release_id)
    candidate = get_candidate(scope.store, scope.workspace, release.digest)
    knobs = folder_of(scope.store, candidate).manifest.knobs
    rows = queries.proof_rows(connection, scope.workspace, release.use_case, release_id)
    newest = {(row["knob"], str(row["value"])): row for row in rows}
    offered = {}
    for knob in knobs:
        if knob.who != "user":
            continue
        values = [knob.default, settings.get(knob.name, knob.default)]
        values += [
            row["value"]
            for row in newest.values()
            if (row["knob"], row["decision"]) == (knob.name, "ship")
        ]
        if knob.kind == "number":
            values = [float(value) for value in values]
        offered[knob.name] = tuple(dict.fromkeys(values))
    return _Offering(
        label=release.label,
        use_case=release.use_case,
        names=frozenset(offered),
        offered=offered,
    )


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
