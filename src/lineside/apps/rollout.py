"""Who gets which release: live, canary, and the way back."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from lineside.apps import queries
from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.knobs import parse_knob, turn_knobs
from lineside.apps.queries import Connection
from lineside.apps.release import Release, load_releases, pick_release
from lineside.apps.unproved import UnprovedKnob, unproved_of
from lineside.core import Conflict, Denied, Invalid, Record, new_id, now
from lineside.trust import Scope, record


class Arm(Record):
    """One share of the traffic.

    Attributes:
        name: `live`, `canary`, `shadow`, which gets copies of calls and answers nobody, `batch`,
            which answers the rows of a file, or what an arm of an experiment was named.
        release_id: What this share is served by.
        label: What people call that release, such as `v2`.
        percent: Share of callers, of a shadow the share of calls; 0 only of a live release whose
            canary gets all of its audience.
        audience: Whom a canary or an experiment is for, such as `country = CH`; its percentage is
            of them.
    """

    name: str
    release_id: str
    label: str
    percent: float
    audience: str | None = None


DECIDED_MEANWHILE = "decided_meanwhile"

Reason = Literal["deploy", "canary", "experiment", "step", "rollback", "shadow"]


class Rollout(Record):
    """How live traffic is shared from one moment on, until the next rollout.

    Attributes:
        arms: Their percentages add up to 100.
        knobs: What the operator set; the rest keeps the manifest's defaults.
        reason: How it came about.
        shadow: What gets copies of the calls beside them, if anything.
        unproved: Values of knobs that users of the live release before may not have any more, or
            will not once a canary is live; only where it was looked for.
        experiment: The experiment whose arms these are, if they are; who falls into which is
            drawn anew for each.
    """

    id: str
    use_case: str
    arms: tuple[Arm, ...]
    knobs: dict[str, Any]
    reason: Reason
    created_at: datetime
    created_by: str
    shadow: Arm | None = None
    experiment: str | None = None
    unproved: tuple[UnprovedKnob, ...] = ()

    @property
    def live(self) -> Arm:
        return self.arms[0]


def deploy(
    scope: Scope,
    use_case: str,
    reference: str = "latest",
    *,
    percent: float = 100,
    knobs: Mapping[str, str] | None = None,
) -> Rollout:
    """Send traffic to a release: all of it, or a canary's share.

    Args:
        reference: As `get_release` takes it.
        percent: Share of callers for the release; below 100 the live release keeps the rest, and
            a caller stays with the arm it fell into.
        knobs: Operator settings as typed, name to text; they stay until the next deploy sets them.

    Raises:
        Denied: The release was refused by its gate; says why.
        Invalid: A share outside 0 to 100, a canary with nothing live, a knob out of range.
        Conflict: Who gets what changed meanwhile, or the release would be its own canary.
    """
    scope.require("deploy", use_case=use_case)
    release = _picked(scope, use_case, reference, percent)
    declared = folder_of(
        scope.store, get_candidate(scope.store, scope.workspace, release.digest)
    ).manifest.knobs
    typed = {name: parse_knob(declared, name, text) for name, text in (knobs or {}).items()}
    before = next(iter(load_rollouts(scope, use_case, limit=1)), None)
    kept = before.knobs if before else {}
    known = {knob.name for knob in declared}
    settings = {name: value for name, value in kept.items() if name in known}
    settings |= turn_knobs(declared, typed, who="operator")
    arms = arms_for(release, percent, before)
    reason: Reason = "deploy" if percent == 100 else "canary"
    shadow = before.shadow if before else None
    if shadow is not None and shadow.release_id in {arm.release_id for arm in arms}:
        shadow = None  # it answers now
    return _replace(
        scope, use_case, before, arms=arms, knobs=settings, reason=reason, shadow=shadow
    )


def shadow(
    scope: Scope, use_case: str, reference: str = "latest", *, percent: float = 100
) -> Rollout:
    """Copy calls to a release that answers nobody, to see on real ones how it would do.

    It costs what its model costs, and counts for the same budgets. It ends when it is deployed, by
    `end_shadow`, and by a rollback.

    Args:
        reference: As `get_release` takes it.
        percent: Share of calls that are copied.

    Raises:
        Denied: The release was refused by its gate; says why.
        Invalid: A share outside 0 to 100.
        Conflict: Nothing is live, or the release answers already.
    """
    scope.require("deploy", use_case=use_case)
    release = _picked(scope, use_case, reference, percent)
    before = standing(scope, use_case)
    if release.id in {arm.release_id for arm in before.arms}:
        raise Conflict(
            "already_live",
            f"`{release.label}` answers callers already; it cannot be a shadow",
            hint=f"Name one that answers nobody, such as `lineside shadow {use_case} v2`.",
        )
    arm = Arm(name="shadow", release_id=release.id, label=release.label, percent=percent)
    return _replace(
        scope, use_case, before, arms=before.arms, knobs=before.knobs, reason="shadow", shadow=arm
    )


def end_shadow(scope: Scope, use_case: str) -> Rollout:
    """Copy no more calls.

    Raises:
        Conflict: Nothing is live, or there is no shadow.
    """
    scope.require("deploy", use_case=use_case)
    before = standing(scope, use_case)
    if before.shadow is None:
        raise Conflict("no_shadow", f"No release of `{use_case}` is a shadow now")
    return _replace(scope, use_case, before, arms=before.arms, knobs=before.knobs, reason="shadow")


def _picked(scope: Scope, use_case: str, reference: str, percent: float) -> Release:
    if not 0 < percent <= 100:
        raise Invalid("bad_percent", f"The share is {percent:g} %, expected above 0 and up to 100")
    release = pick_release(load_releases(scope, use_case), use_case, reference)
    refuse_refused(release)
    return release


def standing(scope: Scope, use_case: str) -> Rollout:
    """What counts now.

    Raises:
        Conflict: Nothing is live.
    """
    found = load_rollouts(scope, use_case, limit=1)
    if not found:
        raise _nothing_live(use_case, so="there are no calls to copy or compare")
    return found[0]


def _nothing_live(use_case: str, *, so: str) -> Conflict:
    return Conflict(
        "nothing_live",
        f"Nothing of `{use_case}` is live, so {so}",
        hint=f"Deploy a release first: `lineside deploy {use_case}`.",
    )


def roll_back(scope: Scope, use_case: str) -> Rollout:
    """Go back in one step: end a canary, or return to the release that was live before.

    A shadow ends with it.

    Raises:
        Conflict: Nothing is live, or nothing was live before it.
    """
    scope.require("deploy", use_case=use_case)
    history = load_rollouts(scope, use_case)
    if not history:
        raise _nothing_live(use_case, so="there is no way back")
    now_live = history[0].live
    target = way_back(history)
    if target is None:
        raise Conflict(
            "nothing_before",
            f"`{now_live.label}` is the first release of `{use_case}` that was live",
            hint="Deploy another release instead: `lineside deploy`.",
        )
    arm = target.model_copy(update={"name": "live", "percent": 100.0, "audience": None})
    return _replace(
        scope, use_case, history[0], arms=(arm,), knobs=history[0].knobs, reason="rollback"
    )


def way_back(history: list[Rollout]) -> Arm | None:
    """What a rollback would give to everybody; nothing where nothing was live before.

    Args:
        history: As `rollout_history` gives it.
    """
    if not history:
        return None
    return history[0].live if len(history[0].arms) > 1 else _live_before(history)


def current_rollout(scope: Scope, use_case: str) -> Rollout | None:
    """What counts now, or nothing when nothing was deployed."""
    history = rollout_history(scope, use_case, limit=1)
    return history[0] if history else None


def rollout_history(scope: Scope, use_case: str, *, limit: int = 100) -> list[Rollout]:
    """Rollouts of a use case, newest first."""
    scope.require("read", use_case=use_case)
    return load_rollouts(scope, use_case, limit=limit)


def load_rollouts(scope: Scope, use_case: str, *, limit: int = 100) -> list[Rollout]:
    """The same for the room's own work, which has its own right to ask for."""
    with scope.store.records.read() as connection:
        rows = queries.rollout_rows(connection, scope.workspace, use_case, limit=limit)
    return [Rollout.model_validate(row) for row in rows]


