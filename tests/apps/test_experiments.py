"""Experiments: named arms beside each other until their users tell them apart."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lineside.apps import (
    Call,
    Release,
    Rollout,
    Serving,
    current_rollout,
    deploy,
    release_folder,
    roll_back,
    rollout,
    staged,
)
from lineside.apps.choosing import choose_arm, key_of
from lineside.apps.staged import ExperimentWanted, StagedRollout, Watcher
from lineside.core import Conflict, Denied, Invalid, now
from lineside.traces import (
    Span,
    give_feedback,
    latest_calls,
    new_span_id,
    new_trace_id,
    record_spans,
)
from lineside.traces.scores import TraceScore, record_scores
from lineside.trust import Scope, ledger_entries
from lineside.usecases import read_folder

Answered = Callable[..., list[str]]


@pytest.fixture
def releases(scope: Scope, make_folder) -> dict[str, Release]:
    found = [
        release_folder(scope, read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))).release
        for note in ("one", "two", "three")
    ]
    deploy(scope, "triage", "v1")
    return {release.label: release for release in found}


@pytest.fixture
def answered(scope: Scope, releases: dict[str, Release]) -> Answered:
    """Have an arm answer: so many users with two calls each, of whom some meet an error."""
    users = iter(range(1_000_000))

    def record(
        arm: str,
        release: str,
        count: int,
        *,
        failing: int = 0,
        took_ms: float = 100.0,
        cost_usd: float | None = None,
    ) -> list[str]:
        spans = []
        for at in range(count):
            user = f"user {next(users)}"
            for turn in range(2):
                span: dict[str, Any] = {
                    "trace_id": new_trace_id(),
                    "span_id": new_span_id(),
                    "name": "triage",
                    "kind": "app",
                    "use_case": "triage",
                    "release": releases[release].id,
                    "arm": arm,
                    "user_id": user,
                    "session_id": f"{user}, visit {turn}",
                    "started_at": now(),
                    "duration_ms": took_ms + at % 7,
                    "cost_usd": None if cost_usd is None else cost_usd * (1 + at % 5 / 10),
                    "status": "error" if at < failing and turn == 0 else "ok",
                }
                spans.append(Span(**span))
        record_spans(scope, spans).result()
        return [span.trace_id for span in spans]

    return record


def begin(scope: Scope, **wanted: Any) -> StagedRollout:
    return staged.start_experiment(
        scope, "triage", ExperimentWanted.model_validate({"users": 400} | wanted)
    )


def look(scope: Scope) -> StagedRollout:
    """What a server makes of the calls now."""
    Watcher(scope, every_seconds=0).watch()
    found = staged.current(scope, "triage")
    assert found
    return found


def told(scope: Scope) -> staged.StepVerdict:
    return staged.view_of(look(scope), at=now()).verdict


def present(scope: Scope) -> Rollout:
    found = current_rollout(scope, "triage")
    assert found
    return found


def shares(scope: Scope) -> dict[str, float]:
    return {f"{arm.name} {arm.label}": arm.percent for arm in present(scope).arms}


def test_a_better_arm_is_named_and_a_person_gives_it_to_everybody(
    scope: Scope, releases, answered: Answered
) -> None:
    begin(scope, arms=[{"name": "A", "release": "live"}, {"name": "B", "release": "v2"}])
    assert shares(scope) == {"A v1": 50, "B v2": 50}
    assert told(scope).sentence == "Not enough data: nobody has called it yet"

    answered("A", "v1", 40, failing=18)
    answered("B", "v2", 38, failing=1)
    early = told(scope)
    assert early.outcome == "more"
    assert early.sentence == (
        "Not enough data: the first look counts at 80 users, about 4 more calls"
    )
    answered("A", "v1", 160, failing=72)
    answered("B", "v2", 162, failing=4)
    settled = look(scope)
    verdict = staged.view_of(settled, at=now()).verdict

    assert (verdict.outcome, verdict.winner) == ("better", "B")
    assert verdict.sentence.startswith(
        "B is better: error rate differs from A by \N{MINUS SIGN}21.2 points (\N{MINUS SIGN}"
    )
    assert shares(scope) == {"A v1": 50, "B v2": 50}, "nobody gets it before a person says so"
    [entry] = ledger_entries(scope, kind="rollout.settled")
    assert entry.details["winner"] == "B"
    assert entry.details["experiment"]["effects"][0]["standing"] == "better"
    assert entry.actor.name == "lineside"
    look(scope)
    assert len(ledger_entries(scope, kind="rollout.settled")) == 1

    done = staged.promote(scope, "triage")
    assert done.status == "done"
    assert shares(scope) == {"live v2": 100}
    assert "B (v2) was deployed by hand" in str(done.ended_why)
    assert ledger_entries(scope, kind="deploy")[-1].details["why"] == done.ended_why


def test_the_first_arm_keeps_where_the_other_is_not_worth_it(
    scope: Scope, releases, answered: Answered
) -> None:
    begin(scope, smallest="5%")
    answered("A", "v1", 400, failing=8)
    answered("B", "v3", 400, failing=8)

    verdict = told(scope)

    assert (verdict.outcome, verdict.winner) == ("keeps", None), verdict.sentence
    assert verdict.sentence.startswith("A keeps: B: error rate differs from A by +0.0 points (")
    assert verdict.sentence.endswith("surely not better by 5.0 points")
    with pytest.raises(Conflict, match="No arm of the experiment on `triage` is surely better"):
        staged.promote(scope, "triage")
    assert staged.promote(scope, "triage", "A").status == "done"
    assert shares(scope) == {"live v1": 100}


def test_what_is_not_told_apart_in_time_says_how_many_calls_lack(
    scope: Scope, releases, answered: Answered
) -> None:
    begin(scope, length="0s")
    answered("A", "v1", 60, failing=6)
    answered("B", "v3", 60, failing=2)

    ended = look(scope)
    verdict = staged.view_of(ended, at=now()).verdict

    assert ended.experiment
    assert ended.experiment.settled_at
    assert verdict.outcome == "more"
    assert verdict.sentence.startswith("Not enough data: B: error rate differs from A by ")
    assert verdict.sentence.endswith(f"about {verdict.calls_needed:,} more calls would settle it")


def test_between_looks_the_findings_stand_still(scope: Scope, releases, answered) -> None:
    begin(scope)
    answered("A", "v1", 45, failing=4)
    answered("B", "v3", 45, failing=1)
    first = look(scope).experiment
    answered("B", "v3", 30, failing=30)
    second = look(scope)

    assert first
    assert len(first.looks) == 1
    assert second.experiment == first
    assert sum(arm.calls for arm in second.seen.named) == 240


def test_a_broken_limit_pulls_every_arm_back_at_once(scope: Scope, releases, answered) -> None:
    begin(scope, length="30d", users=100_000, stop_if=["error_rate > 5%"])
    answered("A", "v1", 300, failing=3)
    answered("B", "v3", 300, failing=200)

    ended = look(scope)

    assert ended.status == "rolled_back"
    assert str(ended.ended_why).startswith("Pull back to A: B: error rate is 33.3 %")
    assert shares(scope) == {"live v1": 100}
    assert ledger_entries(scope, kind="rollback")[-1].details["why"] == ended.ended_why


def test_three_arms_are_held_against_the_first(scope: Scope, releases, answered) -> None:
    arms = [
        {"name": "control", "release": "live", "share": "40%"},
        {"name": "short", "release": "v2"},
        {"name": "long", "release": "v3"},
    ]
    begin(scope, arms=arms, smallest="1%")
    assert shares(scope) == {"control v1": 40, "short v2": 30, "long v3": 30}
    answered("control", "v1", 160, failing=64)
    answered("short", "v2", 120, failing=6)
    answered("long", "v3", 120, failing=46)

    verdict = told(scope)

    assert verdict.winner == "short"
    assert verdict.sentence.startswith("short is better: error rate differs from control by ")
    assert verdict.sentence.endswith("; long is not settled")


def test_users_in_other_shares_than_stated_are_not_trusted(
    scope: Scope, releases, answered
) -> None:
    begin(scope)
    answered("A", "v1", 300, failing=120)
    answered("B", "v3", 150, failing=3)

    verdict = told(scope)

    assert (verdict.outcome, verdict.winner) == ("more", None)
    assert verdict.sentence == (
        "Not to be trusted: the sample ratio does not match (A got 300 users where 225 were "
        "expected, B got 150 users where 225 were expected; p < 0.001); find out what loses or "
        "adds users of one arm"
    )


@pytest.mark.parametrize("metric", ["latency", "cost", "feedback", "helpful"])
def test_an_experiment_is_about_any_metric(
    scope: Scope, releases, answered: Answered, metric: str
) -> None:
    begin(scope, metric=metric, smallest={"helpful": 0.1}.get(metric), users=40)
    of = {
        "A": answered("A", "v1", 20, cost_usd=0.002),
        "B": answered("B", "v3", 20, cost_usd=0.001, took_ms=60.0),
    }
    is_well = {one: arm == "B" or at % 4 == 0 for arm in of for at, one in enumerate(of[arm])}
    if metric == "feedback":
        for trace_id, is_up in is_well.items():
            give_feedback(scope, trace_id, thumb="up" if is_up else "down")
    if metric == "helpful":
        usual: dict[str, Any] = {"name": "helpful", "source": "person"}
        record_scores(
            scope,
            [
                TraceScore(trace_id=one, value=0.1 + at % 5 / 10 + 0.4 * is_well[one], **usual)
                for at, one in enumerate(is_well)
            ],
        )

    verdict = told(scope)

    assert verdict.winner == "B", verdict.sentence


def test_a_user_stays_in_an_arm_and_falls_anew_in_the_next_experiment(
    scope: Scope, releases
) -> None:
    begin(scope)
    first = present(scope)
    roll_back(scope, "triage")
    begin(scope)
    second = present(scope)
    users = [f"user {at}" for at in range(4_000)]
    pairs = [(choose_arm(first, user).name, choose_arm(second, user).name) for user in users]

    assert pairs == [(choose_arm(first, u).name, choose_arm(second, u).name) for u in users]
    together = Counter(pairs)
    assert all(830 < together[pair] < 1_170 for pair in together)
    assert len(together) == 4
    assert key_of(first, session="visit", user="ann") == "ann"
    assert key_of(first, session="visit", user=None) == "visit"


async def test_served_calls_carry_the_name_of_their_arm(scope: Scope, releases) -> None:
    begin(scope, audience="country = CH")
    serving = Serving(scope.store)
    message = {"message": "My bill is wrong"}
    seen: dict[str, set[str]] = {}
    swiss = {"country": "CH"}
    of_arm = {choose_arm(present(scope), str(user), swiss).name: str(user) for user in range(99)}
    for user in ("ann", "bob", *of_arm.values()):
        for visit in ("one", "two"):
            call = Call(input=message, user=user, session=f"{user} {visit}", attributes=swiss)
            seen.setdefault(user, set()).add((await serving.call(scope, "triage", call)).arm)
    other = await serving.call(scope, "triage", Call(input=message, user="ann"))
    await serving.close()

    assert all(len(arms) == 1 for arms in seen.values())
    assert set().union(*seen.values()) == {"A", "B"}
    assert (other.arm, other.release) == ("live", "v1")
    assert {call.arm for call in latest_calls(scope, use_case="triage")} == {"A", "B", "live"}


def test_a_copy_to_a_shadow_leaves_users_where_they_are(scope: Scope, releases) -> None:
    started = begin(scope, arms=[{"name": "A", "release": "live"}, {"name": "B", "release": "v2"}])
    rollout.shadow(scope, "triage", "v3")

    assert present(scope).experiment == started.id
    staged.promote(scope, "triage", "B")
    assert present(scope).shadow is not None


def test_a_deploy_by_hand_or_a_rollback_ends_it(scope: Scope, releases) -> None:
    begin(scope)
    with pytest.raises(Conflict, match="An experiment with `v3` is under way already"):
        staged.start(scope, "triage", "v2")
    with pytest.raises(Conflict, match="never goes up by itself"):
        staged.pause(scope, "triage")
    roll_back(scope, "triage")
    ended = staged.current(scope, "triage")
    assert ended
    assert ended.status == "rolled_back"
    assert shares(scope) == {"live v1": 100}

    begin(scope)
    deploy(scope, "triage", "v2", percent=10)
    assert shares(scope) == {"live v1": 90, "canary v2": 10}
    stopped = staged.current(scope, "triage")
    assert stopped
    assert stopped.status == "stopped"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"arms": [{"name": "A"}]}, "Read 1 arms, expected 2 to 10"),
        ({"arms": [{"name": "A", "release": "live"}, {"name": "live"}]}, "as the name of an arm"),
        ({"arms": [{"name": "A", "release": "v2"}, {"name": "B"}]}, "but `v1` is live"),
        (
            {
                "arms": [
                    {"name": "A", "release": "live", "share": "80%"},
                    {"name": "B", "share": "30%"},
                ]
            },
            "Read shares of 80 %, 30 %",
        ),
        ({"metric": "helpful"}, "how large a difference in `helpful` would matter"),
        ({"users": None}, "`v1` has no `error_rate` of the last week to plan with"),
        ({"length": "soon"}, "expected a duration"),
        ({"audience": "country CH"}, "expected a condition"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    scope: Scope, releases, wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises((Invalid, Conflict), match=said):
        begin(scope, **wanted)
    assert shares(scope) == {"live v1": 100}


def test_users_are_planned_by_the_last_week(scope: Scope, releases, answered) -> None:
    answered("live", "v1", 500, failing=50)

    begun = begin(scope, users=None).experiment

    assert begun is not None
    # 5 % of calls fail, two a user: about a 3.1 % spread of a mean, 2 points apart.
    assert 1_800 < begun.users < 2_600


def test_who_may_only_read_begins_none(scope: Scope, releases) -> None:
    reader = replace(scope, rights=frozenset({"read"}))
    with pytest.raises(Denied):
        begin(reader)
