"""Starting an experiment, and giving everybody the arm that a person picks."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil, log1p

from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.release import load_releases, pick_release
from lineside.apps.rollout import Arm, put_rollout, refuse_refused, standing
from lineside.apps.staged import steps
from lineside.apps.staged.effects import FALSE_FINDS_MAX, METRICS, metric_of
from lineside.apps.staged.experiment import LOOKS, Experiment, ExperimentArm
from lineside.apps.staged.looks import StepVerdict, verdict
from lineside.apps.staged.record import StagedRollout
from lineside.apps.staged.shares import arms_at
from lineside.apps.staged.wanted import DEFAULT_LENGTH, ExperimentWanted, arms_wanted
from lineside.core import Conflict, Invalid, new_id, now
from lineside.stats import pivots, sequential, unpaired
from lineside.traces import arms
from lineside.trust import Scope, record
from lineside.usecases import rollouts

USERS_MIN, USERS_MAX = 100, 10_000_000
_POWER = 0.8
_WEEK = timedelta(days=7)
_RATE_MIN = 0.005


def start_experiment(scope: Scope, use_case: str, wanted: ExperimentWanted) -> StagedRollout:
    """Hold releases against what is live, each with its share of the users, until told apart.

    Nothing goes up by itself. A limit or margin that is surely broken pulls all arms back at once.

    Raises:
        Denied: A release was refused by its gate; says why.
        Invalid: Arms, metric or plan cannot be followed; says what was read and expected.
        Conflict: Nothing is live, or a rollout or experiment is under way.
    """
    scope.require("deploy", use_case=use_case)
    before = standing(scope, use_case)
    releases = load_releases(scope, use_case)
    named = arms_wanted(wanted, use_case, releases, before.live)
    for arm in named[1:]:
        refuse_refused(pick_release(releases, use_case, arm.release_id))
    digest = pick_release(releases, use_case, named[-1].release_id).digest
    manifest = folder_of(scope.store, get_candidate(scope.store, scope.workspace, digest)).manifest
    share = sum(arm.share for arm in named[1:])
    typed = wanted.model_dump(include={"stop_if", "margins", "audience"})
    length = wanted.length or DEFAULT_LENGTH
    plan = steps.read_plan(manifest, typed | {"steps": [share, 1.0], "hold": length})
    experiment = _experiment(scope, use_case, wanted, named)
    moment = now()
    staged = StagedRollout(
        id=new_id("stg"),
        use_case=use_case,
        release_id=named[1].release_id,
        label=" and ".join(arm.label for arm in named[1:]),
        from_release_id=named[0].release_id,
        from_label=named[0].label,
        plan=plan,
        status="running",
        step=0,
        step_began_at=moment,
        planned=steps.planned(scope, use_case, plan, named[0].release_id, step=0),
        created_at=moment,
        created_by=scope.actor.name,
        experiment=experiment,
    )
    steps.begin(scope, staged)
    return staged


def promote(scope: Scope, use_case: str, arm: str | None = None) -> StagedRollout:
    """Go to the next step now, or give everybody an arm of an experiment.

    The ledger keeps who did, and what the calls said.

    Args:
        arm: As `deploy_arm` takes it; nothing where a release goes up by steps.

    Raises:
        Conflict: None is on its way, it is at everybody already, or no arm is better.
        Invalid: There is no such arm.
    """
    staged = steps.opened(scope, use_case)
    if staged.experiment is not None:
        return deploy_arm(scope, use_case, arm)
    if arm is not None:
        raise Invalid(
            "no_arms",
            f"Read the arm `{arm[:64]}`, but `{staged.label}` goes up by steps",
            hint=f"Leave it out: `lineside rollouts promote {use_case}`.",
        )
    return steps.promote(scope, use_case)


def settle(scope: Scope, staged: StagedRollout, due: StepVerdict) -> StagedRollout:
    """Write the verdict that no look can change any more into the ledger.

    Raises:
        Conflict: Somebody else decided meanwhile.
    """
    assert staged.experiment is not None  # noqa: S101 # else nothing is settled
    settled = staged.experiment.model_copy(update={"settled_at": now()})
    changed = {"experiment": settled.model_dump(mode="json")}
    with scope.store.records.write() as connection:
        steps.locked(connection, scope, staged, changed)
        details = {"use_case": staged.use_case, "release": staged.label, "outcome": due.outcome}
        details |= {"winner": due.winner} | steps.evidence(staged, due.sentence)
        record(connection, scope, "rollout.settled", staged.id, details)
    return steps.again(scope, staged)


def deploy_arm(scope: Scope, use_case: str, wanted: str | None = None) -> StagedRollout:
    """Give everybody an arm of the experiment that is under way, and end it.

    Args:
        wanted: The name of an arm; without one it is the winner. The first arm ends it as it was
            before.

    Raises:
        Conflict: No experiment is under way, or no arm is better and none was named.
        Invalid: There is no such arm.
    """
    staged = steps.opened(scope, use_case)
    experiment = staged.experiment
    if experiment is None:
        raise Conflict(
            "no_experiment",
            f"`{staged.label}` goes up by steps; there is no experiment on `{use_case}`",
            hint=f"See `lineside rollouts show {use_case}`.",
        )
    due = verdict(staged, at=now())
    name = wanted or due.winner
    if name is None:
        raise Conflict(
            "no_winner",
            f"No arm of the experiment on `{staged.use_case}` is surely better: {due.sentence}",
            hint=f"Name the arm that everybody is to get, such as `lineside rollouts promote "
            f"{staged.use_case} {experiment.others[0].name}`.",
        )
    picked = next((arm for arm in experiment.arms if arm.name == name), None)
    if picked is None:
        raise Invalid(
            "unknown_arm",
            f"Read the arm `{name[:64]}`, expected one of "
            f"{', '.join(f'`{arm.name}`' for arm in experiment.arms)}",
        )
    why = f"{picked.name} ({picked.label}) was deployed by hand; the verdict was: {due.sentence}"
    ended = steps.ending(scope, "done", why)
    with scope.store.records.write() as connection:
        before = steps.locked(connection, scope, staged, ended)
        put_rollout(
            connection,
            scope,
            staged.use_case,
            arms=_everybody(staged, picked),
            knobs=before.knobs,
            reason="deploy",
            shadow=before.shadow,
            details=steps.evidence(staged, why),
        )
    return steps.again(scope, staged)


def _everybody(staged: StagedRollout, picked: ExperimentArm) -> tuple[Arm, ...]:
    """Everybody with the arm; beside an audience the first arm stays for all others."""
    first = Arm(
        name="live", release_id=staged.from_release_id, label=staged.from_label, percent=100.0
    )
    if picked.release_id == staged.from_release_id:
        return (first,)
    values = {"release_id": picked.release_id, "label": picked.label, "step": 1}
    return arms_at(staged.model_copy(update=values), first)


def _experiment(
    scope: Scope, use_case: str, wanted: ExperimentWanted, named: Sequence[ExperimentArm]
) -> Experiment:
    metric = metric_of(wanted.metric)
    is_lower = metric.lower_is_better or wanted.lower_is_better
    smallest = wanted.smallest or rollouts.MARGINS.get(wanted.metric)
    if smallest is None and wanted.metric == "feedback":
        smallest = 0.05
    if smallest is None:
        raise Invalid(
            "smallest_unknown",
            f"Nobody said how large a difference in `{wanted.metric}` would matter",
            hint="Say it in units of the score, such as `--smallest 0.05`; "
            f"else compare {', '.join(f'`{name}`' for name in METRICS)}.",
        )
    users = wanted.users
    if users is None:
        users = _users_needed(scope, use_case, wanted.metric, named, smallest)
    return Experiment(
        arms=tuple(named),
        metric=wanted.metric,
        direction="<=" if is_lower else ">=",
        smallest=smallest,
        users=users,
    )


def _users_needed(
    scope: Scope, use_case: str, name: str, named: Sequence[ExperimentArm], smallest: float
) -> int:
    """Users in all arms that show the smallest difference that matters four times in five.

    How much users differ is read of the live release's last week.
    """
    measure = metric_of(name).measure
    # By the name of its arm, since users are the units then as they will be.
    rows = [
        row
        for row in arms.arm_sums(
            scope,
            use_case,
            ["live"],
            since=now() - _WEEK,
            by_name=True,
            with_feedback=measure == "feedback",
        )
        if row.measure == measure and row.units > 1 and row.release == named[0].release_id
    ]
    if not rows:
        raise Invalid(
            "users_unknown",
            f"`{named[0].label}` has no `{name}` of the last week to plan with",
            hint="Say after how many users the experiment ends, such as `--users 2000`.",
        )
    sums = unpaired.ClusterSums(**rows[0].model_dump(exclude={"release", "arm", "measure"}))
    spread = sums.variance * sums.units
    if measure in ("error_rate", "feedback"):
        spread = max(spread, _RATE_MIN * (1 - _RATE_MIN))
    elif measure == "cost_usd":
        spread /= max(sums.mean, 1e-12) ** 2
    apart = log1p(smallest) if measure in ("latency", "cost_usd") else smallest
    level = FALSE_FINDS_MAX / (len(named) - 1)
    reach = pivots.critical(level / 2, None) + pivots.critical(1 - _POWER, None)
    factor = sequential.information_factor(LOOKS, confidence=1 - level)
    shares = 1 / named[0].share + 1 / min(arm.share for arm in named[1:])
    return min(USERS_MAX, max(USERS_MIN, ceil(reach**2 * spread * shares * factor / apart**2)))