def arms_for(release: Release, percent: float, before: Rollout | None) -> tuple[Arm, ...]:
    name = "live" if percent == 100 else "canary"
    arm = Arm(name=name, release_id=release.id, label=release.label, percent=percent)
    if percent == 100:
        return (arm,)
    if before is None:
        raise Invalid(
            "nothing_live",
            f"A canary needs a live release to stand beside, and nothing of "
            f"`{release.use_case}` is live",
            hint="Deploy the first release to everyone: leave out the percentage.",
        )
    if before.live.release_id == release.id:
        raise Conflict(
            "already_live",
            f"`{release.label}` is live already; it cannot be its own canary",
            hint="Make the next one first with `lineside release`, or name another release.",
        )
    live = {"name": "live", "percent": 100 - percent, "audience": None}
    return before.live.model_copy(update=live), arm


def _live_before(history: list[Rollout]) -> Arm | None:
    """The release that was fully live before the present one, stepping over earlier rollbacks.

    After a rollback from v3 to v2 the next one leads to v1, not back up to v3.
    """
    undone: set[str] = set()
    present = history[0].live
    for newer, older in pairwise(history):
        if newer.reason == "rollback" and older.live.release_id != newer.live.release_id:
            undone.add(older.live.release_id)
        if older.live.release_id != present.release_id and older.live.release_id not in undone:
            return older.live
    return None


