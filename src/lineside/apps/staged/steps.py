"""Starting a rollout that goes up by steps, and every move it makes from there."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from lineside.apps import queries
from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.release import load_releases, pick_release
from lineside.apps.rollout import (
    Arm,
    Rollout,
    arms_for,
    decided_meanwhile,
    load_rollouts,
    present_rollout,
    put_rollout,
    refuse_refused,
    roll_back,
)
from lineside.apps.staged.looks import StepVerdict, calls_planned, verdict
from lineside.apps.staged.record import OPEN, StagedRollout, Status, StepTaken
from lineside.apps.staged.shares import arms_at
from lineside.core import Conflict, Invalid, Unavailable, new_id, now
from lineside.traces import traffic
from lineside.trust import Scope, record
from lineside.usecases import Manifest, rollouts

_WEEK_HOURS = 24 * 7


def start(
    scope: Scope,
    use_case: str,
    reference: str = "latest",
    *,
    plan: Mapping[str, Any] | None = None,
) -> StagedRollout:
    """Send a release to the first step of its plan; from there it goes up by its own verdict.

    Args:
        reference: As `get_release` takes it.
        plan: What is to be otherwise than in the release's manifest: `steps`, `hold`, `stop_if`,
            `margins`, `audience`, each as a manifest has it.

    Raises:
        Denied: The release was refused by its gate; says why.
        Invalid: The plan cannot be followed; says what was read and what was expected.
        Conflict: Nothing is live to hold it against, it is live already, or one is on its way.
    """
    scope.require("deploy", use_case=use_case)
    release = pick_release(load_releases(scope, use_case), use_case, reference)
    refuse_refused(release)
    candidate = get_candidate(scope.store, scope.workspace, release.digest)
    manifest = folder_of(scope.store, candidate).manifest
    whole = read_plan(manifest, plan or {})
    before = next(iter(load_rollouts(scope, use_case, limit=1)), None)
    live, _ = arms_for(release, 1, before)  # refuses what has nothing to be held against
    moment = now()
    staged = StagedRollout(
        id=new_id("stg"),
        use_case=use_case,
        release_id=release.id,
        label=release.label,
        from_release_id=live.release_id,
        from_label=live.label,
        plan=whole,
        status="running",
        step=0,
        step_began_at=moment,
        planned=planned(scope, use_case, whole, live.release_id, step=0),
        created_at=moment,
        created_by=scope.actor.name,
    )
    begin(scope, staged)
    return staged


def read_plan(manifest: Manifest, changed: Mapping[str, Any]) -> rollouts.RolloutPlan:
    """The plan of a manifest with what was typed in its place, complete.

    Raises:
        Invalid: Says what was read and what was expected.
    """
    typed = {name: value for name, value in changed.items() if value}
    margins = manifest.rollout.margins | typed.pop("margins", {})
    declared = manifest.rollout.model_dump(mode="json")
    try:
        plan = rollouts.RolloutPlan.model_validate(declared | typed | {"margins": margins})
    except ValidationError as error:
        first = error.errors()[0]
        misread = first.get("ctx", {}).get("error")
        hint = getattr(misread, "hint", None)
        said = str(misread or first["msg"])
        place = ".".join(str(part) for part in first["loc"])
        raise Invalid("bad_rollout_plan", f"`{place}`: {said}", hint=hint) from None
    return rollouts.check_plan(plan, [scorer.name for scorer in manifest.scorers]).completed()


def current(scope: Scope, use_case: str) -> StagedRollout | None:
    """The one that is on its way, else the last there was; nothing where there was none."""
    scope.require("read", use_case=use_case)
    return next(iter(load_staged(scope, use_case, limit=1)), None)


def load_staged(
    scope: Scope, use_case: str | None = None, *, is_open: bool = False, limit: int = 100
) -> list[StagedRollout]:
    """Those of a use case or of all, newest first, for the room's own work."""
    statuses = OPEN if is_open else ()
    with scope.store.records.read() as connection:
        rows = queries.staged_rows(
            connection, scope.workspace, use_case, statuses=statuses, limit=limit
        )
    return [StagedRollout.model_validate(row) for row in rows]


def pause(scope: Scope, use_case: str) -> StagedRollout:
    """Let it go no further up; its limits are watched as before.

    Raises:
        Conflict: None is on its way, or it is paused already.
    """
    return _set_status(scope, use_case, "paused", "rollout.paused")


def resume(scope: Scope, use_case: str) -> StagedRollout:
    """Let it go up again.

    Raises:
        Conflict: None is on its way, or it is not paused.
    """
    return _set_status(scope, use_case, "running", "rollout.resumed")