def refuse_refused(release: Release) -> None:
    if release.status == "refused":
        raise Denied(
            "release_refused",
            f"`{release.label}` was refused by its gate: {release.gate.verdict.sentence}",
            hint="Deploy a released version, or improve the folder and release it again.",
        )


def _replace(
    scope: Scope,
    use_case: str,
    before: Rollout | None,
    *,
    arms: tuple[Arm, ...],
    knobs: dict[str, Any],
    reason: Reason,
    shadow: Arm | None = None,
) -> Rollout:
    """Let a rollout count in place of the one that was read; asked for twice is decided once.

    Raises:
        Conflict: Another counts since, such as the next step of a staged rollout. The way back is
            never refused: it gives everybody one release, whatever the shares are by now.
    """
    with scope.store.records.write() as connection:
        queries.lock_use_case(connection, scope.workspace, use_case)
        present = present_rollout(connection, scope, use_case)
        if reason != "rollback" and present != before:
            raise decided_meanwhile(f"Who gets which release of `{use_case}` changed meanwhile")
        more = {} if reason == "shadow" else _end_staged(connection, scope, use_case, reason)
        wanted: dict[str, Any] = {"arms": arms, "knobs": knobs, "shadow": shadow}
        wanted["experiment"] = present.experiment if present and reason == "shadow" else None
        if present and not more and present == present.model_copy(update=wanted):
            return present
        return put_rollout(connection, scope, use_case, **wanted, reason=reason, details=more)


def present_rollout(connection: Connection, scope: Scope, use_case: str) -> Rollout | None:
    """The rollout that counts, as seen from within a transaction."""
    rows = queries.rollout_rows(connection, scope.workspace, use_case, limit=1)
    return Rollout.model_validate(rows[0]) if rows else None


def decided_meanwhile(said: str) -> Conflict:
    return Conflict(DECIDED_MEANWHILE, said, hint="Look at it again, then decide.")


def _end_staged(
    connection: Connection, scope: Scope, use_case: str, reason: Reason
) -> dict[str, Any]:
    """End what goes up by steps, as somebody decided otherwise; says so for the ledger."""
    is_back = reason == "rollback"
    ended = queries.end_staged(
        connection,
        scope.workspace,
        use_case,
        status="rolled_back" if is_back else "stopped",
        by=scope.actor.name,
        why="Pulled back by hand" if is_back else "Traffic was sent otherwise by hand",
    )
    return {"ended": ended} if ended else {}


def put_rollout(
    connection: Connection,
    scope: Scope,
    use_case: str,
    *,
    arms: tuple[Arm, ...],
    knobs: dict[str, Any],
    reason: Reason,
    shadow: Arm | None = None,
    experiment: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> Rollout:
    """Let a rollout count from now on and write it into the ledger; last in its transaction.

    Whoever calls it holds the lock of the use case, so that two who decide at once do so in turn.

    Args:
        details: What the ledger is to say beside who gets what.
    """
    rollout = Rollout(
        id=new_id("rol"),
        use_case=use_case,
        arms=arms,
        knobs=knobs,
        reason=reason,
        created_at=now(),
        created_by=scope.actor.name,
        shadow=shadow,
        experiment=experiment,
    )
    before = None if reason == "rollback" else present_rollout(connection, scope, use_case)
    unproved = unproved_of(connection, scope, before, rollout)
    kept = rollout.model_dump(exclude={"unproved"})
    queries.insert_rollout(connection, scope.workspace, kept)
    shares = {
        f"{arm.name}: {arm.label}" if experiment else arm.label: f"{arm.percent:g} %"
        for arm in arms
    }
    said: dict[str, Any] = {"use_case": use_case, "traffic": shares, "knobs": knobs}
    if shadow is not None:
        said["shadow"] = {shadow.label: f"{shadow.percent:g} %"}
    if arms[-1].audience:
        said["audience"] = arms[-1].audience
    if lost := {one.knob: list(one.values) for one in unproved if one.is_live}:
        said["unproved"] = lost
    about = shadow if reason == "shadow" and shadow else arms[-1]
    kind = "rollback" if reason == "rollback" else "deploy"
    record(connection, scope, kind, about.release_id, said | dict(details or {}))
    return rollout.model_copy(update={"unproved": unproved})