def promote(scope: Scope, use_case: str) -> StagedRollout:
    """Go to the next step now, whatever the calls say so far; the ledger keeps who did, and them.

    Raises:
        Conflict: None is on its way, or it is at everybody already.
    """
    staged = opened(scope, use_case)
    if staged.is_at_everybody:
        raise Conflict("at_everybody", f"`{staged.label}` is at everybody already")
    said = verdict(staged, at=now()).sentence
    return go_up(scope, staged, f"Promoted by hand; the verdict was: {said}")


def abort(scope: Scope, use_case: str) -> StagedRollout:
    """Pull the release back: everybody gets what was live when it began.

    Raises:
        Conflict: None is on its way.
    """
    staged = opened(scope, use_case)
    roll_back(scope, use_case)
    return again(scope, staged)


def opened(scope: Scope, use_case: str) -> StagedRollout:
    """The one that is on its way, for whoever may change it."""
    scope.require("deploy", use_case=use_case)
    found = load_staged(scope, use_case, is_open=True, limit=1)
    if not found:
        raise Conflict(
            "no_staged_rollout",
            f"No release of `{use_case}` is on its way up",
            hint=f"Start one: `lineside rollouts start {use_case}`.",
        )
    return found[0]


def carry_out(scope: Scope, staged: StagedRollout, due: StepVerdict) -> StagedRollout:
    """Do what a verdict says, in one transaction with the ledger's entry.

    Raises:
        Conflict: Somebody else decided meanwhile.
    """
    if due.decision == "promote":
        return go_up(scope, staged, due.sentence)
    if due.decision == "finish":
        return _finish(scope, staged, due.sentence)
    arm = Arm(
        name="live", release_id=staged.from_release_id, label=staged.from_label, percent=100.0
    )
    ended = ending(scope, "rolled_back", due.sentence)
    with scope.store.records.write() as connection:
        before = locked(connection, scope, staged, ended)
        put_rollout(
            connection,
            scope,
            staged.use_case,
            arms=(arm,),
            knobs=before.knobs,
            reason="rollback",
            details=evidence(staged, due.sentence),
        )
    return again(scope, staged)


def go_up(scope: Scope, staged: StagedRollout, why: str) -> StagedRollout:
    """Go to the next step, in one transaction with the ledger's entry.

    Raises:
        Conflict: Somebody else decided meanwhile.
    """
    step, moment = staged.step + 1, now()
    calls = staged.seen.canary.calls if staged.seen.canary else 0
    taken = StepTaken(
        percent=staged.percent,
        began_at=staged.step_began_at,
        ended_at=moment,
        calls=calls,
        why=why,
    )
    changed: dict[str, Any] = {
        "step": step,
        "step_began_at": moment,
        "planned": planned(scope, staged.use_case, staged.plan, staged.from_release_id, step=step),
        "looks": [],
        "findings": [],
        "seen": {},
        "taken": [one.model_dump(mode="json") for one in (*staged.taken, taken)],
    }
    above = staged.model_copy(update={"step": step})
    with scope.store.records.write() as connection:
        before = locked(connection, scope, staged, changed)
        put_rollout(
            connection,
            scope,
            staged.use_case,
            arms=arms_at(above, before.live),
            knobs=before.knobs,
            reason="step",
            shadow=before.shadow,
            details=evidence(staged, why),
        )
    return again(scope, staged)


def begin(scope: Scope, staged: StagedRollout) -> None:
    """Let it count, in one transaction with the ledger's entry.

    Raises:
        Conflict: One is on its way already, or another release went live meanwhile.
    """
    with scope.store.records.write() as connection:
        queries.lock_use_case(connection, scope.workspace, staged.use_case)
        under_way = queries.staged_rows(
            connection, scope.workspace, staged.use_case, statuses=OPEN, limit=1
        )
        if under_way:
            raise Conflict(
                "staged_already",
                f"`{under_way[0]['label']}` is on its way up already"
                if under_way[0]["experiment"] is None
                else f"An experiment with `{under_way[0]['label']}` is under way already",
                hint=f"See `lineside rollouts show {staged.use_case}`, or pull it back first: "
                f"`lineside rollback {staged.use_case}`.",
            )
        before = _present(connection, scope, staged.use_case)
        if before.live.release_id != staged.from_release_id:
            raise decided_meanwhile(
                f"`{before.live.label}` went live in place of `{staged.from_label}` meanwhile"
            )
        queries.insert_staged(connection, scope.workspace, _row(staged))
        shadow, arms = before.shadow, arms_at(staged, before.live)
        told = {"experiment": staged.experiment.told()} if staged.experiment else {}
        put_rollout(
            connection,
            scope,
            staged.use_case,
            arms=arms,
            knobs=before.knobs,
            reason="experiment" if staged.experiment else "canary" if len(arms) > 1 else "deploy",
            shadow=None if shadow and shadow.release_id in {a.release_id for a in arms} else shadow,
            experiment=staged.id if staged.experiment else None,
            details={"staged": staged.id, "plan": staged.plan.model_dump(mode="json")} | told,
        )


def locked(
    connection: queries.Connection, scope: Scope, staged: StagedRollout, changed: Mapping[str, Any]
) -> Rollout:
    """Change it under the lock of its use case, and give the rollout that counts till now."""
    queries.lock_use_case(connection, scope.workspace, staged.use_case)
    if not queries.change_staged(connection, staged.id, staged.revision, dict(changed)):
        raise decided_meanwhile(f"Somebody else decided on `{staged.label}` meanwhile")
    return _present(connection, scope, staged.use_case)


def _present(connection: queries.Connection, scope: Scope, use_case: str) -> Rollout:
    found = present_rollout(connection, scope, use_case)
    assert found is not None  # noqa: S101 # nothing goes up where nothing was live
    return found


def _set_status(scope: Scope, use_case: str, status: Status, kind: str) -> StagedRollout:
    staged = opened(scope, use_case)
    if staged.experiment is not None:
        raise Conflict(
            "is_an_experiment",
            f"An experiment of `{use_case}` is under way; it never goes up by itself",
            hint=f"Deploy an arm with `lineside rollouts promote {use_case}`, or pull it back.",
        )
    if staged.status == status:
        raise Conflict("status_already", f"`{staged.label}` is {status} already")
    with scope.store.records.write() as connection:
        locked(connection, scope, staged, {"status": status})
        details = {"use_case": use_case, "release": staged.label, "step": _step_of(staged)}
        record(connection, scope, kind, staged.id, details)
    return again(scope, staged)


def _finish(scope: Scope, staged: StagedRollout, why: str) -> StagedRollout:
    with scope.store.records.write() as connection:
        locked(connection, scope, staged, ending(scope, "done", why))
        details = {"use_case": staged.use_case, "release": staged.label}
        record(connection, scope, "rollout.finished", staged.id, details | evidence(staged, why))
    return again(scope, staged)


def ending(scope: Scope, status: Status, why: str) -> dict[str, Any]:
    """What changes with its end."""
    return {"status": status, "ended_at": now(), "ended_by": scope.actor.name, "ended_why": why}


def evidence(staged: StagedRollout, why: str) -> dict[str, Any]:
    """What a decision rested on, for the ledger."""
    return {
        **({"experiment": staged.experiment.told()} if staged.experiment else {}),
        "staged": staged.id,
        "step": _step_of(staged),
        "why": why,
        "calls": staged.seen.model_dump(mode="json"),
        "looks": len(staged.looks),
        "findings": [
            found.model_dump(mode="json", exclude={"sentence", "calls_needed"})
            for found in staged.findings
        ],
    }


def _step_of(staged: StagedRollout) -> str:
    return f"{staged.step + 1} of {len(staged.plan.steps)}"


def planned(
    scope: Scope, use_case: str, plan: rollouts.RolloutPlan, live_id: str, *, step: int
) -> int:
    """Calls of the release after which a step should be settled, by the week before."""
    rate = 0.0
    with suppress(Unavailable):  # it sets the pace of the looks only
        week = traffic(scope, use_case=use_case, hours=_WEEK_HOURS)
        of_live = [arm for arm in week if arm.release == live_id and arm.arm != "shadow"]
        calls = sum(arm.calls - arm.refused for arm in of_live)
        rate = sum(arm.errors for arm in of_live) / calls if calls else 0.0
    margin = plan.margins["error_rate"]
    return calls_planned(margin, error_rate=rate, share=plan.steps[step])


def again(scope: Scope, staged: StagedRollout) -> StagedRollout:
    """The same as it is kept now."""
    found = load_staged(scope, staged.use_case, limit=10)
    return next(one for one in found if one.id == staged.id)


def _row(staged: StagedRollout) -> dict[str, Any]:
    """As the table takes it: moments as they are, what is nested as JSON."""
    moments: dict[str, datetime | None] = {
        name: value for name, value in dict(staged).items() if isinstance(value, datetime)
    }
    return staged.model_dump(mode="json") | moments
